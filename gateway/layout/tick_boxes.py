"""Regions grown over the boxes to tick that stand beside their text: layout models see the text alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common.geometry import area, intersection_area, union
from gateway.labels import PICTURE_LABELS, is_formula
from gateway.model import BBox, PageLayout, Pixels, Region
from textlines.glyphs import StrayInk
from textlines.tick_boxes import MAX_GAP, TickBox, find_tick_boxes

COVERED = 0.5
"""Share of a box in a region from which on it is read there."""


def include_tick_boxes(layout: PageLayout, pixels: Pixels, stray: StrayInk) -> PageLayout:
    """The layout with each box in the region of its text; the detector's own boxes stay as they are.

    `stray`: of the same pixels.
    """
    if stray.find_area([region.bbox for region in layout.regions]) is None:
        return layout
    texts = layout.lines if layout.lines is not None else [region.bbox for region in layout.regions]
    regions = list(layout.regions)
    for one in find_tick_boxes(pixels, texts):
        if not any(intersection_area(one.box, region.bbox) >= COVERED * area(one.box) for region in regions):
            index = _nearest(one, regions)
            if index is not None:
                regions[index] = _grow(regions[index], one.box, regions)
    return replace(layout, regions=regions)


def _nearest(one: TickBox, regions: Sequence[Region]) -> int | None:
    """Index of the region beside the box, those on its right before those on its left."""
    gaps = [
        (side, gap, index)
        for index, region in enumerate(regions)
        if _holds_text(region) and region.bbox[1] < (one.box[1] + one.box[3]) / 2 < region.bbox[3]
        for side, gap in enumerate((region.bbox[0] - one.box[2], one.box[0] - region.bbox[2]))
        if -one.side < gap <= MAX_GAP * one.side
    ]
    return min(gaps)[2] if gaps else None


def _holds_text(region: Region) -> bool:
    return region.label not in PICTURE_LABELS and not is_formula(region.label)


def _grow(region: Region, box: BBox, regions: Sequence[Region]) -> Region:
    """The region with the box in it, unless it would reach into another one's text."""
    grown = union([region.bbox, box])
    before = sum(intersection_area(region.bbox, other.bbox) for other in regions if other is not region)
    after = sum(intersection_area(grown, other.bbox) for other in regions if other is not region)
    return region if after > before else replace(region, bbox=grown, polygon=None)
