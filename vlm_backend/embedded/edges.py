"""Edges of a table's rows and columns: the rules that are drawn, else the white space between its texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box
from textlines.glyphs import Pixels, glyph_height
from textlines.paragraphs import rows

Mask = NDArray[np.bool_]

LINE_HEIGHT = 1.6  # height of a line in glyphs; the boxes of detected lines are too loose to measure by
HORIZONTAL_LENGTH = 3.0  # shortest horizontal rule in line heights: dashes and underlines of a word are shorter
VERTICAL_LENGTH = 1.0  # shortest vertical rule in line heights: strokes of glyphs are shorter
THICKEST, CONTRAST = 11, 25  # a rule is a dark line at most so many pixels thick; the edge of a tinted cell is none
REACH = 0.2  # share of the crop's height (width) that a rule, all its pieces together, must cover to make an edge
WALL = 0.5  # share of a cell's edge that a rule covers where it is a wall
GUTTER_ROWS = 0.3  # share of the rows whose text may cross a column's edge: headings span columns
BAND_ROWS = 3  # a ruled band is split into so many rows or more ...
BAND_FILL = 0.8  # ... if each of them fills this share of the columns


@dataclass(frozen=True, slots=True)
class Rulings:
    """`horizontal`, `vertical`: pixels of the rules, shape of the crop. `line_height` in pixels."""

    horizontal: Mask
    vertical: Mask
    line_height: float

    def positions(self, vertical: bool) -> list[int]:
        """Places of the rules across their direction, merged where they are closer than half a line, ascending."""
        mask = self.vertical if vertical else self.horizontal
        along = 0 if vertical else 1
        profile = np.flatnonzero(mask.sum(axis=along) >= REACH * mask.shape[along])
        breaks = np.flatnonzero(np.diff(profile) > self.line_height / 2) + 1
        return [round(float(group.mean())) for group in np.split(profile, breaks) if len(group)]

    def wall(self, vertical: bool, position: int, start: int, end: int) -> bool:
        """Whether a rule stands at `position` (x of a vertical one) along most of `start` to `end`."""
        band = self._band(position)
        edge = self.vertical[start:end, band].any(axis=1) if vertical else self.horizontal[band, start:end].any(axis=0)
        return edge.size > 0 and float(edge.mean()) >= WALL

    def find_start(self, position: int, top: int, bottom: int) -> int | None:
        """y at which an upright rule at x `position` begins, more than half a line below `top` and above `bottom`, to
        which it goes on; None without one."""
        drawn: Mask = np.asarray(self.vertical[top:bottom, self._band(position)].any(axis=1), dtype=np.bool_)
        reach = round(self.line_height / 4)
        start = int(drawn[reach:].argmax()) + reach if drawn[reach:].any() else 0
        is_within = self.line_height < 2 * start < 2 * (bottom - top) - self.line_height
        return top + start if is_within and self.wall(True, position, top + start, bottom) else None

    def _band(self, position: int) -> slice:
        """Pixels around an edge in which its rule is looked for."""
        reach = max(2, round(self.line_height / 4))
        return slice(max(0, position - reach), position + reach + 1)

    def without(self, boxes: Sequence[Box]) -> Rulings:
        """The rules without what of them stands in one of the boxes: the sides of a box to tick are none."""
        horizontal, vertical = self.horizontal.copy(), self.vertical.copy()
        for x1, y1, x2, y2 in boxes:
            horizontal[y1:y2, x1:x2] = vertical[y1:y2, x1:x2] = False
        return replace(self, horizontal=horizontal, vertical=vertical)

    def erased(self, pixels: Pixels) -> Pixels:
        """A copy of the crop without its rules, which recognisers take for a `|` or an underline."""
        rules = np.zeros_like(self.vertical)
        for x in self.positions(vertical=True):
            rules[:, self._band(x)] |= self.vertical[:, self._band(x)]
        for y in self.positions(vertical=False):
            rules[self._band(y)] |= self.horizontal[self._band(y)]
        wide = cv2.dilate(rules.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        result = pixels.copy()
        result[wide] = np.median(pixels.reshape(-1, 3), axis=0)
        return result


def find_rulings(pixels: Pixels) -> Rulings:
    """Rules of an RGB crop."""
    line_height = LINE_HEIGHT * (glyph_height(pixels) or 10.0)
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    thin_and_dark = cv2.morphologyEx(gray, cv2.MORPH_BLACKHAT, np.ones((THICKEST, THICKEST), np.uint8))
    ink = (thin_and_dark > CONTRAST).astype(np.uint8)
    return Rulings(
        horizontal=_runs(ink, (round(HORIZONTAL_LENGTH * line_height), 1)),
        vertical=_runs(ink, (1, round(VERTICAL_LENGTH * line_height))),
        line_height=line_height,
    )


def _runs(ink: NDArray[Any], size: tuple[int, int]) -> Mask:
    """Ink that goes on for the kernel's length; rules broken by a pixel of noise are closed first."""
    gap = (3, 1) if size[1] == 1 else (1, 3)
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones(gap[::-1], np.uint8))
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones(size[::-1], np.uint8))
    return np.asarray(opened > 0)


def column_edges(boxes: Sequence[Box], line_height: float) -> list[int]:
    """Places in the white strips that (nearly) no row's text crosses. The more pieces a row has, the more it tells: the
    name of a group of rows stands over several columns."""
    table = rows(boxes)
    start, end = min(box[0] for box in boxes), max(box[2] for box in boxes)
    crossed = np.zeros(end - start, dtype=np.int64)
    for row in table:
        covered = np.zeros(end - start, dtype=np.bool_)
        for index in row:
            covered[boxes[index][0] - start : boxes[index][2] - start] = True
        crossed += len(row) * covered
    white = np.flatnonzero(crossed <= GUTTER_ROWS * len(boxes))
    strips = [strip for strip in _runs_of(white) if len(strip) >= max(2.0, 0.3 * line_height)]
    return [start + _least_crossed(strip, crossed) for strip in strips]


def _least_crossed(strip: NDArray[np.intp], crossed: NDArray[np.int64]) -> int:
    """The middle of the widest part of a strip that fewest texts cross: names of columns reach into the white between
    numbers."""
    parts = _runs_of(strip[crossed[strip] == crossed[strip].min()])
    return round(float(max(parts, key=len).mean()))


def _runs_of(places: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Ascending places, parted where some are left out."""
    return np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)


def tighten(box: Box, line_height: float) -> Box:
    """The middle of a line's box, as high as a line is: loose boxes of close rows reach over each other."""
    x1, y1, x2, y2 = box
    margin = max(0, math.floor((y2 - y1 - line_height) / 2))
    return x1, y1 + margin, x2, y2 - margin


def row_edges(boxes: Sequence[Box]) -> list[int]:
    """Middles between printed rows."""
    extents = [(min(boxes[i][1] for i in row), max(boxes[i][3] for i in row)) for row in rows(boxes)]
    return [(above[1] + below[0]) // 2 for above, below in pairwise(extents)]


def split_bands(ys: list[int], xs: Sequence[int], boxes: Sequence[Box]) -> list[int]:
    """Adds edges inside a ruled band that holds several rows of cells: some tables rule off groups of rows only.

    Wrapped text looks alike, but its rows leave columns empty here and there.
    """
    result = list(ys)
    for top, bottom in pairwise(ys):
        inside = [box for box in boxes if top <= (box[1] + box[3]) / 2 < bottom]
        table = rows(inside)
        if len(table) >= BAND_ROWS and all(len(row) >= BAND_FILL * (len(xs) - 1) for row in table):
            result.extend(row_edges(inside))
    return sorted(result)


def add_outer(edges: Sequence[int], starts: Sequence[int], ends: Sequence[int], line_height: float) -> tuple[int, ...]:
    """Edges with an outer one added on each side where text stands outside of them."""
    first, last = min(starts), max(ends)
    inner = sorted(set(edges)) or [first]
    if inner[0] - first > line_height / 2:
        inner.insert(0, first)
    if last - inner[-1] > line_height / 2 or len(inner) == 1:
        inner.append(max(last, inner[-1] + 1))
    return tuple(inner)
