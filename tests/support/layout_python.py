"""The interpreter that has PaddleOCR, for the tests that need the real one."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from gateway.layout.paddleocr.detector import OWN_ENVIRONMENT


def layout_python() -> Path:
    """`LAYOUT_PYTHON`, or that of `make layout`. Without it tests are skipped; with REQUIRE_LAYOUT=1 they fail."""
    python = Path(os.environ.get("LAYOUT_PYTHON") or OWN_ENVIRONMENT)
    if has_paddleocr(python):
        return python
    reason = f"{python} has no PaddleOCR; `make layout` installs it"
    if os.environ.get("REQUIRE_LAYOUT") == "1":
        pytest.fail(f"{reason} (REQUIRE_LAYOUT=1)", pytrace=False)
    pytest.skip(reason)


@cache
def has_paddleocr(python: Path) -> bool:
    """Looks the module up only: importing it would take seconds."""
    question = "import importlib.util, sys; sys.exit(importlib.util.find_spec('paddleocr') is None)"
    try:
        return subprocess.run([python, "-c", question], capture_output=True, timeout=120, check=False).returncode == 0
    except OSError:
        return False
