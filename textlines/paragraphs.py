"""Groups text lines into paragraphs and rows by their geometry alone.

A detected "line" is often only a piece of a printed row (text detectors split at wide spaces). A paragraph is a set of
pieces that stand under or right beside each other; it never spans two columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes, union
from textlines.order import Relation, overlap

SAME_ROW = 0.5  # shared share of the lower piece's height from which two pieces stand in one row
ROW_GAP = 1.0  # widest gap inside one row of a paragraph, in line heights; a column gutter is wider
LINE_GAP = 0.8  # widest white space between two rows of one paragraph, in line heights
WIDE, WIDEST_GAP = 1.3, 1.8  # or this many usual gaps, up to so much, in a text that is set wide throughout
MORE_THAN_USUAL = 0.45  # white space beyond the usual that starts a new paragraph in running text, in line heights
USUAL_ROWS = 4  # so many rows tell what is usual
HEIGHT_RATIO = 0.62  # rows of one paragraph have heights at least this alike
GUTTER_REACH = 4  # rows above and below that tell whether a gap is a gutter, in line heights
GUTTER_ROWS = 3  # a gutter has at least so many pieces on each side ...
GUTTER_WIDTH = 4  # ... which are at least so many line heights wide: bullets and numbers make no column
SHORT_WIDTH = 8  # groups narrower than this many line heights are no text columns: labels, choices, values of a form
SHORT_GAP = 12  # widest white space between two such groups that are read row by row, in line heights


def rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of `boxes` as printed rows, top to bottom, each from left to right."""
    result: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda i: boxes[i][1] + boxes[i][3]):
        row = next((row for row in reversed(result[-3:]) if _in_row(boxes, row, index)), None)
        if row is None:
            result.append([index])
        else:
            row.append(index)
    return [sorted(row, key=lambda i: boxes[i][0]) for row in result]


def paragraphs(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of `boxes` grouped into paragraphs; groups and members in no particular order."""
    if not boxes:
        return []
    array = np.asarray(boxes, dtype=np.float64)
    return _join_short_columns(boxes, _components(_beside(array) | _stacked(array)))


def split_paragraphs(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of printed rows, top to bottom, parted where the white space between two is wider than usual."""
    gaps = np.asarray([(below[1] - above[3]) / max(above[3] - above[1], 1) for above, below in pairwise(boxes)])
    if len(gaps) < USUAL_ROWS:
        return [list(range(len(boxes)))]
    starts = (np.flatnonzero(gaps > np.median(gaps) + MORE_THAN_USUAL) + 1).tolist()
    return [list(range(start, end)) for start, end in pairwise([0, *starts, len(boxes)])]


def _in_row(boxes: Sequence[Box], row: Sequence[int], index: int) -> bool:
    """Whether a box stands in the row, judged by its nearest member so that a skewed row holds together."""
    x = boxes[index][0]
    nearest = boxes[min(row, key=lambda i: min(abs(boxes[i][2] - x), abs(boxes[i][0] - boxes[index][2])))]
    _, y1, _, y2 = boxes[index]
    shared = min(y2, nearest[3]) - max(y1, nearest[1])
    return shared > SAME_ROW * min(y2 - y1, nearest[3] - nearest[1])


def _beside(array: Boxes) -> Relation:
    """Pieces of one printed row: close to each other, and not the ends of two columns."""
    x1, y1, x2, y2 = array.T
    height = y2 - y1
    gap = np.maximum(x1[:, None], x1[None]) - np.minimum(x2[:, None], x2[None])
    same_row = overlap(y1[:, None], y2[:, None], y1[None], y2[None]) > SAME_ROW
    beside: Relation = same_row & (gap < ROW_GAP * np.minimum(height[:, None], height[None])) & _alike(height)
    for left, right in np.argwhere(beside & (x1[:, None] < x1[None])):
        beside[left, right] = not _is_gutter(array, left, right)
    result: Relation = beside & (x1[:, None] < x1[None])
    return result


def _is_gutter(array: Boxes, left: int, right: int) -> bool:
    """Whether the white space between two pieces goes on above and below, with text on both sides."""
    x1, y1, x2, y2 = array.T
    middle = (x2[left] + x1[right]) / 2
    height = y2[left] - y1[left]
    near = (y2 > y1[left] - GUTTER_REACH * height) & (y1 < y2[left] + GUTTER_REACH * height)
    if (near & (x1 < middle - height / 2) & (x2 > middle + height / 2)).any():
        return False
    sides = near & (x2 <= middle + height / 2), near & (x1 >= middle - height / 2)
    return all(side.sum() >= GUTTER_ROWS and np.median((x2 - x1)[side]) >= GUTTER_WIDTH * height for side in sides)


def _stacked(array: Boxes) -> Relation:
    """`result[a, b]`: b is the next row under a in the same paragraph."""
    x1, y1, x2, y2 = array.T
    height = y2 - y1
    middle = (y1 + y2) / 2
    gap = y1[None] - y2[:, None]
    taller = np.maximum(height[:, None], height[None])
    aligned = overlap(x1[:, None], x2[:, None], x1[None], x2[None]) > SAME_ROW
    below = (middle[None] > middle[:, None]) & (gap > -0.5 * taller) & aligned & _alike(height)
    stacked = below & (gap < _line_gap(gap / taller, below) * taller)
    spanning_below, spanning_above = _spans_columns(stacked, array), _spans_columns(stacked.T, array)
    result: Relation = stacked & ~spanning_below[:, None] & ~spanning_above[None]
    return result


def _line_gap(gaps: Boxes, below: Relation) -> float:
    """Widest white space between rows of one paragraph, in line heights: more in a text that is set wide throughout."""
    nearest = np.where(below, gaps, np.inf).min(axis=1)
    nearest = nearest[np.isfinite(nearest)]
    usual = float(np.median(nearest)) if len(nearest) >= USUAL_ROWS else 0.0
    return min(max(LINE_GAP, WIDE * usual), WIDEST_GAP)


def _spans_columns(stacked: Relation, array: Boxes) -> NDArray[np.bool_]:
    """Per box: two of its neighbours stand side by side with a gutter between them, so it belongs to neither."""
    result = np.zeros(len(array), dtype=np.bool_)
    for index, neighbours in enumerate(stacked):
        boxes = array[neighbours]
        order = np.argsort(boxes[:, 0])
        gaps = boxes[order][1:, 0] - boxes[order][:-1, 2]
        result[index] = bool((gaps > ROW_GAP * (array[index, 3] - array[index, 1])).any())
    return result


def _alike(height: Boxes) -> Relation:
    relation: Relation = np.minimum(height[:, None], height[None]) > HEIGHT_RATIO * np.maximum(
        height[:, None], height[None]
    )
    return relation


def _join_short_columns(boxes: Sequence[Box], groups: list[list[int]]) -> list[list[int]]:
    """Joins narrow groups that stand side by side: they are read row by row, as in "A 1   C 3" over "B 2   D 4"."""
    array = np.asarray([union([boxes[i] for i in group]) for group in groups], dtype=np.float64)
    height = np.asarray([np.median([boxes[i][3] - boxes[i][1] for i in group]) for group in groups])
    x1, y1, x2, y2 = array.T
    short = (x2 - x1) < SHORT_WIDTH * height
    gap = np.maximum(x1[:, None], x1[None]) - np.minimum(x2[:, None], x2[None])
    level = overlap(y1[:, None], y2[:, None], y1[None], y2[None]) > SAME_ROW
    joined = short[:, None] & short[None] & level & (gap < SHORT_GAP * height[:, None]) & _alike(height)
    return [[i for member in members for i in groups[member]] for members in _components(joined)]


def _components(linked: Relation) -> list[list[int]]:
    """Connected components of a relation taken as undirected."""
    linked = linked | linked.T
    unseen = set(range(len(linked)))
    result: list[list[int]] = []
    while unseen:
        stack, members = [unseen.pop()], []
        while stack:
            index = stack.pop()
            members.append(index)
            reached = unseen.intersection(np.flatnonzero(linked[index]).tolist())
            unseen -= reached
            stack.extend(reached)
        result.append(sorted(members))
    return result
