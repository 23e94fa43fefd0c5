"""Reading order of boxes on a page, columns included.

The rule is T. Breuel's ("High Performance Document Layout Analysis", 2003): of two boxes that share columns the upper
one comes first; a box left of another comes first unless something between them spans both.
Boxes are rows x1, y1, x2, y2 of an array of shape (n, 4).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes

Relation = NDArray[np.bool_]

# Boxes share columns only if they overlap by more than this part of the narrower one: loose boxes of neighbours touch.
OVERLAP = 0.2


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of `boxes` in the order in which they are read."""
    if not boxes:
        return []
    array = np.asarray(boxes, dtype=np.float64)
    return _sort(_precedes(array), array)


def overlap(low_a: Boxes, high_a: Boxes, low_b: Boxes, high_b: Boxes) -> Boxes:
    """Shared length of intervals as a share of the shorter one, 0 to 1; broadcasts."""
    shared = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    shorter = np.maximum(np.minimum(high_a - low_a, high_b - low_b), 1e-6)
    return np.clip(shared / shorter, 0.0, 1.0)


def _precedes(array: Boxes) -> Relation:
    """`result[a, b]`: a is read before b."""
    x1, y1, x2, y2 = _widen_boxes(array).T
    middle = (y1 + y2) / 2
    same_columns = overlap(x1[:, None], x2[:, None], x1[None], x2[None]) > OVERLAP
    above = middle[:, None] < middle[None]
    left_of = ((x1 + x2)[:, None] < (x1 + x2)[None]) & ~same_columns
    result: Relation = (same_columns & above) | (left_of & ~_are_separated(same_columns, middle))
    return result


def _widen_boxes(array: Boxes) -> Boxes:
    """Boxes as wide as the column they stand in: a short heading else shares no columns with the title above it.

    A box takes the width of the nearest box that is wider and reaches over it, if nothing stands beside it there.
    """
    result = array.copy()
    x1, y1, x2, y2 = array.T
    for index, (left, top, right, bottom) in enumerate(array):
        over = (overlap(x1, x2, left, right) > 1 - OVERLAP) & (x2 - x1 > right - left)
        distance = np.where(over, np.maximum(top - y2, y1 - bottom), np.inf)
        nearest = int(np.argmin(distance))
        if not np.isfinite(distance[nearest]):
            continue
        wide = min(left, x1[nearest]), max(right, x2[nearest])
        beside = (x1 < wide[1]) & (x2 > wide[0]) & (overlap(y1, y2, top, bottom) > OVERLAP)
        if beside.sum() == 1:
            result[index, [0, 2]] = wide
    return result


def _are_separated(same_columns: Relation, middle: Boxes) -> Relation:
    """`result[a, b]`: some third box lies between a and b in y and shares columns with both."""
    count = len(middle)
    result = np.zeros((count, count), dtype=np.bool_)
    for third in range(count):
        spans = same_columns[third]
        above, below = middle < middle[third], middle > middle[third]
        between = (above[:, None] & below[None]) | (below[:, None] & above[None])
        result |= spans[:, None] & spans[None] & between
    return result


def _sort(precedes: Relation, array: Boxes) -> list[int]:
    """Topological sort; a cycle is broken at the box with the fewest predecessors, uppermost first."""
    precedes = precedes.copy()
    np.fill_diagonal(precedes, False)
    waiting = set(range(len(array)))
    order: list[int] = []
    while waiting:
        predecessors = precedes[list(waiting)].sum(axis=0)
        best = min(waiting, key=lambda index: (predecessors[index], array[index, 1], array[index, 0]))
        order.append(best)
        waiting.remove(best)
    return order
