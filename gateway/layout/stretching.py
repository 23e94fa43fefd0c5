"""Regions made larger or smaller around their middle, which PaddleX calls unclipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.model import BBox, Polygon, Region, Stretch

AS_IS: Stretch = (1.0, 1.0)


def stretched(
    regions: Sequence[Region], stretch: Stretch | Mapping[str, Stretch] | None, size: tuple[int, int]
) -> list[Region]:
    """The regions on a page of width and height `size`, in their order; a region that nothing is left of is dropped."""
    changed = [_stretched(region, _factors(region.label, stretch), size) for region in regions]
    left = [region for region in changed if region.bbox[0] < region.bbox[2] and region.bbox[1] < region.bbox[3]]
    return [replace(region, order=order) for order, region in enumerate(left, start=1)]


def _factors(label: str, stretch: Stretch | Mapping[str, Stretch] | None) -> Stretch:
    if isinstance(stretch, Mapping):
        return stretch.get(label, AS_IS)
    return stretch or AS_IS


def _stretched(region: Region, factors: Stretch, size: tuple[int, int]) -> Region:
    if factors == AS_IS:
        return region
    middle = ((region.bbox[0] + region.bbox[2]) / 2, (region.bbox[1] + region.bbox[3]) / 2)
    (x1, y1), (x2, y2) = _moved((region.bbox[:2], region.bbox[2:]), middle, factors, size)
    polygon = region.polygon and _moved(region.polygon, middle, factors, size)
    bbox: BBox = (x1, y1, x2, y2)
    return replace(region, bbox=bbox, polygon=polygon)


def _moved(points: Polygon, middle: tuple[float, float], factors: Stretch, size: tuple[int, int]) -> Polygon:
    return tuple(
        (
            int(min(max(middle[0] + (x - middle[0]) * factors[0], 0), size[0])),
            int(min(max(middle[1] + (y - middle[1]) * factors[1], 0), size[1])),
        )
        for x, y in points
    )
