"""Axis-parallel boxes `(x1, y1, x2, y2)`, `x2` and `y2` exclusive: areas, overlaps, unions. For both tiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

Box = tuple[int, int, int, int]
Rectangle = tuple[float, float, float, float]
Boxes = NDArray[np.float64]


def area(box: Rectangle) -> float:
    """Zero for a box turned inside out."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def intersection_area(a: Rectangle, b: Rectangle) -> float:
    # Of a page's lines and regions most pairs lie apart, which is quickly told.
    if a[3] <= b[1] or b[3] <= a[1] or a[2] <= b[0] or b[2] <= a[0]:
        return 0.0
    return area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))


def pairwise_areas(boxes: Sequence[Rectangle], last_pixel: int = 0) -> tuple[Boxes, Boxes]:
    """Intersection of each two boxes, shape (N, N), and the area of each, shape (N,).

    `last_pixel` 1: sides count their last pixel too, as PaddleX has it in places.
    """
    corners = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    first = np.maximum(corners[:, None, :2], corners[None, :, :2])
    last = np.minimum(corners[:, None, 2:], corners[None, :, 2:])
    sides = np.clip(last - first + last_pixel, 0, None)
    own = corners[:, 2:] - corners[:, :2] + last_pixel
    return sides[..., 0] * sides[..., 1], own[:, 0] * own[:, 1]


def contains(outer: Rectangle, inner: Rectangle) -> bool:
    return inner[0] >= outer[0] and inner[1] >= outer[1] and inner[2] <= outer[2] and inner[3] <= outer[3]


@overload
def union(boxes: Sequence[Box]) -> Box: ...


@overload
def union(boxes: Sequence[Rectangle]) -> Rectangle: ...


def union(boxes: Sequence[Rectangle]) -> Rectangle:
    """Smallest box around all `boxes` (at least one)."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return min(x1), min(y1), max(x2), max(y2)


def clip(box: Box, width: int, height: int) -> Box:
    """The part of the box on a page of that size; turned inside out where there is none."""
    return max(box[0], 0), max(box[1], 0), min(box[2], width), min(box[3], height)


def clip_nonempty(box: Box, width: int, height: int) -> Box:
    """The box inside a page of that size, at least one pixel wide and high, corners in order."""
    x1, x2 = sorted((box[0], box[2]))
    y1, y2 = sorted((box[1], box[3]))
    x1, y1 = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    return x1, y1, min(max(x2, x1 + 1), width), min(max(y2, y1 + 1), height)
