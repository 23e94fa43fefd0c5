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

TOUCHING = 0.005
"""Share of the width of all boxes by which those may overlap that stand beside or below each other: they are drawn with
a margin."""
MIN_COLUMN = 0.5
"""Width of a column beside the usual width of boxes: a formula and its number are none."""
HEADING = 0.5
"""Height of a heading in its width, at most."""
NEAR = 24
"""Boxes on each side of white space that tell whether columns end there: more than stand next to it."""
Relation = NDArray[np.bool_]

# Boxes share columns only if they overlap by more than this part of the narrower one: loose boxes of neighbours touch.
OVERLAP = 0.2


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of `boxes` in the order in which they are read."""
    if not boxes:
        return []
    array = np.asarray(boxes, dtype=np.float64)
    order: list[int] = []
    for band in _bands(array):
        order.extend(band[_sort(_precedes(array[band]), array[band])].tolist())
    return order


def overlap(low_a: Boxes, high_a: Boxes, low_b: Boxes, high_b: Boxes) -> Boxes:
    """Shared length of intervals as a share of the shorter one, 0 to 1; broadcasts."""
    shared = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    shorter = np.maximum(np.minimum(high_a - low_a, high_b - low_b), 1e-6)
    return np.clip(shared / shorter, 0.0, 1.0)


def _bands(array: Boxes) -> list[NDArray[np.intp]]:
    """Indices of boxes in bands, top to bottom, each of which is read to its end before the next one.

    A band ends where white space goes across everything and the columns do not: what stands next to it above or below
    reaches over a gutter of the other side, as the heading of an article over several columns does.
    """
    array = array / max(array[:, 2].max() - array[:, 0].min(), 1)
    by_top = np.argsort(array[:, 1], kind="stable")
    least = MIN_COLUMN * _usual_width(array)
    bottoms = np.maximum.accumulate(array[by_top, 3])
    gaps = np.flatnonzero(array[by_top[1:], 1] >= bottoms[:-1] - TOUCHING) + 1
    bands, start = [], 0
    for end in gaps.tolist():
        above, below = by_top[max(start, end - NEAR) : end], by_top[end : end + NEAR]
        if _ends_columns(array[above], array[below], least):
            bands.append(by_top[start:end])
            start = end
    return [*bands, by_top[start:]]


def _usual_width(array: Boxes) -> float:
    """The width of boxes that hold half of what all boxes cover."""
    width = array[:, 2] - array[:, 0]
    by_width = np.argsort(width)
    covered = np.cumsum((width * (array[:, 3] - array[:, 1]))[by_width])
    return float(width[by_width][np.searchsorted(covered, covered[-1] / 2)])


def _ends_columns(above: Boxes, below: Boxes, least: float) -> bool:
    """Whether a box that begins the part below reaches over two columns above it, or the other way about; columns are
    `least` wide at least."""
    first = below[_stands_first(below, below[:, 1], below[:, 3])]
    last = above[_stands_first(above, -above[:, 3], -above[:, 1])]
    columns = [boxes[boxes[:, 2] - boxes[:, 0] >= least] for boxes in (last, first)]
    return _reaches_over(first, columns[0]) or _reaches_over(_drop_headings(last), columns[1])


def _drop_headings(boxes: Boxes) -> Boxes:
    """The boxes without low ones where some stand side by side: each is the heading of the article below it."""
    if not (boxes[:, None, 2] <= boxes[None, :, 0] + TOUCHING).any():
        return boxes
    return boxes[boxes[:, 3] - boxes[:, 1] > HEADING * (boxes[:, 2] - boxes[:, 0])]


def _stands_first(array: Boxes, near: Boxes, far: Boxes) -> NDArray[np.bool_]:
    """Per box, whose sides are `near` to the end of the columns and `far` from it: no other box of its columns comes
    before, or only such that nothing stands beside, as a title under a line that announces it."""
    x1, x2 = array[:, 0], array[:, 2]
    shared = overlap(x1[:, None], x2[:, None], x1[None], x2[None]) > OVERLAP
    before = far[None] <= near[:, None] + TOUCHING
    level = ~before & ~before.T
    np.fill_diagonal(level, False)
    has_neighbour = np.asarray(level.any(axis=1), dtype=np.bool_)
    follows_columns = np.asarray((before & has_neighbour[None]).any(axis=1), dtype=np.bool_)
    stands_alone = ~has_neighbour & ~follows_columns
    return np.asarray(stands_alone | ~(shared & before).any(axis=1), dtype=np.bool_)


def _reaches_over(boxes: Boxes, others: Boxes) -> bool:
    """Whether one of the boxes shares columns with two of the others that stand side by side."""
    shared = overlap(boxes[:, None, 0], boxes[:, None, 2], others[None, :, 0], others[None, :, 2]) > OVERLAP
    apart = others[:, None, 2] <= others[None, :, 0] + TOUCHING
    return bool((shared[:, :, None] & shared[:, None] & apart[None]).any())


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

    A box takes the width of the nearest box that is wider and reaches over it, if nothing stands beside it there. One
    that is no column itself passes over others that are none: headings may follow each other.
    """
    result = array.copy()
    x1, y1, x2, y2 = array.T
    is_column = x2 - x1 >= MIN_COLUMN * _usual_width(array)
    for index, (left, top, right, bottom) in enumerate(array):
        over = (overlap(x1, x2, left, right) > 1 - OVERLAP) & (x2 - x1 > right - left)
        if not is_column[index] and (over & is_column).any():
            over &= is_column
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
