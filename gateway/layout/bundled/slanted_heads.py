"""Slanted heads of a table's columns: models leave them, and what stands above them, out of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from common.geometry import Rectangle, union
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import TABLE
from gateway.model import BBox
from textlines.paragraphs import rows

MIN_HEADS = 2
LEVEL, NEAR = 0.6, 1.5
"""How far the feet of one row of heads may stand from level, and from the table, in their heights."""
APART = 2.0
"""White space between two heads in the row above them, which name groups of columns, in their heights: the words of a
caption stand closer."""


@dataclass(frozen=True, slots=True)
class SlantedLine:
    """The upright `box` of a slanted line, and its `foot`, where a head stands over its column."""

    box: BBox
    foot: BBox


def include_heads(
    detections: Sequence[Detection], lines: Sequence[BBox], slanted: Sequence[SlantedLine]
) -> tuple[list[Detection], list[SlantedLine]]:
    """The detections, tables with the slanted heads over their columns and the rows above these; and the heads.
    `lines`: those that are not slanted."""
    found, heads = [], []
    for detection in detections:
        own = _find_heads(detection, lines, slanted) if detection.label == TABLE else []
        heads += own
        found.append(replace(detection, box=_grow(detection.box, own, lines)) if own else detection)
    return found, heads


def _find_heads(table: Detection, lines: Sequence[BBox], slanted: Sequence[SlantedLine]) -> list[SlantedLine]:
    """The largest row of slanted lines whose feet stand level, with rows of the table below them."""
    x1, y1, x2, y2 = table.box
    near = [
        line
        for line in slanted
        if x1 < _middle(line.foot, 0) < x2 and y1 - NEAR * _height(line.foot) < line.foot[3] < y2
    ]
    levels = ([other for other in near if _are_level(line, other)] for line in near)
    row = max(levels, key=len, default=[])
    bottom = max((line.foot[3] for line in row), default=0)
    has_rows = any(x1 < _middle(line, 0) < x2 and bottom < _middle(line, 1) < y2 for line in lines)
    return row if len(row) >= MIN_HEADS and has_rows else []


def _are_level(line: SlantedLine, other: SlantedLine) -> bool:
    return abs(line.foot[3] - other.foot[3]) <= LEVEL * _height(line.foot)


def _grow(table: Rectangle, heads: Sequence[SlantedLine], lines: Sequence[BBox]) -> Rectangle:
    """The table's box with its slanted heads, and with the rows above these that name groups of columns."""
    height = float(np.median([_height(head.foot) for head in heads]))
    box = union([table, *(head.box for head in heads)])
    above = [line for line in lines if _middle(line, 1) < heads[0].foot[1] and _is_within(line, box, height)]
    for row in reversed(rows(above)):
        own = [above[index] for index in row]
        is_near = max(line[3] for line in own) > box[1] - height
        gaps = [right[0] - left[2] for left, right in pairwise(own)]
        if not is_near or not gaps or min(gaps) < APART * height:
            break
        box = union([box, *own])
    return box


def _is_within(line: BBox, box: Rectangle, margin: float) -> bool:
    return line[0] > box[0] - margin and line[2] < box[2] + margin


def _middle(box: BBox, axis: int) -> float:
    return (box[axis] + box[axis + 2]) / 2


def _height(box: BBox) -> int:
    return box[3] - box[1]
