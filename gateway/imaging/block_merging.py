"""Paragraphs that the page's columns or pictures divide, put together again for one reading.

The rules and numbers are those of PaddleOCR-VL's pipeline (its `merge_layout_blocks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np

from common.geometry import union
from gateway.labels import is_read
from gateway.model import BBox, Pixels, Region
from gateway.reading_options import OcrOptions

Side = Literal["left", "centre", "right"]

ALIGNED = 5
"""Pixels that two edges may differ by."""
COLUMN_GAP = 0.3
"""Widest gap between columns as a share of the wider paragraph."""
ROW_GAP = 0.5
"""Highest gap between paragraphs as a share of the higher one."""
MAX_RATIO = 3
"""A stack this much higher than wide is not read in one call."""
WHITE = 255


def merge_layout_blocks(regions: Sequence[Region], options: OcrOptions) -> list[Region]:
    """The same regions in the same order; those to be read in one call have the `order` of their first as `group`."""
    obstacles = [region for region in regions if region.label == "table" or not is_read(region.label, options)]
    runs: list[list[Region]] = []
    aside = {region.order for region in obstacles}
    for region in (region for region in regions if region.order not in aside):
        if runs and _continues(runs[-1][-1], region, obstacles):
            runs[-1].append(region)
        else:
            runs.append([region])
    firsts = {region.order: run[0].order for run in runs if len(run) > 1 and _is_compact(run) for region in run}
    return [replace(region, group=firsts[region.order]) if region.order in firsts else region for region in regions]


def stack_crops(boxes: Sequence[BBox], crops: Sequence[Pixels]) -> Pixels:
    """The crops below each other on white; `boxes`, where they stood on the page, say how they are aligned."""
    offsets, width = [0], crops[0].shape[1]
    for (above, below), crop in zip(pairwise(boxes), crops[1:], strict=True):
        wider = max(width, crop.shape[1])
        side = _side(above, below)
        shift = _offset(side, wider, width)
        offsets = [*(offset + shift for offset in offsets), _offset(side, wider, crop.shape[1])]
        width = wider
    canvas = np.full((sum(crop.shape[0] for crop in crops), width, 3), WHITE, dtype=np.uint8)
    top = 0
    for offset, crop in zip(offsets, crops, strict=True):
        canvas[top : top + crop.shape[0], offset : offset + crop.shape[1]] = crop
        top += crop.shape[0]
    return canvas


def _continues(above: Region, below: Region, obstacles: Sequence[Region]) -> bool:
    if above.label != "text" or below.label != "text":
        return False
    if _are_beside(above.bbox, below.bbox):
        return _is_next_column(above.bbox, below.bbox)
    return _is_divided(above.bbox, below.bbox) and _touches(union([above.bbox, below.bbox]), obstacles)


def _are_beside(one: BBox, other: BBox) -> bool:
    return min(one[2], other[2]) <= max(one[0], other[0])


def _is_next_column(one: BBox, other: BBox) -> bool:
    gap = other[0] - one[2]
    return gap > 0 and other[1] < one[3] and gap < COLUMN_GAP * max(one[2] - one[0], other[2] - other[0])


def _is_divided(above: BBox, below: BBox) -> bool:
    """Whether two boxes of unlike width stand under each other, as text that flows around a picture does."""
    is_near = abs(below[1] - above[3]) < ROW_GAP * max(above[3] - above[1], below[3] - below[1])
    return below[3] >= above[1] and is_near and _is_aligned(above, below, 0) != _is_aligned(above, below, 2)


def _is_aligned(one: BBox, other: BBox, edge: int) -> bool:
    return abs(one[edge] - other[edge]) <= ALIGNED


def _touches(box: BBox, obstacles: Sequence[Region]) -> bool:
    corners = (region.bbox for region in obstacles)
    return any(max(x1, box[0]) < min(x2, box[2]) and max(y1, box[1]) < min(y2, box[3]) for x1, y1, x2, y2 in corners)


def _is_compact(run: Sequence[Region]) -> bool:
    width = max(region.bbox[2] - region.bbox[0] for region in run)
    return sum(region.bbox[3] - region.bbox[1] for region in run) < MAX_RATIO * width


def _side(above: BBox, below: BBox) -> Side:
    if _are_beside(above, below):
        return "centre"
    return "left" if _is_aligned(above, below, 0) else "right"


def _offset(side: Side, width: int, own_width: int) -> int:
    spare = width - own_width
    return {"left": 0, "centre": spare // 2, "right": spare}[side]
