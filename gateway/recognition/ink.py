"""Where on a crop something is printed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.model import Pixels

PAPER = 200
"""Grey from which a pixel counts as paper once the crop's darkest is 0 and its lightest 255. PaddleOCR-VL's number."""


def trimmed(pixels: Pixels, least: int) -> Pixels:
    """The crop without the paper around its ink, at least `least` pixels wide and high where it was so before."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    dark, light = float(grey.min()), float(grey.max())
    if dark == light:
        return pixels
    ink: NDArray[np.bool_] = np.floor((grey - dark) * (255 / (light - dark))) <= PAPER
    top, bottom = _span(np.flatnonzero(ink.any(axis=1)), ink.shape[0], least)
    left, right = _span(np.flatnonzero(ink.any(axis=0)), ink.shape[1], least)
    return pixels[top:bottom, left:right]


def _span(places: NDArray[np.intp], length: int, least: int) -> tuple[int, int]:
    """First and last (exclusive) of the ascending `places`, widened to `least` inside of 0 to `length`."""
    first, last = int(places[0]), int(places[-1]) + 1
    missing = max(0, min(least, length) - (last - first))
    first = min(max(0, first - missing // 2), length - (last - first) - missing)
    return first, max(last, first + min(least, length))
