"""What the embedded engine needs."""

from __future__ import annotations

import importlib.util
import sys

from textlines.opencv import REMEDY, opencv_problem
from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok

PACKAGES = ("onnxruntime", "rapidocr", "cv2", "numpy", "fastapi", "uvicorn")


def check_packages(_: Facts) -> Finding:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return fail(
            f"The environment of {sys.executable} lacks {', '.join(missing)}.",
            "Make it anew: `make clean` and `make run`. VLM_PYTHON names the interpreter of the VLM tier.",
        )
    if problem := opencv_problem():
        return fail(problem, REMEDY)
    return ok("Its packages are installed; it needs no GPU.")
