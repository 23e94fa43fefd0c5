"""Numbered cards in rows and columns: their numbers tell whether rows or columns are read first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from gateway.labels import ASIDE_LABELS
from gateway.model import BBox, Reading, Region

MIN_CARDS, MIN_COLUMNS = 4, 2
ALIGNED = 0.6
"""How far the headings of a row, or of a column, may stand from one line, in heights of the first heading."""
_NUMBERED = re.compile(r"\s*(\d{1,3})[.)]?[^\S\n]+[^\W\d_]")
Place = tuple[int, int]


class _Grid(NamedTuple):
    """Where rows of cards begin, and columns; `margin` in pixels, as boxes are loose."""

    tops: Sequence[int]
    lefts: Sequence[int]
    margin: float

    def find(self, box: BBox) -> Place | None:
        """Row and column of the card that holds the box; None where none holds all of it."""
        row = sum(top - self.margin <= box[1] for top in self.tops) - 1
        column = sum(left - self.margin <= box[0] for left in self.lefts) - 1
        ends = [*self.tops[1:], None][row], [*self.lefts[1:], None][column]
        is_inside = all(
            end is None or side <= end + self.margin for end, side in zip(ends, (box[3], box[2]), strict=True)
        )
        return (row, column) if min(row, column) >= 0 and is_inside else None


def order_cards(regions: Sequence[Region], readings: Sequence[Reading]) -> tuple[list[Region], list[Reading]]:
    """The regions of a page in reading order, with their readings: by rows, cards whose numbers rise along these and
    not down the columns."""
    numbers = {
        at: int(match[1])
        for at, (region, reading) in enumerate(zip(regions, readings, strict=True))
        if region.label not in ASIDE_LABELS and (match := _NUMBERED.match(reading.text))
    }
    grid = _find_grid({at: regions[at].bbox for at in numbers}, numbers)
    order = _sort(regions, grid) if grid else None
    if order is None:
        return list(regions), list(readings)
    places = {regions[old].order: new for new, old in enumerate(order, 1)}
    moved = [
        replace(
            regions[old],
            order=new,
            group=places.get(regions[old].group or 0),
            parent_table=places.get(regions[old].parent_table or 0),
        )
        for new, old in enumerate(order, 1)
    ]
    return moved, [readings[old] for old in order]


def _find_grid(boxes: Mapping[int, BBox], numbers: Mapping[int, int]) -> _Grid | None:
    """The grid of the headings, if they prove that it is read by rows."""
    values = list(numbers.values())
    is_count = sorted(values) == list(range(min(values, default=0), max(values, default=-1) + 1))
    if len(values) < MIN_CARDS or not is_count or values == sorted(values):
        return None
    by_number = [boxes[at] for at in sorted(numbers, key=lambda at: numbers[at])]
    margin = ALIGNED * (by_number[0][3] - by_number[0][1])
    width = next((at for at, (left, right) in enumerate(pairwise(by_number), 1) if right[0] <= left[0]), len(by_number))
    table = [by_number[start : start + width] for start in range(0, len(by_number), width)]
    lefts = [box[0] for box in table[0]]
    is_level = all(max(box[1] for box in row) - min(box[1] for box in row) <= margin for row in table)
    is_flush = all(abs(box[0] - left) <= margin for row in table for box, left in zip(row, lefts, strict=False))
    tops = [min(box[1] for box in row) for row in table]
    is_below = all(max(box[3] for box in above) <= top for above, top in zip(table, tops[1:], strict=False))
    if width < MIN_COLUMNS or len(table) < MIN_COLUMNS or not (is_level and is_flush and is_below):
        return None
    return _Grid(tops, lefts, margin)


def _sort(regions: Sequence[Region], grid: _Grid) -> list[int] | None:
    """Indices of the regions: what stands above the cards, the cards, the others. None where something reaches over
    several cards."""
    places = [grid.find(region.bbox) for region in regions]
    start = grid.tops[0] - grid.margin
    above = [at for at, region in enumerate(regions) if region.bbox[1] < start]
    cards = sorted(
        (at for at in range(len(regions)) if at not in above and places[at]), key=lambda at: (places[at], at)
    )
    rest = [at for at in range(len(regions)) if at not in above and at not in cards]
    bottom = max((regions[at].bbox[3] for at in cards), default=0)
    across = [
        at
        for at in rest
        if regions[at].label not in ASIDE_LABELS and regions[at].bbox[0] >= grid.lefts[0] - grid.margin
        if regions[at].bbox[1] < bottom - grid.margin
    ]
    if not cards or across or any(regions[at].bbox[3] > grid.tops[0] + grid.margin for at in above):
        return None
    return [*above, *cards, *rest]
