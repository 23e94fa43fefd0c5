"""What the embedded engine needs."""

from __future__ import annotations

import importlib
import importlib.util
import sys

from vlm_backend.doctor.facts import Facts
from vlm_backend.doctor.report import Finding, fail, ok

PACKAGES = ("onnxruntime", "rapidocr", "cv2", "numpy", "fastapi", "uvicorn")


TWO_OPENCVS = (
    "Two builds of OpenCV share one folder, and the one with a GUI came last. Leave only the other: "
    "`pip uninstall -y opencv-python` and `pip install --force-reinstall --no-deps opencv-contrib-python-headless`."
)


def check_packages(_: Facts) -> Finding:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return fail(
            f"The environment of {sys.executable} lacks {', '.join(missing)}.",
            "Make it anew: `make clean` and `make run`. VLM_PYTHON names the interpreter of the VLM tier.",
        )
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        return fail(f"OpenCV cannot be loaded: {error}.", TWO_OPENCVS)
    return ok("Its packages are installed; it needs no GPU.")
