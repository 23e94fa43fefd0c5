"""Tables that are drawn as grids, which the model does not see on every page: cells beside and above each other, parted
by rules alone, most of them with text."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle, area, intersection_area
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import PICTURE, TABLE
from gateway.model import BBox, Pixels
from textlines.paragraphs import rows

LEVEL_LENGTH, UPRIGHT_LENGTH = 2.0, 1.2
"""Length of the shortest rules in line heights: dashes and strokes of letters are shorter."""
THICKEST, CONTRAST = 9, 25
"""Pixels of a rule across, and grey levels between it and what is beside it; edges of tinted cells are none."""
MIN_CELLS, MIN_ROWS = 4, 2
FILLED = 0.95
"""Share of a grid that its cells and its rules take: boxes that lines lead to, as in a flow chart, take less,
and so do cells that are drawn or hatched by hand, whose rules are cut to pieces."""
WRITTEN = 0.4
"""Share of the cells that hold text; those of graph paper and of charts hold none."""
LARGEST = 0.6
"""Share of a grid that one cell takes at most: the frame of a page is no table."""
MAX_LINES_A_CELL = 6
"""Text lines of a cell, in the middle of all cells with text: articles in frames have more."""
MIN_SIDE = 0.6
"""Width and height of a cell in line heights, at least."""
MAX_CELLS = 4000
KNOWN = 0.5
"""Share of a grid that a detected table holds, or of the table that the grid holds, from which on it is found."""
PHOTO = 0.25
"""Share of a grid that a picture in one of its cells takes at most."""

_Mask = NDArray[np.uint8]


def add_ruled_tables(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, with the drawn grids that none of them is as tables, and without the texts inside of these and
    pictures of whole parts of them. `lines`: the page's. 10 ms of one core for an A4 page at 200 dpi."""
    known = [one.box for one in detections if one.label == TABLE]
    found = [box for box in find_grids(lines, pixels) if not any(_are_same(box, other) for other in known)]
    kept = [one for one in detections if one.label == TABLE or not any(_replaces(box, one) for box in found)]
    return [*kept, *(Detection(TABLE, 1.0, box, is_drawn=True) for box in found)] if found else list(detections)


def find_grids(lines: Sequence[BBox], pixels: Pixels) -> list[Rectangle]:
    """Boxes of the grids whose cells hold text, their outer rules included."""
    if len(lines) < MIN_CELLS:
        return []
    height = float(np.median([min(line[3] - line[1], line[2] - line[0]) for line in lines]))
    rules = _find_rules(pixels, height)
    if not rules.any():
        return []
    contours, tree = cv2.findContours(rules, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    cells: dict[int, list[BBox]] = {}
    for contour, (_, _, _, parent) in zip(contours, tree[0] if tree is not None else (), strict=True):
        x, y, w, h = cv2.boundingRect(contour)
        if parent >= 0 and min(w, h) >= MIN_SIDE * height:
            cells.setdefault(int(parent), []).append((x, y, x + w, y + h))
    frames = {parent: cv2.boundingRect(contours[parent]) for parent in cells}
    return [
        (float(x), float(y), float(x + w), float(y + h))
        for parent, (x, y, w, h) in frames.items()
        if _is_table(cells[parent], w * h, cv2.countNonZero(rules[y : y + h, x : x + w]), lines)
    ]


def _find_rules(pixels: Pixels, height: float) -> _Mask:
    """1 where level and upright rules are that meet: thin dark strokes. `height`: of the page's lines."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    thin = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, np.ones((THICKEST, THICKEST), np.uint8))
    _, ink = cv2.threshold(thin, CONTRAST, 1, cv2.THRESH_BINARY)
    upright = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((round(UPRIGHT_LENGTH * height), 1), np.uint8))
    if not cv2.countNonZero(upright):
        return np.asarray(upright, dtype=np.uint8)
    level = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, round(LEVEL_LENGTH * height)), np.uint8))
    return np.asarray(cv2.dilate(cv2.bitwise_or(upright, level), np.ones((3, 3), np.uint8)), dtype=np.uint8)


def _is_table(cells: Sequence[BBox], frame: int, ink: int, lines: Sequence[BBox]) -> bool:
    """`frame`, `ink`: pixels of the grid, and of its rules."""
    if not MIN_CELLS <= len(cells) <= MAX_CELLS:
        return False
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in cells]
    if sum(areas) + ink < FILLED * frame or max(areas) > LARGEST * frame:
        return False
    table = rows(cells)
    counts = _count_lines(cells, lines)
    written = counts[counts > 0]
    is_written = len(written) >= max(MIN_CELLS, WRITTEN * len(cells)) and np.median(written) <= MAX_LINES_A_CELL
    return bool(is_written) and len(table) >= MIN_ROWS and sum(len(row) > 1 for row in table) >= MIN_ROWS


def _count_lines(cells: Sequence[BBox], lines: Sequence[BBox]) -> NDArray[np.intp]:
    """How many lines reach into each cell by their middle's height: detectors join the texts of neighbouring cells."""
    left, top, right, bottom = np.asarray(sorted(lines, key=lambda line: line[1] + line[3]), dtype=np.float64).T
    middle = (top + bottom) / 2
    counts = np.zeros(len(cells), dtype=np.intp)
    for at, (x1, y1, x2, y2) in enumerate(cells):
        level = slice(np.searchsorted(middle, y1, "right"), np.searchsorted(middle, y2))
        shared = np.minimum(x2, right[level]) - np.maximum(x1, left[level])
        counts[at] = int((shared > (bottom[level] - top[level]) / 2).sum())
    return counts


def _replaces(grid: Rectangle, detection: Detection) -> bool:
    """Whether a table in the place of a grid says what a detection does: no photo in a cell is."""
    is_photo = detection.label == PICTURE and area(detection.box) < PHOTO * area(grid)
    return _holds(grid, detection.box) and not is_photo


def _are_same(box: Rectangle, other: Rectangle) -> bool:
    return _holds(box, other) or _holds(other, box)


def _holds(box: Rectangle, other: Rectangle) -> bool:
    x1, y1, x2, y2 = other
    return intersection_area(box, other) > KNOWN * (x2 - x1) * (y2 - y1)
