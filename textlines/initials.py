"""Large initials in notches of a text: a detector leaves them without a line, or joins them with the row beside their
middle."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes, clip
from textlines.glyphs import Ink
from textlines.paragraphs import INITIAL_GAP, INITIAL_HEIGHTS, INITIAL_WIDTHS, MAX_TOGETHER, MIN_INITIAL_ROWS, SAME_ROW

SMALLEST = 1.2
"""Height of the letter itself in heights of lines, whose boxes are loose."""
FILL = 0.1, 0.85
"""Share of its box that the ink of a letter takes: frames take less, blocks of colour more."""
FLUSH = 1.0
"""How far from the initial's left edge the row below it may begin, in line heights: the text goes on around it."""
BELOW = 1.5
"""How far below it that row may be, in line heights."""
REST = 2.0
"""Line heights by which a row goes on behind an initial that was joined with it."""
MARGIN = 0.1
"""White space kept around an initial, in its heights."""


def find_initials_apart(ink: Ink, lines: Sequence[Box]) -> tuple[list[Box], dict[int, int]]:
    """Boxes of the letters that no line is alone with, and by the index of each line that begins with one where the
    rest of it begins, in pixels. `ink`: that of the picture with these `lines`."""
    if not 0 < len(lines) <= MAX_TOGETHER:
        return [], {}
    boxes = np.array(lines, dtype=np.float64)
    initials: list[Box] = []
    cuts: dict[int, int] = {}
    for place in _find_large(ink, boxes):
        holders = np.flatnonzero(_hold_middle(boxes, place)).tolist()
        parted = boxes.copy()
        parted[holders, 0] = place[2]
        if _are_rows(boxes[holders], place) and _is_in_notch(place, parted):
            initials.append(clip(_pad(place), ink.size[1], ink.size[0]))
            cuts |= dict.fromkeys(holders, place[2])
    return initials, cuts


def _find_large(ink: Ink, lines: Boxes) -> list[Box]:
    """Boxes of connected ink that is as high as an initial, and shaped like one."""
    x, y, width, height, area = ink.components[:, : cv2.CC_STAT_AREA + 1].T
    usual = float(np.median(lines[:, 3] - lines[:, 1]))
    is_large = (height >= SMALLEST * usual) & (height <= INITIAL_HEIGHTS[1] * usual)
    is_shaped = (width >= INITIAL_WIDTHS[0] * height) & (width <= INITIAL_WIDTHS[1] * height)
    fill = area / np.maximum(width * height, 1)
    likely = np.flatnonzero(is_large & is_shaped & (fill >= FILL[0]) & (fill <= FILL[1]))
    return [(int(x[at]), int(y[at]), int(x[at] + width[at]), int(y[at] + height[at])) for at in likely]


def _hold_middle(lines: Boxes, place: Box) -> NDArray[np.bool_]:
    x, y = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    x1, y1, x2, y2 = lines.T
    result: NDArray[np.bool_] = (x1 < x) & (x < x2) & (y1 < y) & (y < y2)
    return result


def _are_rows(lines: Boxes, place: Box) -> bool:
    """Whether all of the lines begin with the initial and go on behind it."""
    height = lines[:, 3] - lines[:, 1]
    is_long = lines[:, 2] - place[2] > REST * height
    return bool((is_long & (np.abs(lines[:, 0] - place[0]) <= FLUSH * height)).all())


def _is_in_notch(place: Box, lines: Boxes) -> bool:
    """Whether rows of a text begin beside it, and the next one begins below it."""
    left, top, right, bottom = place
    x1, y1, _, y2 = lines.T
    height = y2 - y1
    is_small = (bottom - top >= SMALLEST * height) & (bottom - top <= INITIAL_HEIGHTS[1] * height)
    shared = np.minimum(y2, bottom) - np.maximum(y1, top)
    beside = is_small & (np.abs(x1 - right) <= INITIAL_GAP * height) & (shared > SAME_ROW * height)
    is_below = ((y1 + y2) / 2 > bottom) & (y1 - bottom <= BELOW * height)
    is_next = is_below & (np.abs(x1 - left) <= FLUSH * height)
    return int(beside.sum()) >= MIN_INITIAL_ROWS and bool((is_small & is_next).any())


def _pad(place: Box) -> Box:
    x1, y1, x2, y2 = place
    margin = max(1, round(MARGIN * (y2 - y1)))
    return x1 - margin, y1 - margin, x2 + margin, y2 + margin
