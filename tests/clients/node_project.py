"""Programs for Node.js, each with the packages of a folder here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.waiting import WAIT_S


def install(folder: Path, sources: Path) -> Path:
    """The folder, with the programs of `sources` and the packages that they need; skips the test where they can't be
    had."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine")
    for source in sources.iterdir():
        shutil.copy(source, folder)
    done = run_in(folder, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
    if done.returncode:
        pytest.skip(f"npm can't install what is needed: {done.stderr[-200:]}")
    return folder


def run_in(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False)
