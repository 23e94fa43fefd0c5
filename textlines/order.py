"""Reading order of boxes on a page, columns included.

The rule is T. Breuel's ("High Performance Document Layout Analysis", 2003): of two boxes that share columns the upper
one comes first; a box left of another comes first unless something between them spans both. It holds within what white
space across a page, and down the whole of it, leaves together: articles side by side are read one by one.
Boxes are rows x1, y1, x2, y2 of an array of shape (n, 4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
TOP, NEXT = 0.15, 0.06
"""Height of a letterhead, at most, and white space to what follows right below, in the height of all boxes."""
MAX_DEPTH = 40
"""So often white space parts what white space has parted; pages have some four levels, a spiral any number."""
NEAR = 24
"""Boxes on each side of white space that tell whether columns end there: more than stand next to it."""
PAIRS_AT_ONCE = 2**20
"""Of boxes that are compared: all pairs of a page with thousands of them would take hundreds of megabytes."""
Relation = NDArray[np.bool_]

# Boxes share columns only if they overlap by more than this part of the narrower one: loose boxes of neighbours touch.
OVERLAP = 0.2


def reading_order(boxes: Sequence[Box]) -> list[int]:
    """Indices of `boxes` in the order in which they are read."""
    return _order(np.asarray(boxes, dtype=np.float64), MAX_DEPTH) if boxes else []


def _order(array: Boxes, depth: int) -> list[int]:
    array = _widen_headings(array)
    order: list[int] = []
    for band in _bands(array):
        for side in _sides(array, band):
            if len(side) < len(array) and depth > 0:
                order.extend(side[_order(array[side], depth - 1)].tolist())
            else:
                order.extend(side[_sort(_precedes(array[side]), array[side])].tolist())
    return order


def _sides(array: Boxes, band: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Indices of a band's boxes parted where white space goes down all of it, from left to right."""
    wide = _widen_boxes(array[band])
    by_left = np.argsort(wide[:, 0], kind="stable")
    rights = np.maximum.accumulate(wide[by_left, 2])
    touching = TOUCHING * (rights[-1] - wide[by_left[0], 0])
    edges = np.flatnonzero(wide[by_left[1:], 0] >= rights[:-1] - touching) + 1
    return [band[np.sort(side)] for side in np.split(by_left, edges)]


def overlap(low_a: Boxes, high_a: Boxes, low_b: Boxes, high_b: Boxes) -> Boxes:
    """Shared length of intervals as a share of the shorter one, 0 to 1; broadcasts."""
    shared = np.minimum(high_a, high_b) - np.maximum(low_a, low_b)
    shorter = np.maximum(np.minimum(high_a - low_a, high_b - low_b), 1e-6)
    return np.clip(shared / shorter, 0.0, 1.0)


def split_pairs(count: int) -> Iterator[slice]:
    """Parts of so many boxes, each to be compared with all of them at once."""
    step = max(1, PAIRS_AT_ONCE // max(count, 1))
    return (slice(start, start + step) for start in range(0, max(count, 1), step))


def relate(count: int, compare: Callable[[slice], Relation]) -> Relation:
    """A relation of boxes among themselves; `compare` gives that of a part of them to all."""
    return np.concatenate([compare(part) for part in split_pairs(count)])


def _bands(array: Boxes) -> list[NDArray[np.intp]]:
    """Indices of boxes in bands, top to bottom, each of which is read to its end before the next one.

    A band ends where white space goes across everything and the columns do not: what stands next to it above or below
    reaches over a gutter of the other side, as the heading of an article over several columns does.
    """
    array = array / max(array[:, 2].max() - array[:, 0].min(), 1)
    by_top = np.argsort(array[:, 1], kind="stable")
    least = MIN_COLUMN * _usual_width(array)
    extent = float(array[:, 3].max() - array[:, 1].min())
    bottoms = np.maximum.accumulate(array[by_top, 3])
    gaps = np.flatnonzero(array[by_top[1:], 1] >= bottoms[:-1] - TOUCHING) + 1
    bands, start = [], 0
    for end in gaps.tolist():
        above, below = by_top[max(start, end - NEAR) : end], by_top[end : end + NEAR]
        is_head = start == 0 and _ends_head(array[above], array[below], TOP * extent, NEXT * extent)
        if is_head or _ends_columns(array[above], array[below], least):
            bands.append(by_top[start:end])
            start = end
    return [*bands, by_top[start:]]


def _ends_head(above: Boxes, below: Boxes, most: float, near: float) -> bool:
    """Whether what stands at the top of a page, no higher than `most`, is a letterhead or a name over all: not all of
    its columns go on right below."""
    bottom = above[:, 3].max()
    if bottom - above[:, 1].min() > most:
        return False
    last = above[_stands_first(above, -above[:, 3], -above[:, 1])]
    following = below[below[:, 1] - bottom <= near]
    shared = overlap(last[:, None, 0], last[:, None, 2], following[None, :, 0], following[None, :, 2]) > OVERLAP
    return not bool(shared.any(axis=1).all())


def _usual_width(array: Boxes) -> float:
    """The width of boxes that hold half of what all boxes cover."""
    width = array[:, 2] - array[:, 0]
    by_width = np.argsort(width)
    covered = np.cumsum((width * (array[:, 3] - array[:, 1]))[by_width])
    return float(width[by_width][np.searchsorted(covered, covered[-1] / 2)])


def _ends_columns(above: Boxes, below: Boxes, least: float) -> bool:
    """Whether a box that begins the part below reaches over two columns above it, or the other way about; columns are
    `least` wide at least. Not where a gutter goes down both parts: what stands beside it is read by itself."""
    if _find_gutter(np.concatenate([above, below])) > 0:
        return False
    first = below[_stands_first(below, below[:, 1], below[:, 3])]
    last = above[_stands_first(above, -above[:, 3], -above[:, 1])]
    columns = [boxes[boxes[:, 2] - boxes[:, 0] >= least] for boxes in (last, first)]
    return _reaches_over(first, columns[0]) or _reaches_over(_drop_headings(last), columns[1])


def _find_gutter(boxes: Boxes) -> float:
    """Width of the widest white space down all of the boxes; 0 where there is none."""
    by_left = boxes[np.argsort(boxes[:, 0])]
    gaps = by_left[1:, 0] - np.maximum.accumulate(by_left[:, 2])[:-1]
    return float(gaps.max(initial=0))


def _widen_headings(array: Boxes) -> Boxes:
    """The boxes, each low one as wide as the columns that it is the heading of: they begin level below it, and nothing
    stands beside it."""
    result = array.copy()
    x1, y1, x2, y2 = array.T
    touching = TOUCHING * (x2.max() - x1.min())
    for index in np.flatnonzero(y2 - y1 <= HEADING * (x2 - x1)).tolist():
        left, top, right, bottom = array[index]
        below = np.flatnonzero((y1 >= bottom - touching) & (x1 < right) & (x2 > left))
        if not len(below):
            continue
        first = below[np.argmin(y1[below])]
        is_level = (np.abs(y1 - y1[first]) < HEADING * (bottom - top)) & (x1 >= x2[first] - touching)
        level = np.flatnonzero(is_level & (x2 - x1 >= MIN_COLUMN * (x2 - x1)[first]))
        row = (y1 < bottom - touching) & (y2 > top + touching)
        for column in level[np.argsort(x1[level])].tolist():
            if (row & (x1 < x2[column]) & (x2 > right)).any():
                break
            result[index, 2] = max(result[index, 2], x2[column])
    return result


def _stand_apart(boxes: Boxes) -> bool:
    """Whether some stand side by side."""
    return bool((boxes[:, None, 2] <= boxes[None, :, 0] + TOUCHING).any())


def _drop_headings(boxes: Boxes) -> Boxes:
    """The boxes without low ones where some stand side by side: each is the heading of the article below it."""
    if not _stand_apart(boxes):
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
    same_columns = relate(
        len(array), lambda part: overlap(x1[part, None], x2[part, None], x1[None], x2[None]) > OVERLAP
    )
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
    is_above = middle[:, None] < middle[None]
    above, below = _pack(same_columns & is_above.T), _pack(same_columns & is_above)
    result = np.array([(above & own).any(axis=1) for own in below], dtype=np.bool_)
    return np.asarray(result | result.T, dtype=np.bool_)


def _pack(relation: Relation) -> NDArray[np.uint64]:
    """A relation with 64 boxes to a number: of a page of thousands, each is looked at beside each two others."""
    padded = np.pad(relation, ((0, 0), (0, -relation.shape[1] % 64)))
    return np.packbits(padded, axis=1).view(np.uint64)


def _sort(precedes: Relation, array: Boxes) -> list[int]:
    """Topological sort; a cycle is broken at the box with the fewest predecessors, uppermost first."""
    precedes = precedes.copy()
    np.fill_diagonal(precedes, False)
    count = len(array)
    places = np.empty(count, dtype=np.int64)
    places[np.lexsort((array[:, 0], array[:, 1]))] = np.arange(count)
    ranks = precedes.sum(axis=0) * count + places
    order: list[int] = []
    for _ in range(count):
        best = int(ranks.argmin())
        order.append(best)
        ranks -= precedes[best] * count
        ranks[best] = np.iinfo(np.int64).max
    return order
