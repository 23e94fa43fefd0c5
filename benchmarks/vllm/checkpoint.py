"""The model that vLLM serves in a benchmark: made where it is not there yet, and what the service needs to serve it."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

from benchmarks.service import ROOT
from tests.vllm.lessons import write_lessons

MODEL = "PaddleOCR-VL-1.6"


def taught_checkpoint(folder: Path, python: Path) -> Path:
    """The tiny model that reads the bundled example, in `folder` beside its lessons; made by vLLM's `python`."""
    checkpoint = folder / MODEL
    if not checkpoint.exists():
        write_lessons(folder)
        program = ROOT / "tests" / "vllm" / "checkpoint.py"
        subprocess.run([python, program, folder / "lessons.json", checkpoint], check=True)
    return checkpoint


def full_size_checkpoint(folder: Path, python: Path) -> Path:
    """The model that VLM_MODEL names by its whole path, or one without weights, made in `folder` by vLLM's `python`."""
    named = Path(os.environ.get("VLM_MODEL", ""))
    if named.is_absolute():
        return named
    checkpoint = folder / MODEL
    subprocess.run([python, "-m", "benchmarks.full_size", checkpoint], cwd=ROOT, check=True)
    return checkpoint


def taught_environment(checkpoint: Path, python: Path, cores: int) -> dict[str, str]:
    # Threads that wait for one another by spinning come to a standstill where others want the same cores.
    return {**_environment(checkpoint, python), "OMP_NUM_THREADS": str(max(1, cores // 2))}


def full_size_environment(checkpoint: Path, python: Path) -> dict[str, str]:
    names = _environment(checkpoint, python)
    if not any(checkpoint.glob("*.safetensors")):
        extra = os.environ.get("VLM_EXTRA_ARGUMENTS", "")
        names["VLM_EXTRA_ARGUMENTS"] = f"{extra} --load-format dummy".strip()
    return names


def is_checked(url: str) -> bool:
    """The engine is ready and the self-check has ended, well or not: made-up weights may read nothing."""
    try:
        with urllib.request.urlopen(f"{url}/health") as answer:
            health = json.load(answer)
    except OSError:
        return False
    return bool(health["vlm"]["state"] == "ready" and health["self_check"]["state"] != "pending")


def _environment(checkpoint: Path, python: Path) -> dict[str, str]:
    return {"VLM_ENGINE": "vllm", "VLLM_PYTHON": str(python), "VLM_MODEL": str(checkpoint)}
