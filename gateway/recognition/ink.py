"""Where on a crop something is printed."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.model import Pixels

PAPER = 200
"""Grey from which a pixel counts as paper once the crop's darkest is 0 and its lightest 255. PaddleOCR-VL's number."""


LEAST_SIDE = 3
"""A crop whose ink is thinner, in pixels, stays whole. PaddleOCR-VL's number too."""


def trimmed(pixels: Pixels) -> Pixels:
    """The crop without the paper around its ink."""
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.float32)
    dark, light = float(grey.min()), float(grey.max())
    if dark == light:
        return pixels
    ink: NDArray[np.bool_] = np.floor((grey - dark) * (255 / (light - dark))) <= PAPER
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    inked = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inked if min(inked.shape[:2]) >= LEAST_SIDE else pixels
