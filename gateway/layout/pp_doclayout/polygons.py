"""A region's mask to its outline, where its box would take in too much."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import Polygon as Shape
from shapely import box as rectangle

from gateway.model import BBox, Polygon, Region
from gateway.reading_options import ShapeMode

SMOOTHING = 0.004
"""Corners that change the outline by less than this share of its length are left out. PaddleOCR-VL's, as all here."""
UPRIGHT = 0.95
"""The box is enough where its overlap with the tilted box (intersection over union) is at least this."""
QUADRILATERAL = 0.8
"""The tilted box is enough where it is so much like the outline ..."""
FREE = 0.01
"""... and less than this share of the region is in the outline of the one before."""
WIDE = 0.6
"""A region wider than this share of the widest is measured by its own width."""
BLUNT = 120
"""Degrees from which two or more corners in a row that point inwards are the shape's own."""
REACH = 0.3
"""An edge longer than this share of the region's width gets corners back. PaddleX's numbers, all three."""
Corners = NDArray[np.int32]


def extract_polygon(
    mask: NDArray[np.int32], bbox: BBox, page: tuple[int, int], before: Region | None, shape: ShapeMode, widest: int
) -> Polygon | None:
    """Outline in pixels of a page of width and height `page`, or None where the box is as good.

    `mask` covers the whole page, whatever its shape; `before` is the region that precedes it in the reading order;
    `widest` is the width of the page's widest region.
    """
    contour = _find_contour(mask, bbox, page)
    if contour is None:
        return None
    width = bbox[2] - bbox[0]
    corners = simplify_polygon(contour, width if width > WIDE * widest else widest)
    if len(corners) < 4:
        return None
    if shape == "poly":
        return _round_points(corners)
    tilted = np.asarray(cv2.boxPoints(cv2.minAreaRect(corners.astype(np.float32))), dtype=np.float32)
    return _round_points(tilted) if shape == "quad" else _choose_polygon(corners, tilted, bbox, before)


def _choose_polygon(
    corners: NDArray[np.int32], tilted: NDArray[np.float32], bbox: BBox, before: Region | None
) -> Polygon | None:
    box, shape, quad = rectangle(*bbox), Shape(corners).buffer(0), Shape(tilted)
    if shape.area == 0 or quad.area == 0 or _iou(box, quad) >= UPRIGHT:
        return None
    is_free = before is None or box.intersection(_shape(before)).area < FREE * min(box.area, _shape(before).area)
    return _round_points(tilted if _iou(shape, quad) >= QUADRILATERAL and is_free else corners)


def _find_contour(mask: NDArray[np.int32], bbox: BBox, page: tuple[int, int]) -> NDArray[np.int32] | None:
    """Corners of the largest part of the mask inside the box, shape (N, 2)."""
    x1, y1, x2, y2 = bbox
    across, down = mask.shape[1] / page[0], mask.shape[0] / page[1]
    inside = mask[round(y1 * down) : round(y2 * down), round(x1 * across) : round(x2 * across)]
    if not inside.any():
        return None
    enlarged = cv2.resize(inside.astype(np.uint8), (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(enlarged, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(contours, key=cv2.contourArea)
    corners = cv2.approxPolyDP(largest, SMOOTHING * cv2.arcLength(largest, True), True)
    return np.asarray(corners, dtype=np.int32).reshape(-1, 2) + np.array([x1, y1], dtype=np.int32)


def _iou(one: Shape, other: Shape) -> float:
    return float(one.intersection(other).area / one.union(other).area)


def _shape(region: Region) -> Shape:
    return Shape(region.polygon).buffer(0) if region.polygon else rectangle(*region.bbox)


def _round_points(corners: NDArray[np.generic]) -> Polygon:
    return tuple((round(float(x)), round(float(y))) for x, y in corners)


def simplify_polygon(corners: Corners, width: int) -> Corners:
    """The corners that stay, in their order; `corners`: (N, 2), as OpenCV goes around a mask, `width` in pixels.

    PaddleX also moves corners of 44 to 46 degrees far into the region; that cuts text off and is left out.
    """
    if len(corners) < 4:
        return corners
    outward, angles = _measure_corners(corners)
    inward = ~outward
    in_a_row = inward & (np.roll(inward, 1) | np.roll(inward, -1))
    keep = np.flatnonzero(outward | (in_a_row & (angles >= BLUNT)))
    if len(keep) < 3:
        return corners
    restore = [
        place
        for start, end in zip(keep, np.roll(keep, -1), strict=True)
        for place in _restore_corners(corners, int(start), int(end), REACH * width)
    ]
    return corners[sorted({*keep.tolist(), *restore})]


def _measure_corners(corners: Corners) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each corner: whether it points outwards, and its angle in degrees."""
    back = (np.roll(corners, 1, axis=0) - corners).astype(np.float64)
    on = (np.roll(corners, -1, axis=0) - corners).astype(np.float64)
    turn = on[:, 0] * back[:, 1] - on[:, 1] * back[:, 0]
    lengths = np.maximum(np.linalg.norm(back, axis=1) * np.linalg.norm(on, axis=1), 1e-9)
    return turn < 0, np.degrees(np.arccos(np.clip((back * on).sum(axis=1) / lengths, -1, 1)))


def _restore_corners(corners: Corners, start: int, end: int, max_edge: float) -> list[int]:
    """Places of corners to put back between two neighbours, evenly chosen: no edge is longer than `max_edge`."""
    skipped = [place % len(corners) for place in range(start + 1, end if end > start else end + len(corners))]
    distance = float(np.linalg.norm(corners[start] - corners[end]))
    needed = int(np.ceil(distance / max(max_edge, 1))) - 1
    if len(skipped) <= needed:
        return skipped
    return [skipped[int(at * len(skipped) / needed)] for at in range(needed)]
