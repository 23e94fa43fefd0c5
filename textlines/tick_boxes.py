"""Boxes to tick beside text, and whether they are ticked: drawn squares and circles, which recognisers of text lose or
misread."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes
from textlines.box_shapes import ALIKE, SAME, TickBox, are_same, find_circles, find_marked_squares
from textlines.detection import Pixels
from textlines.glyphs import find_components

DARK = 100
"""Usual grey level below which a picture is light print on dark paper."""
MAX_GAP = 3.0
"""Widest white space between a box and its text, in sides."""
MIN_TEXT_HEIGHT, MAX_TEXT_HEIGHT = 0.5, 3.2
"""Height of the text beside a box, in sides."""


Walls = Callable[[Box], tuple[float, float]]
"""Between which drawn rules a box stands: x of each, infinite where there is none."""


def no_walls(_: Box) -> tuple[float, float]:
    return -math.inf, math.inf


class Rows:
    """Lines by their place down the page: those level with a box are found without a look at each.

    Lines behind one of the walls of a box are in its row no more.
    """

    def __init__(self, lines: Sequence[Box], find_walls: Walls = no_walls) -> None:
        self.boxes: Boxes = np.array(lines, dtype=np.float64).reshape(-1, 4)
        middles = (self.boxes[:, 1] + self.boxes[:, 3]) / 2
        self._order = np.argsort(middles)
        self._middles = middles[self._order]
        self._find_walls = find_walls

    def find_level(self, one: TickBox) -> NDArray[np.intp]:
        """Indices of the lines in whose row the box stands, ascending."""
        (_, y1, _, y2), side = one.box, one.side
        reach = (1 + MAX_TEXT_HEIGHT) / 2 * side
        first, last = np.searchsorted(self._middles, ((y1 + y2) / 2 - reach, (y1 + y2) / 2 + reach))
        near = np.sort(self._order[first:last])
        left, top, right, bottom = self.boxes[near].T
        height, shared = bottom - top, np.minimum(y2, bottom) - np.maximum(y1, top)
        is_level = (height >= MIN_TEXT_HEIGHT * side) & (height <= MAX_TEXT_HEIGHT * side)
        is_level &= shared >= np.minimum(side, height) / 2
        start, end = self._find_walls(one.box)
        is_level &= (left + right > 2 * start) & (left + right < 2 * end)
        return np.asarray(near[is_level], dtype=np.intp)

    def widen(self, index: int, one: TickBox) -> None:
        """Makes a line hold a box of its row."""
        x1, _, x2, _ = one.box
        self.boxes[index, [0, 2]] = min(self.boxes[index, 0], x1), max(self.boxes[index, 2], x2)


def find_tick_boxes(pixels: Pixels, lines: Sequence[Box], *, in_table: bool = False) -> list[TickBox]:
    """Boxes on an RGB image that stand beside one of the text `lines`, or within one.

    Squares in a row without text between are fields for single letters, and none of them. A box may stand any distance
    from the text of its row where another one of its size stands beside text, or `in_table`, alone in its cell.
    """
    if not lines:
        return []
    gray: NDArray[np.uint8] = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if np.median(gray[::4, ::4]) < DARK:
        gray = 255 - gray
    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 51, 15)
    ink: NDArray[np.uint8] = np.asarray(dark, dtype=np.uint8)
    height = float(np.median([line[3] - line[1] for line in lines]))
    components = find_components(ink)
    squares = find_marked_squares(gray, ink, components, lines, height)
    found = [*squares, *find_circles(gray, ink, components, height)]
    rows, others = Rows(lines), Rows([one.box for one in found])
    gaps = [_text_gap(one, rows) for one in found]
    beside = [one for one, gap in zip(found, gaps, strict=True) if gap <= MAX_GAP]
    likely = [one for one in found if not (one.is_ticked and _is_within(one, rows))]
    level = [one for one, gap in zip(found, gaps, strict=True) if gap < math.inf]
    states = zip(found, gaps, _have_twins(found, beside), _have_twins(found, likely), strict=True)
    certain = {id(one) for one in likely}
    return [
        one
        for one, gap, has_twin, has_likely_twin in states
        if (gap <= MAX_GAP or (gap < math.inf and (in_table or has_twin or _is_in_column(one, level))))
        and (id(one) in certain or has_likely_twin)
        and not _has_neighbour(one, others)
    ]


def erase_tick_boxes(pixels: Pixels, boxes: Sequence[TickBox]) -> Pixels:
    """The image with the boxes painted over in the colour around each."""
    result = pixels.copy()
    for one in boxes:
        x1, y1, x2, y2 = one.box
        margin = max(2, one.side // 4)
        top, left = max(0, y1 - margin), max(0, x1 - margin)
        around = np.concatenate([pixels[top : y2 + margin, left : left + 1], pixels[top : y2 + margin, x2 : x2 + 1]], 1)
        result[top : y2 + margin, left : x2 + margin] = np.median(around.reshape(-1, 3), axis=0).astype(np.uint8)
    return result


def assign_inner(boxes: Sequence[TickBox], rows: Rows) -> tuple[list[list[TickBox]], list[TickBox]]:
    """The boxes that part the text of a line, for each line, and those that stand in none."""
    inner: list[list[TickBox]] = [[] for _ in rows.boxes]
    outer: list[TickBox] = []
    for one in boxes:
        middle, level = (one.box[0] + one.box[2]) / 2, rows.find_level(one)
        owners = level[(rows.boxes[level, 0] < middle) & (middle < rows.boxes[level, 2])]
        (inner[owners[0]] if len(owners) else outer).append(one)
    return inner, outer


def is_beside(one: TickBox, rows: Rows) -> bool:
    """Whether a text stands within a side of the box, so that the box is its own, wherever a column's edge may be."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    return bool((np.maximum(left - one.box[2], one.box[0] - right) <= one.side).any())


def label_index(one: TickBox, rows: Rows, *, runs_left: bool = False) -> tuple[int, bool] | None:
    """Index of the line that a box belongs to, and whether the box stands on its left; None without one in its row.

    One near to the right, else one near to the left, else the nearest; where text `runs_left`, to the left first.
    """
    level = rows.find_level(one)
    left, _, right, _ = rows.boxes[level].T
    gaps_of = {True: left - one.box[2], False: one.box[0] - right}
    for reach in (MAX_GAP * one.side, math.inf):
        for is_on_left in (not runs_left, runs_left):
            gaps = gaps_of[is_on_left]
            allowed = np.flatnonzero((gaps > -one.side) & (gaps <= reach))
            if len(allowed):
                return int(level[allowed[gaps[allowed].argmin()]]), is_on_left
    return None


def _text_gap(one: TickBox, rows: Rows) -> float:
    """White space between the box and the nearest line that goes on beside it, in sides; infinite without one."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    (x1, _, x2, _), side = one.box, one.side
    goes_on = (right - x2 >= side) | (x1 - left >= side)
    return float(np.maximum(left - x2, x1 - right)[goes_on].min(initial=math.inf)) / side


def _is_within(one: TickBox, rows: Rows) -> bool:
    """Whether text stands on both sides of it in one line: without another box that is empty, or stands elsewhere, it
    may be a sign of Chinese script, which one text has several times."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    return bool(((left < one.box[0] - one.side) & (right > one.box[2])).any())


def _have_twins(boxes: Sequence[TickBox], found: Sequence[TickBox]) -> list[bool]:
    """For each box, whether one of those `found` besides itself is as large."""
    sides, own = np.sort([one.side for one in found]), {id(one) for one in found}
    lengths = np.array([one.side for one in boxes], dtype=np.float64)
    first = np.searchsorted(sides, lengths - ALIKE * lengths)
    last = np.searchsorted(sides, lengths + ALIKE * lengths, side="right")
    return [bool(count > (id(one) in own)) for one, count in zip(boxes, last - first, strict=True)]


def _is_in_column(one: TickBox, others: Sequence[TickBox]) -> bool:
    """Whether two of those that stand in the rows of a text stand above or below it, as large: a form's last column."""
    return (
        sum(
            other is not one
            and are_same(other.box, one.box)
            and abs(other.box[0] - one.box[0]) <= max(1, SAME * one.side)
            for other in others
        )
        >= 2
    )


def _has_neighbour(one: TickBox, others: Rows) -> bool:
    """Whether another square stands so near in the same row that nothing but a letter has room. `others`: all, with
    itself."""
    left, _, right, _ = others.boxes[others.find_level(one)].T
    gaps = np.maximum(left - one.box[2], one.box[0] - right)
    return int((gaps < one.side).sum()) > 1
