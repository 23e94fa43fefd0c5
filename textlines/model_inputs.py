"""Pictures as PP-OCR's models take them."""

from __future__ import annotations

import cv2
import numpy as np

from common.inference.sessions import Floats
from textlines.glyphs import Pixels

HALF = 127.5
"""The models' grey levels go from -1 to 1."""


def make_input(pixels: Pixels, size: tuple[int, int], padded: tuple[int, int], *, fill: float) -> Floats:
    """Shape (1, 3, *padded), blue first: the RGB picture at that height and width, and `fill` below it and behind it.

    Made in one place: a copy of a page's is 20 MB.
    """
    height, width = size
    scaled = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    values = np.full((1, 3, *padded), fill, dtype=np.float32)
    own = values[0, :, :height, :width]
    np.subtract(scaled.transpose(2, 0, 1)[::-1], HALF, out=own, dtype=np.float32)
    own *= 1 / HALF
    return values
