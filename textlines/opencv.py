"""Whether OpenCV, which both tiers work with, can be loaded here."""

from __future__ import annotations

import importlib

REMEDY = (
    "If two builds of OpenCV share one folder, the one with a GUI came last. Leave only the other: "
    "`pip uninstall -y opencv-python opencv-python-headless` and "
    "`pip install --force-reinstall --no-deps opencv-contrib-python-headless`."
)


def opencv_problem() -> str | None:
    """Why it can't, as a sentence; None where it can."""
    try:
        importlib.import_module("cv2")
    except ImportError as error:
        return f"OpenCV cannot be loaded: {error}."
    return None
