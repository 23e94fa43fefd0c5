"""Pictures inside tables: the VLM gets a tag in their place, which it reads as the text of their cell."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import cv2

from common.geometry import contains
from gateway.model import BBox, Pixels, Region

FIGURE_LABELS = frozenset({"image", "seal"})
MIN_SIDE = 25
"""A smaller picture, in pixels, has no room for a tag that can be read: it stays as it is. PaddleOCR-VL's number."""
SEED = 1024
MISREAD_DIGITS = frozenset("019")
"""Digits that tags do without, as in PaddleOCR-VL's pipeline, for they are read as letters."""
FILL = 0.9
"""Share of the picture's shorter side that the tag takes up."""
FONT = cv2.FONT_HERSHEY_SIMPLEX
UNIT_SCALES = (0.2, 10.0)
STROKE = 4
"""Thickness of the tag's strokes at scale 1, in pixels; PaddleOCR-VL's, as are the bounds of the scale."""
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def assign_tags(regions: Sequence[Region]) -> list[Region]:
    """The same regions; a picture inside a table knows the table and the tag that stands for it there."""
    tables = [region for region in regions if region.label == "table"]
    figures = [region.order for region in regions if region.label in FIGURE_LABELS]
    tags = dict(zip(figures, _make_tags(len(figures)), strict=True))
    return [_assign_tag(region, tables, tags[region.order]) if region.order in tags else region for region in regions]


def mask_figures(pixels: Pixels, corner: tuple[int, int], figures: Sequence[Region]) -> Pixels:
    """The picture of a table whose top left is at `corner` of the page, with its figures painted over."""
    painted = pixels.copy()
    for figure in figures:
        x1, y1, x2, y2 = figure.bbox
        _paint_tag(painted, (x1 - corner[0], y1 - corner[1], x2 - corner[0], y2 - corner[1]), figure.tag or "")
    return painted


def _make_tags(count: int) -> list[str]:
    """PaddleOCR-VL's own numbers in its own order: the model has been seen to read these."""
    numbers: list[int] = []
    number = 0
    while len(numbers) < count:
        if not MISREAD_DIGITS & set(str(number)):
            numbers.append(number)
        number += 1
    random.Random(SEED).shuffle(numbers)
    return [f"[F{number}]" for number in numbers]


def _assign_tag(figure: Region, tables: Sequence[Region], tag: str) -> Region:
    x1, y1, x2, y2 = figure.bbox
    parent = next((table.order for table in tables if contains(table.bbox, figure.bbox)), None)
    if parent is None or min(x2 - x1, y2 - y1) < MIN_SIDE:
        return figure
    return replace(figure, parent_table=parent, tag=tag)


def _paint_tag(pixels: Pixels, box: BBox, tag: str) -> None:
    x1, y1, x2, y2 = box
    cv2.rectangle(pixels, (x1, y1), (x2, y2), WHITE, thickness=-1)
    scale = _scale(tag, FILL * min(x2 - x1, y2 - y1))
    (width, height), _ = cv2.getTextSize(tag, FONT, scale, 1)
    start = x1 + (x2 - x1 - width) // 2, y1 + (y2 - y1 + height) // 2
    cv2.putText(pixels, tag, start, FONT, scale, BLACK, max(1, int(scale * STROKE)), cv2.LINE_AA)


def _scale(tag: str, side: float) -> float:
    """The largest scale at which the tag is no longer than `side` pixels."""
    (width, height), _ = cv2.getTextSize(tag, FONT, 1.0, 1)
    minimum, maximum = UNIT_SCALES
    return min(max(side / max(width, height, 1), minimum), maximum)
