"""What a person can do about his installation: the commands of a checkout and of the wheel, and OpenCV."""

from __future__ import annotations

import importlib
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
OPENCV_REMEDY = (
    "If two builds of OpenCV share one folder, the one with a GUI came last. Leave only the other: "
    "`pip uninstall -y opencv-python opencv-python-headless` and "
    "`pip install --force-reinstall --no-deps opencv-contrib-python-headless`."
)


def command_of(target: Target) -> str:
    """The command for a target of the Makefile, which the wheel has not; in backquotes."""
    return _COMMANDS[target] if IS_INSTALLED else f"`make {target}`"


def opencv_problem() -> str | None:
    """Why OpenCV, which both tiers work with, can't be loaded here, as a sentence; None where it can."""
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        return f"OpenCV cannot be loaded: {error}."
    return None
