"""Groups text lines into paragraphs and rows by their geometry alone.

A detected "line" is often only a piece of a printed row (text detectors split at wide spaces). A paragraph is a set of
pieces that stand under or right beside each other; it never spans two columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes, union
from textlines.order import Relation, overlap, relate, split_pairs

SAME_ROW = 0.5  # shared share of the lower piece's height from which two pieces stand in one row
ROW_GAP = 1.0  # widest gap inside one row of a paragraph, in line heights; a column gutter is wider
LINE_GAP = 0.8  # widest white space between two rows of one paragraph, in line heights
WIDE, WIDEST_GAP = 1.3, 1.8  # or this many usual gaps, up to so much, in a text that is set wide throughout
MORE_THAN_USUAL = 0.45  # white space beyond the usual that starts a new paragraph in running text, in line heights
USUAL_ROWS = 4  # so many rows tell what is usual
WIDE_PITCH = 1.3  # or so many times what a quarter of the rows have from middle to middle, behind a row ...
EARLY_END = 0.08  # ... that ends this share of the text's width before its right edge
HEIGHT_RATIO = 0.62  # rows of one paragraph have heights at least this alike
GUTTER_REACH = 4  # rows above and below that tell whether a gap is a gutter, in line heights ...
LONG_REACH = 16  # ... or so far, where they are too few and nothing crosses it
GUTTER_ROWS = 3  # a gutter has at least so many pieces on each side ...
GUTTER_WIDTH = 4  # ... which are at least so many line heights wide: bullets and numbers make no column
MAX_CROSSING = 0.35  # of the pieces on a gutter's poorer side, so many may reach across: a heading over both columns
LABEL_WIDTH = 3  # pieces that are narrower than this many line heights may be labels of rows: numbers, bullets, boxes
LABEL_GAP = 5  # widest white space between such labels and their rows, in line heights
MIN_LABELS = 4
PROSE_WIDTH = 20  # line heights; entries of contents that are as long as one another are shorter
PROSE_ROWS, PROSE_FILL = 4, 0.85  # so many rows, most of which fill this share of the width, are prose
LABELLED, WITH_TEXT = 0.8, 0.65  # share of the rows that have a label, and of the labels that stand level with a row
INITIAL_HEIGHTS = 1.8, 9.0  # an initial is so many line heights high, at least and at most ...
INITIAL_WIDTHS = 0.3, 1.4  # ... so wide, in its height: an I is narrow, a label that runs up the page narrower ...
INITIAL_GAP = 1.5  # ... and stands so near to two or more rows beside it, in line heights: boxes have a margin
MIN_INITIAL_ROWS = 2
INITIAL_SPACE = 0.2  # and is a word if its first row stands so much farther off than the next one, in line heights
MAX_TOGETHER = 2000  # boxes of a page that are compared with each other; a page of a newspaper has some 1,500 lines
SHORT_WIDTH = 8  # groups narrower than this many line heights are no text columns: labels, choices, values of a form
COLUMN_WIDTH, COLUMN_ROWS = 6, 6  # but a newspaper's columns, of so many line heights and rows, that prose fills
SHORT_GAP = 12  # widest white space between two such groups that are read row by row, in line heights
TEXT_ROWS, TEXT_WIDTH = 3, 4  # rows and width of texts of their own, as two addresses are, in line heights ...
TEXT_GAP = 5  # ... between which is so much white space: values stand nearer to their names


def rows(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of `boxes` as printed rows, top to bottom, each from left to right."""
    result: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda i: boxes[i][1] + boxes[i][3]):
        row = next((row for row in reversed(result[-3:]) if _is_in_row(boxes, row, index)), None)
        if row is None:
            result.append([index])
        else:
            row.append(index)
    return [sorted(row, key=lambda i: boxes[i][0]) for row in result]


def paragraphs(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of `boxes` grouped into paragraphs; groups and members in no particular order."""
    if not boxes:
        return []
    if len(boxes) > MAX_TOGETHER:
        return [
            [band[i] for i in group] for band in _split_bands(boxes) for group in paragraphs([boxes[i] for i in band])
        ]
    array = np.asarray(boxes, dtype=np.float64)
    linked = _are_beside(array) | _are_stacked(array)
    for initial, first in find_initials(boxes).items():
        linked[initial, first] = True
    groups = _join_row_labels(boxes, _components(linked))
    return _join_short_columns(boxes, groups)


def _split_bands(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of a page's boxes in parts from top to bottom: no page has so many lines, so that none is cut."""
    by_middle = sorted(range(len(boxes)), key=lambda i: boxes[i][1] + boxes[i][3])
    return [by_middle[start : start + MAX_TOGETHER] for start in range(0, len(boxes), MAX_TOGETHER)]


def find_initials(boxes: Sequence[Box]) -> dict[int, int]:
    """Index of each box that may be a large initial beside the first rows of its text, to the index of the first."""
    if not 0 < len(boxes) <= MAX_TOGETHER:
        return {}
    x1, y1, x2, y2 = np.asarray(boxes, dtype=np.float64).T
    height = y2 - y1
    is_shaped = (x2 - x1 >= INITIAL_WIDTHS[0] * height) & (x2 - x1 <= INITIAL_WIDTHS[1] * height)
    result: dict[int, int] = {}
    for index in np.flatnonzero(is_shaped).tolist():
        times, gap = height[index] / height, (x1 - x2[index]) / height
        shared = np.minimum(y2, y2[index]) - np.maximum(y1, y1[index])
        is_beside = (times >= INITIAL_HEIGHTS[0]) & (times <= INITIAL_HEIGHTS[1]) & (np.abs(gap) <= INITIAL_GAP)
        beside = np.flatnonzero(is_beside & (shared > SAME_ROW * height))
        first = int(beside[np.argmin(y1[beside])]) if len(beside) else index
        if len(beside) >= MIN_INITIAL_ROWS and y1[first] - y1[index] < height[first]:
            result[index] = first
    return result


def abuts_initial(boxes: Sequence[Box], initial: int, first: int) -> bool:
    """Whether the first row beside an initial begins no farther from it than the next one: no space parts them."""
    left, _, right, end = boxes[initial]
    x1, y1, _, y2 = boxes[first]
    beside = [box for box in boxes if box[0] > (left + right) / 2 and y2 <= (box[1] + box[3]) / 2 < end]
    bottom = min((box[3] for box in beside), default=end)
    edge = min((box[0] for box in beside if (box[1] + box[3]) / 2 < bottom), default=x1)
    return x1 - edge <= INITIAL_SPACE * (y2 - y1)


def find_labelled(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of the boxes of each text whose rows have labels on their left: a listing with numbers."""
    narrow = sum(x2 - x1 < LABEL_WIDTH * (y2 - y1) for x1, y1, x2, y2 in boxes)
    if narrow < MIN_LABELS or len(boxes) > MAX_TOGETHER:
        return []
    array = np.asarray(boxes, dtype=np.float64)
    groups = _components(_are_beside(array) | _are_stacked(array))
    apart = {tuple(group) for group in groups}
    return [group for group in map(sorted, _join_row_labels(boxes, groups)) if tuple(group) not in apart]


def split_paragraphs(boxes: Sequence[Box]) -> list[list[int]]:
    """Indices of printed rows, top to bottom, parted where the white space between two is wider than usual.

    Behind a row that ends early less will do: there a paragraph may end, and short ones make wide space usual.
    """
    array = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if len(array) <= USUAL_ROWS:
        return [list(range(len(boxes)))]
    _, y1, x2, y2 = array.T
    gaps = (y1[1:] - y2[:-1]) / np.maximum(y2 - y1, 1)[:-1]
    pitches = np.diff(y1 + y2) / 2
    ends_early = x2[:-1] < x2.max() - EARLY_END * (x2.max() - array[:, 0].min())
    is_wide = pitches > WIDE_PITCH * np.quantile(pitches, 0.25)
    is_start = (gaps > np.median(gaps) + MORE_THAN_USUAL) | (ends_early & is_wide)
    starts = (np.flatnonzero(is_start) + 1).tolist()
    return [list(range(start, end)) for start, end in pairwise([0, *starts, len(boxes)])]


def _is_in_row(boxes: Sequence[Box], row: Sequence[int], index: int) -> bool:
    """Whether a box stands in the row, judged by its nearest member so that a skewed row holds together."""
    x = boxes[index][0]
    nearest = boxes[min(row, key=lambda i: min(abs(boxes[i][2] - x), abs(boxes[i][0] - boxes[index][2])))]
    _, y1, _, y2 = boxes[index]
    shared = min(y2, nearest[3]) - max(y1, nearest[1])
    return shared > SAME_ROW * min(y2 - y1, nearest[3] - nearest[1])


def _are_beside(array: Boxes) -> Relation:
    """Pieces of one printed row: close to each other, and not the ends of two columns."""
    x1, y1, x2, y2 = array.T
    height = y2 - y1

    def compare(part: slice) -> Relation:
        gap = np.maximum(x1[part, None], x1[None]) - np.minimum(x2[part, None], x2[None])
        same_row = overlap(y1[part, None], y2[part, None], y1[None], y2[None]) > SAME_ROW
        is_near: Relation = same_row & (gap < ROW_GAP * np.minimum(height[part, None], height[None]))
        return is_near & _alike(height, part)

    beside = relate(len(array), compare)
    for left, right in np.argwhere(beside & (x1[:, None] < x1[None])):
        beside[left, right] = not _is_gutter(array, left, right)
    result: Relation = beside & (x1[:, None] < x1[None])
    return result


def _is_gutter(array: Boxes, left: int, right: int) -> bool:
    """Whether the white space between two pieces goes on above and below, with text on both sides: beside the last rows
    of a column, which may be few, farther than else, where nothing reaches across."""
    sides, crossing = _look_along(array, left, right, GUTTER_REACH)
    if crossing == 0 and any(len(side) < GUTTER_ROWS for side in sides):
        sides, crossing = _look_along(array, left, right, LONG_REACH)
        if crossing:
            return False
    if crossing > MAX_CROSSING * min(len(side) for side in sides):
        return False
    height = array[left, 3] - array[left, 1]
    return all(len(side) >= GUTTER_ROWS and np.median(side) >= GUTTER_WIDTH * height for side in sides)


def _look_along(array: Boxes, left: int, right: int, reach: float) -> tuple[tuple[Boxes, Boxes], int]:
    """Widths of the pieces next to a gap on its left and on its right, so many line heights up and down, and how many
    cross it. Farther pieces of a row say nothing: words that justified print has torn apart, the next column."""
    x1, y1, x2, y2 = array.T
    middle = (x2[left] + x1[right]) / 2
    height = y2[left] - y1[left]
    near = (y2 > y1[left] - reach * height) & (y1 < y2[left] + reach * height)
    crossing = near & (x1 < middle - height / 2) & (x2 > middle + height / 2)
    sides = array[near & (x2 <= middle + height / 2)], array[near & (x1 >= middle - height / 2)]
    return (_next_widths(sides[0], -sides[0][:, 2]), _next_widths(sides[1], sides[1][:, 0])), int(crossing.sum())


def _next_widths(boxes: Boxes, distance: Boxes) -> Boxes:
    """Widths of the boxes before which no nearer one stands in their row."""
    level = overlap(boxes[:, None, 1], boxes[:, None, 3], boxes[None, :, 1], boxes[None, :, 3]) > SAME_ROW
    is_next = ~(level & (distance[None] < distance[:, None])).any(axis=1)
    widths: Boxes = (boxes[:, 2] - boxes[:, 0])[is_next]
    return widths


def _are_stacked(array: Boxes) -> Relation:
    """`result[a, b]`: b is the next row under a in the same paragraph."""
    x1, y1, x2, y2 = array.T
    height = y2 - y1
    middle = (y1 + y2) / 2

    def measure(part: slice) -> tuple[Boxes, Boxes]:
        return y1[None] - y2[part, None], np.maximum(height[part, None], height[None])

    def compare(part: slice) -> Relation:
        gap, taller = measure(part)
        aligned = overlap(x1[part, None], x2[part, None], x1[None], x2[None]) > SAME_ROW
        is_below: Relation = (middle[None] > middle[part, None]) & (gap > -0.5 * taller) & aligned
        return is_below & _alike(height, part)

    def find_nearest(part: slice) -> Boxes:
        gap, taller = measure(part)
        return np.asarray(np.where(below[part], gap / taller, np.inf).min(axis=1, initial=np.inf), dtype=np.float64)

    def is_close(part: slice) -> Relation:
        gap, taller = measure(part)
        return np.asarray(gap < widest * taller, dtype=np.bool_)

    below = relate(len(array), compare)
    widest = _line_gap(np.concatenate([find_nearest(part) for part in split_pairs(len(array))]))
    stacked = below & relate(len(array), is_close)
    spanning_below, spanning_above = _spans_columns(stacked, array), _spans_columns(stacked.T, array)
    result: Relation = stacked & ~spanning_below[:, None] & ~spanning_above[None]
    return result


def _line_gap(nearest: Boxes) -> float:
    """Widest white space between rows of one paragraph, in line heights: more in a text that is set wide throughout.

    `nearest`: white space below each row, infinite where nothing stands there.
    """
    nearest = nearest[np.isfinite(nearest)]
    usual = float(np.median(nearest)) if len(nearest) >= USUAL_ROWS else 0.0
    return min(max(LINE_GAP, WIDE * usual), WIDEST_GAP)


def _spans_columns(stacked: Relation, array: Boxes) -> NDArray[np.bool_]:
    """Per box: two of its neighbours stand side by side with a gutter between them, so it belongs to neither."""
    result = np.zeros(len(array), dtype=np.bool_)
    # Boxes of one row have the same pairs below them.
    is_gutter = cache(partial(_is_gutter, array))
    for index, neighbours in enumerate(stacked):
        near = np.flatnonzero(neighbours)
        near = near[np.argsort(array[near, 0])]
        gaps = array[near[1:], 0] - array[near[:-1], 2]
        is_wide = bool((gaps > ROW_GAP * (array[index, 3] - array[index, 1])).any())
        result[index] = is_wide or any(
            is_gutter(left, right) for (left, right), gap in zip(pairwise(near.tolist()), gaps, strict=True) if gap > 0
        )
    return result


def _alike(height: Boxes, part: slice) -> Relation:
    """Of a part of the boxes to all."""
    relation: Relation = np.minimum(height[part, None], height[None]) > HEIGHT_RATIO * np.maximum(
        height[part, None], height[None]
    )
    return relation


def _join_row_labels(boxes: Sequence[Box], groups: list[list[int]]) -> list[list[int]]:
    """Joins groups with the labels that stand left of their rows, as numbers do beside the lines of a listing, and with
    what stands at the ends of these."""
    array, height = _measure(boxes, groups)
    count = np.asarray([len(group) for group in groups])
    labels, ends = np.zeros((2, len(groups), len(groups)), dtype=np.bool_)
    for at in np.flatnonzero(count >= MIN_LABELS).tolist():
        for place in _find_likely_labelled(array, height, at):
            labels[at, place] = _are_row_labels(boxes, groups[at], groups[place])
        own = _find_left(boxes, groups[at])
        beside = _find_beside(boxes, groups, array, at, own)
        texts = [*set(groups[at]).difference(own), *(index for place in beside for index in groups[place])]
        if _are_row_labels(boxes, own, texts):
            labels[at, beside] = True
        for place in _find_likely_ended(np.asarray(boxes, dtype=np.float64), array, height, count, at):
            ends[at, place] = _are_row_ends(boxes, groups[at], groups[place])
    _choose_sides(array, labels, ends)
    return [[i for member in members for i in groups[member]] for members in _components(labels | ends)]


def _measure(boxes: Sequence[Box], groups: Sequence[Sequence[int]]) -> tuple[Boxes, Boxes]:
    """Box of each group, and the usual height of its members."""
    array = np.asarray([union([boxes[i] for i in group]) for group in groups], dtype=np.float64)
    return array, np.asarray([np.median([boxes[i][3] - boxes[i][1] for i in group]) for group in groups])


def _are_level(array: Boxes, at: int) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = (array[:, 1] < array[at, 3]) & (array[:, 3] > array[at, 1])
    return result


def _find_likely_labelled(array: Boxes, height: Boxes, at: int) -> list[int]:
    """Groups so near on the right of one that its pieces may be their labels."""
    left = array[:, 0]
    near = (left > array[at, 0]) & (left - LABEL_GAP * height < array[at, 2])
    return np.flatnonzero(near & _are_level(array, at)).tolist()


def _find_likely_ended(boxes: Boxes, array: Boxes, height: Boxes, count: NDArray[np.int_], at: int) -> list[int]:
    """Groups on the left of a narrow one that nothing parts from it."""
    left, top, right, bottom = array[at]
    before = (boxes[:, 0] < left) & (boxes[:, 1] < bottom) & (boxes[:, 3] > top)
    reach = boxes[before, 2].max(initial=-np.inf)
    is_narrow = right - left < LABEL_WIDTH * height
    is_next = (array[:, 2] < left) & (array[:, 2] >= reach)
    return np.flatnonzero(is_narrow & is_next & (count >= MIN_LABELS) & _are_level(array, at)).tolist()


def _choose_sides(array: Boxes, labels: Relation, ends: Relation) -> None:
    """Leaves each column one side of those between two texts, so that lists in columns are not read across.

    A text on its left with labels of its own is a list like the one on its right; one on its right with ends of its own
    is a list like the one on its left. Else the nearer side has it.
    """
    between = np.flatnonzero(labels.any(axis=1) & ends.any(axis=1))
    for at in between[np.argsort(array[between, 0])]:
        on_left, on_right = ends[at], labels[at]
        gap = array[at, 0] - array[on_left, 2].max(), array[on_right, 0].min() - array[at, 2]
        if labels[:, on_left].any() or (not ends[:, on_right].any() and gap[1] < gap[0]):
            ends[at] = False
        else:
            labels[at] = False


def _are_row_ends(boxes: Sequence[Box], ends: Sequence[int], texts: Sequence[int]) -> bool:
    """Whether a narrow column right of a text has one piece for each of its rows: the pages of a table of contents,
    however far away. Not where the rows are prose."""
    array, others = (np.asarray([boxes[i] for i in group], dtype=np.float64) for group in (ends, texts))
    if _is_prose(others):
        return False
    level = overlap(array[:, None, 1], array[:, None, 3], others[None, :, 1], others[None, :, 3]) > SAME_ROW
    return bool(level.any(axis=0).mean() >= LABELLED and level.any(axis=1).mean() >= LABELLED)


def _is_prose(array: Boxes) -> bool:
    """Whether the rows are prose: many long ones, and most of them as long as there is room."""
    widths, room = array[:, 2] - array[:, 0], np.ptp(array[:, [0, 2]])
    is_filled = len(widths) >= PROSE_ROWS and bool(np.median(widths) > PROSE_FILL * room)
    return is_filled and bool(room > PROSE_WIDTH * np.median(array[:, 3] - array[:, 1]))


def _is_narrow_prose(array: Boxes) -> bool:
    """Whether the rows are a newspaper's narrow column: more than choices are, and most of them fill it."""
    widths, room = array[:, 2] - array[:, 0], np.ptp(array[:, [0, 2]])
    return len(widths) >= COLUMN_ROWS and bool(np.median(widths) > PROSE_FILL * room)


def _find_left(boxes: Sequence[Box], group: Sequence[int]) -> list[int]:
    """The narrow pieces at the left edge of a group."""
    left = min(boxes[i][0] for i in group)
    return [i for i in group if boxes[i][2] - left < LABEL_WIDTH * (boxes[i][3] - boxes[i][1])]


def _find_beside(
    boxes: Sequence[Box], groups: Sequence[Sequence[int]], array: Boxes, at: int, labels: Sequence[int]
) -> list[int]:
    """Groups that stand right of a column and level with it: blank lines part a listing, and its numbers go on."""
    if not labels:
        return []
    _, top, right, bottom = union([boxes[i] for i in labels])
    middle = (array[:, 1] + array[:, 3]) / 2
    is_beside = (array[:, 0] >= right) & (top < middle) & (middle < bottom)
    is_beside[at] = False
    nearest = array[is_beside, 0].min(initial=np.inf)
    own_right = max((boxes[i][2] for i in set(groups[at]).difference(labels)), default=0)
    edge = array[is_beside & (array[:, 0] == nearest), 2].max(initial=own_right)
    return np.flatnonzero(is_beside & (array[:, 0] < edge)).tolist()


def _are_row_labels(boxes: Sequence[Box], labels: Sequence[int], texts: Sequence[int]) -> bool:
    """Whether the narrow pieces among `labels` stand left of the rows of `texts`, one for each; blank rows have some.

    Not where the rows are prose: numbers in its margin are none of it.
    """
    if not texts or len(labels) < MIN_LABELS:
        return False
    array, others = (np.asarray([boxes[i] for i in group], dtype=np.float64) for group in (labels, texts))
    height = float(np.median(others[:, 3] - others[:, 1]))
    if _is_prose(others):
        return False
    near = others[:, 0].min() - LABEL_GAP * height, others[:, 0].min()
    narrow = array[
        (array[:, 2] - array[:, 0] < LABEL_WIDTH * height) & (array[:, 2] <= near[1]) & (array[:, 2] > near[0])
    ]
    narrow = narrow[(narrow[:, 3] > others[:, 1].min()) & (narrow[:, 1] < others[:, 3].max())]
    if len(narrow) < MIN_LABELS:
        return False
    level = overlap(narrow[:, None, 1], narrow[:, None, 3], others[None, :, 1], others[None, :, 3]) > SAME_ROW
    rows_labelled = level.any(axis=0).sum() >= LABELLED * len(others)
    return bool(rows_labelled and level.any(axis=1).sum() >= WITH_TEXT * len(narrow))


def _join_short_columns(boxes: Sequence[Box], groups: list[list[int]]) -> list[list[int]]:
    """Joins narrow groups that stand side by side: they are read row by row, as in "A 1   C 3" over "B 2   D 4"."""
    array, height = _measure(boxes, groups)
    x1, y1, x2, y2 = array.T
    # A group of figures may be several columns already, unlike a list whose numbers have joined it.
    is_figures = np.asarray([max(boxes[i][2] - boxes[i][0] for i in group) for group in groups]) < LABEL_WIDTH * height
    short = is_figures | ((x2 - x1) < SHORT_WIDTH * height)
    for at in np.flatnonzero(short & (x2 - x1 >= COLUMN_WIDTH * height)).tolist():
        short[at] = not _is_narrow_prose(np.asarray([boxes[i] for i in groups[at]], dtype=np.float64))
    is_text = np.asarray([_is_short_text([boxes[i] for i in group]) for group in groups], dtype=np.bool_)

    def compare(part: slice) -> Relation:
        gap = np.maximum(x1[part, None], x1[None]) - np.minimum(x2[part, None], x2[None])
        level = overlap(y1[part, None], y2[part, None], y1[None], y2[None]) > SAME_ROW
        are_texts = is_text[part, None] & is_text[None] & (gap >= TEXT_GAP * height[part, None])
        is_near: Relation = ~are_texts & (gap < SHORT_GAP * height[part, None])
        is_joined: Relation = short[part, None] & short[None] & level & is_near
        return is_joined & _alike(height, part)

    joined = relate(len(array), compare)
    return [[i for member in members for i in groups[member]] for members in _components(joined)]


def _is_short_text(boxes: Sequence[Box]) -> bool:
    """Whether short rows begin at one edge, and are as wide as words: an address, and no column of figures."""
    array = np.asarray(boxes, dtype=np.float64)
    height = np.median(array[:, 3] - array[:, 1])
    if len(boxes) < TEXT_ROWS or np.ptp(array[:, [0, 2]]) < TEXT_WIDTH * height:
        return False
    return bool(np.ptp(array[:, 0]) <= height and np.ptp(array[:, 2]) > height)


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
