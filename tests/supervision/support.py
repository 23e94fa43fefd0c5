"""Runs the launcher the way a person does, with programs of the test's own in the place of the two tiers."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support.ports import free_port
from tests.support.waiting import WAIT_S
from tests.support.waiting import wait_until as wait_until

ROOT = Path(__file__).resolve().parents[2]
FOREIGN = (
    "ON_FATAL",
    "START_TRIES",
    "VLM_STARTING_S",
    "LOG_FORMAT",
    "LOG_LEVEL",
    "PORT",
    "HOST",
    "VLM_ENGINE",
    "VLM_PORT",
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
)


def environment(**names: str) -> dict[str, str]:
    """The test's own environment without what would change the outcome, and with `names`. Nothing is downloaded, and no
    runtime of models is measured against another."""
    own = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    return own | {"EMBEDDED_DOWNLOAD": "false", "FONT_DOWNLOAD": "false", "INFERENCE_RUNTIME": "onnxruntime"} | names


def program(path: Path, body: str) -> str:
    """An executable shell script that stands in for a tier's interpreter."""
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def stand_ins(folder: Path, body: str) -> dict[str, str]:
    """Settings under which both tiers run the shell script `body`, with ports and folders of their own."""
    return {
        "PORT": str(free_port()),
        "VLM_PORT": str(free_port()),
        "TMPDIR": str(folder),
        "TEMP_DIR": str(folder / "temp"),
        "OUTPUT_DIR": str(folder / "output"),
        "DATA_DIR": str(folder / "data"),
        "GATEWAY_PYTHON": program(folder / "a gateway", body),
        "VLM_PYTHON": program(folder / "a vlm", body),
        "VLM_STARTING_S": "1",
    }


def launch(**names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supervision.launch"],
        cwd=ROOT,
        env=environment(**names),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


def is_running(process: psutil.Process) -> bool:
    """False for a zombie too: it holds nothing, and only its parent can end it."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def family(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The process and all its descendants."""
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


@contextmanager
def launched(log: Path, command: list[str], **names: str) -> Iterator[subprocess.Popen[bytes]]:
    """The launcher at work, its output in `log`; ended with its descendants when the test is done."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**names), stdout=output, stderr=output)
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and its descendants, unless they are gone."""
    for member in family(process) if process.poll() is None else []:
        if is_running(member):
            member.kill()
    process.wait()
