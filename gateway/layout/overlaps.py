"""Which of a detector's regions are kept: none read twice, none lost.

The rules are those of PaddleOCR-VL's pipeline, with its losses mended: of two boxes around the same thing the surer one
stays, a region is dropped only for one that is itself kept, and what a dropped one held beyond it is taken in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from shapely import Polygon as Shape
from shapely import box as rectangle

from common.geometry import area, intersection_area, pairwise_areas, union
from gateway.labels import PICTURE_LABELS
from gateway.model import BBox, Region

MIN_SIDE = 6
"""Thinner boxes, in pixels, are specks and rules to PaddleOCR-VL's pipeline; the next two are its numbers too."""
MIN_OVERLAP = 0.7
"""Share of the smaller region in the other from which both show the same thing."""
MIN_INLINE_OVERLAP = 0.5
"""The same for a formula within a line: its text is read with the paragraph."""
CONTAINED = 0.9
"""Share of a region inside another from which nothing of it is missed there."""
INLINE, TABLE = "inline_formula", "table"


def remove_overlaps(regions: Sequence[Region]) -> list[Region]:
    """The regions to keep, in the same order, numbered anew from 1."""
    candidates = [region for region in regions if region.label != "reference" and _short_side(region) >= MIN_SIDE]
    shares = _overlap_shares([region.bbox for region in candidates])
    kept: dict[int, Region] = {}
    for index in sorted(range(len(candidates)), key=lambda at: _rank(candidates[at])):
        region = candidates[index]
        near = (int(at) for at in np.flatnonzero(shares[index] > MIN_INLINE_OVERLAP) if at in kept)
        rival = next((at for at in near if _is_same(region, kept[at], shares[index, at])), None)
        if rival is None:
            kept[index] = region
        elif _is_better_twin(region, kept[rival]):
            kept[index] = _absorb(region, kept.pop(rival))
        else:
            kept[rival] = _absorb(kept[rival], region)
    return [replace(kept[index], order=order) for order, index in enumerate(sorted(kept), start=1)]


def _rank(region: Region) -> tuple[bool, float]:
    """Sorts larger regions before smaller, formulas within lines last."""
    return region.label == INLINE, -area(region.bbox)


def _is_same(region: Region, other: Region, share: float) -> bool:
    """Whether the region is seen where `other` is read; `share` is what their boxes have in common of the smaller."""
    minimum = MIN_OVERLAP if other.label == INLINE or region.label != INLINE else MIN_INLINE_OVERLAP
    return (
        share > minimum and _may_replace(region, other) and (minimum < MIN_OVERLAP or _outlines_overlap(region, other))
    )


def _may_replace(region: Region, other: Region) -> bool:
    """Not a picture and what is printed in it: neither shows the other. A table shows the text in it."""
    labels = {region.label, other.label}
    pictures = labels & (PICTURE_LABELS | {TABLE})
    return len(labels) == 1 or not pictures or (pictures == {TABLE})


def _outlines_overlap(region: Region, other: Region) -> bool:
    if region.polygon is None and other.polygon is None:
        return True
    one, two = _shape(region), _shape(other)
    return bool(one.intersection(two).area >= MIN_OVERLAP * min(one.area, two.area))


def _is_better_twin(region: Region, other: Region) -> bool:
    """Whether both boxes hold each other and the detector believes more in `region`."""
    mutual = intersection_area(region.bbox, other.bbox) >= CONTAINED * max(area(region.bbox), area(other.bbox))
    return mutual and (region.score or 0) > (other.score or 0)


def _absorb(region: Region, dropped: Region) -> Region:
    """The region, grown over the dropped one where that reached out of it."""
    own, lost = _shape(region), _shape(dropped)
    if own.intersection(lost).area >= CONTAINED * lost.area:
        return region
    bbox = union([region.bbox, dropped.bbox])
    if region.polygon is None:
        return replace(region, bbox=bbox)
    outline = own.union(lost)
    corners = outline.exterior if isinstance(outline, Shape) else outline.convex_hull.exterior
    return replace(region, bbox=bbox, polygon=tuple((round(x), round(y)) for x, y in corners.coords[:-1]))


def _shape(region: Region) -> Shape:
    """The region's outline, its box where it has none that is one."""
    if region.polygon is not None and len(region.polygon) >= 3:
        outline = Shape(region.polygon).buffer(0)
        if outline.area > 0:
            return outline
    return rectangle(*region.bbox)


def _overlap_shares(boxes: Sequence[BBox]) -> NDArray[np.float64]:
    """What part of the smaller of two boxes lies in the other, for each pair."""
    common, areas = pairwise_areas(boxes)
    shares: NDArray[np.float64] = common / np.minimum(areas[:, None], areas[None, :])
    return shares


def _short_side(region: Region) -> int:
    x1, y1, x2, y2 = region.bbox
    return min(x2 - x1, y2 - y1)
