"""What is searched for in a whole file."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.intake.render import file_search
from gateway.intake.render.file_search import find_all, map_file

LARGE = 2**28
PEAK = """
import re, sys
from gateway.intake.render.file_search import find_all, map_file
with open(sys.argv[1], "rb") as file, map_file(file) as data:
    print([match.start() for match in find_all(re.compile(b"/Word"), data)])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("at", [0, 8189, 8190, 8192, 16384, 20000])
def test_what_lies_across_two_pieces_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(file_search, "PIECE_BYTES", 8192)
    path = tmp_path / "file"
    path.write_bytes(b"." * at + b"/Word  5" + b"." * 9000 + b"/Word 77")
    with path.open("rb") as file, map_file(file) as data:
        found = [(match.start(), match[1]) for match in find_all(re.compile(rb"/Word\s+(\d+)"), data)]
    assert found == [(at, b"5"), (at + 9008, b"77")]


def test_a_long_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(LARGE)
        file.seek(LARGE - 100)
        file.write(b"/Word")
    told = subprocess.run([sys.executable, "-c", PEAK, path], capture_output=True, text=True, check=True).stdout
    found, peak_kb = told.splitlines()
    assert found == f"[{LARGE - 100}]"
    assert int(peak_kb) * 1024 < LARGE / 2
