"""Runs `paddleocr-vl` as a shell does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.paddleocr_vl_client.conftest import KEY
from tests.supervision.support import ROOT, environment
from tests.support.waiting import WAIT_S

COMMAND = [sys.executable, "-P", "-m", "supervision.cli"]


def run(
    folder: Path, *words: str, data: bytes | None = None, names: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command in `folder`, with `data` as its standard input; it may not speak of Python."""
    done = subprocess.run(
        [*COMMAND, *words], cwd=folder, env=_environment(names or {}), input=data, capture_output=True, timeout=WAIT_S,
        check=False,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


@contextmanager
def running(
    folder: Path, *words: str, names: Mapping[str, str], stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """The command at work; killed at the end unless it has ended."""
    process = subprocess.Popen(
        [*COMMAND, *words], cwd=folder, env=_environment(names), stdout=subprocess.PIPE, stderr=stderr
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _environment(names: Mapping[str, str]) -> dict[str, str]:
    own = environment(**{KEY_VARIABLE: KEY, "PYTHONPATH": str(ROOT), **names})
    if URL_VARIABLE not in names:
        own.pop(URL_VARIABLE, None)
    return own
