"""What the process does with memory that was freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import psutil
from common.memory import give_back_freed_memory

def resident_mb():
    return psutil.Process().memory_info().rss / 1e6

if sys.argv[1] == "asked":
    give_back_freed_memory()
pixels = b"x" * 3_000_000
del pixels
before, pages, kept = resident_mb(), [], []
for _ in range(50):
    pages.append(b"x" * 3_000_000)
    kept.append(b"x" * 100_000)
pages.clear()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_freed_pixels_return_to_system() -> None:
    def left_mb(how: str) -> float:
        run = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return float(run.stdout)

    assert left_mb("asked") < left_mb("not asked") / 3
