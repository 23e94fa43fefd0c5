"""What the process does with memory that was freed, with garbage and with the cores."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.server import gateway

SCRIPT = """
import sys
import psutil
from gateway.tuning import give_back_freed_memory

def resident_mb():
    return psutil.Process().memory_info().rss / 1e6

if sys.argv[1] == "asked":
    give_back_freed_memory()
pixels = bytearray(3_000_000)
del pixels
before, pages, kept = resident_mb(), [], []
for _ in range(50):
    pages.append(bytearray(b"x" * 3_000_000))
    kept.append(bytearray(100_000))
pages.clear()
print(resident_mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_pixels_that_are_freed_go_back_to_the_system() -> None:
    def left_mb(how: str) -> float:
        run = subprocess.run([sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, check=True)
        return float(run.stdout)

    assert left_mb("asked") < left_mb("not asked") / 3


def test_what_computes_lets_the_event_loop_go_first(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path) as served:
        assert served.read(png).status_code == 200
        threads = [os.getpriority(os.PRIO_PROCESS, thread.id) for thread in psutil.Process().threads()]
        workers = [child.nice() for child in psutil.Process().children() if "gateway.intake.worker" in child.cmdline()]
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert sorted(set(threads)) == [own, own + 5]
    assert set(workers) == {own + 5}
