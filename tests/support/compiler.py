"""Small shared libraries, made with the machine's C compiler, in the place of large ones that no test machine has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.missing import skip_without
from tests.support.waiting import WAIT_S

SOURCES = Path(__file__).parent / "libraries"


def compile_library(source: str, target: Path, *options: str) -> Path:
    """`target` out of tests/support/libraries/`source`; `options` as for gcc."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        skip_without("no C compiler, which makes small shared libraries for this test (Debian: gcc, libc6-dev)")
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [compiler, "-shared", "-fPIC", "-w", "-o", str(target), str(SOURCES / source), *options]
    subprocess.run(command, check=True, timeout=WAIT_S)
    return target


def compile_driver(folder: Path, *options: str) -> Path:
    """A driver in `folder`, which has to stand in LD_LIBRARY_PATH. What it answers: see libraries/libcuda.c."""
    compile_library("libcuda.c", folder / "libcuda.so.1", "-Wl,-soname,libcuda.so.1", *options)
    compile_library("libnvidia-ml.c", folder / "libnvidia-ml.so.1", "-Wl,-soname,libnvidia-ml.so.1")
    return folder


def compile_nccl(target: Path, version: int, *, has_windows: bool) -> Path:
    """NCCL of `version` (22809 for 2.28.9) as `target`."""
    options = ["-Wl,-soname,libnccl.so.2", f"-DVERSION={version}", *(["-DWINDOWS"] if has_windows else [])]
    return compile_library("libnccl.c", target, *options)
