"""The slope of a table's rows, by the ink of all its texts and rules.

A word in a cell is too short to tell a direction, but rows of words are sharp only along the right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from textlines.detection import Pixels
from textlines.frame import ReadingFrame

MAX_SLOPE = 0.12
"""7 degrees."""
MAX_CHANGE = 0.04
"""Of the slope, from the middle of the picture to its sides and from there to its upper and lower edge."""
STEPS = (0.004, 0.0005)
"""Of slopes that are tried, first over all and then around the best."""
MAX_POINTS = 12_000
"""Of ink that are looked at; more tell no better."""
BIN = 2.0
"""Height of the strips into which ink is counted, pixels."""
MIN_GAIN = 1.02
"""How many times as sharp as those of the picture as it is its levelled rows must be."""
MIN_RISE = 0.25
"""Rows are level while none rises or falls by more than this share of a line's height from end to end."""
WINDOW, CONTRAST = 51, 15
"""Ink is darker than the mean of so many pixels around it by so many levels."""


def find_row_frame(pixels: Pixels, line_height: float) -> ReadingFrame | None:
    """The frame in which the rows of a table, an RGB picture, are level; None where they are so already."""
    height, width = pixels.shape[:2]
    points = _find_ink_points(pixels)
    if len(points) == 0:
        return None
    centre = (width / 2, height / 2)
    level = ReadingFrame(width, centre=centre)
    found = _search(points, level, 0, MAX_SLOPE, 1.0)
    for term, scale in ((2, centre[1]), (1, centre[0]), (0, 1.0)):
        found = _search(points, found, term, MAX_CHANGE, scale)
    ends = np.array([(0, 0), (width, 0), (0, height), (width, height)], dtype=np.float64)
    rise = float(np.abs(found.slope_at(ends)).max()) * width
    if rise <= MIN_RISE * line_height or _sharpness(points, found) < MIN_GAIN * _sharpness(points, level):
        return None
    return found


def _find_ink_points(pixels: Pixels) -> NDArray[np.float64]:
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, WINDOW, CONTRAST)
    places = np.flatnonzero(ink)
    y, x = np.divmod(places[:: max(1, len(places) // MAX_POINTS)], ink.shape[1])
    return np.stack([x, y], axis=1).astype(np.float64)


def _search(points: NDArray[np.float64], frame: ReadingFrame, term: int, reach: float, scale: float) -> ReadingFrame:
    """The frame with the value of one of its slope's terms that makes rows sharpest; `scale`: pixels over which the
    slope changes by up to `reach`."""
    best = frame
    for step, width in zip(STEPS, (reach, STEPS[0]), strict=True):
        middle = best.slope[term]
        values = middle + np.arange(-round(width / step), round(width / step) + 1) * step / scale
        best = max((_set_term(best, term, value) for value in values.tolist()), key=lambda one: _sharpness(points, one))
    return best


def _set_term(frame: ReadingFrame, term: int, value: float) -> ReadingFrame:
    slope: Sequence[float] = [value if place == term else other for place, other in enumerate(frame.slope)]
    return replace(frame, slope=(slope[0], slope[1], slope[2]))


def _sharpness(points: NDArray[np.float64], frame: ReadingFrame) -> float:
    """Large where the ink is gathered in few strips."""
    x, y = points[:, 0] - frame.centre[0], points[:, 1]
    slope, right, down = frame.slope
    level = y - (slope + down * (y - frame.centre[1]) + right * x / 2) * x
    counts = np.bincount(((level - level.min()) / BIN).astype(np.int64))
    return float((counts.astype(np.float64) ** 2).sum())
