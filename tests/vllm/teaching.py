"""The tiny checkpoint, taught once and cached under the lessons, the code and the packages that it came from."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.cache import cached_folder
from tests.support.vllm import ROOT
from tests.vllm.service import MODEL

PROGRAM = ROOT / "tests" / "vllm" / "checkpoint.py"
VERSIONS = """
import platform
from importlib.metadata import version
print(platform.python_version(), *map(version, ("torch", "transformers", "tokenizers", "pillow")))
"""


def taught_checkpoint(lessons: Path, python: Path) -> Path:
    """A folder with a tiny PaddleOCR-VL that knows the lessons of a `lessons.json` by heart.

    Takes minutes where it is not cached. No time-out ends it: a busy machine needs many times what a quiet one does.
    """

    def teach(folder: Path) -> None:
        command = [python, PROGRAM, lessons, folder / MODEL]
        # Threads that wait for one another by spinning come to a standstill where others want the same cores.
        names = {**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 2)), "OMP_WAIT_POLICY": "PASSIVE"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=names)
        assert done.returncode == 0, done.stderr[-3000:]

    return cached_folder("checkpoint", _inputs(lessons, python), teach) / MODEL


def _inputs(lessons: Path, python: Path) -> Iterator[bytes]:
    yield PROGRAM.read_bytes()
    yield subprocess.run([python, "-c", VERSIONS], capture_output=True, check=True).stdout
    for lesson in json.loads(lessons.read_text(encoding="utf-8")):
        yield Path(lesson.pop("picture")).read_bytes()
        yield json.dumps(lesson, sort_keys=True).encode()
