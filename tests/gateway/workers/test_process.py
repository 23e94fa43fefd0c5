"""What worker processes start with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.workers.process import worker_environment

PROGRAM = """
import os

import cv2
import gateway.assembly.docx.writer
import numpy

print(len(os.listdir("/proc/self/task")))
"""


def test_libraries_of_a_worker_start_no_threads() -> None:
    """A thread that has its first turn when the memory is limited already would end the worker, and with it a request:
    seen on a busy machine as 422 for an export."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=worker_environment(), capture_output=True, check=True)
    assert done.stdout == b"1\n"


def test_workers_keep_what_is_told_to_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=0")
    assert worker_environment()["GLIBC_TUNABLES"] == "glibc.malloc.hugetlb=0"
