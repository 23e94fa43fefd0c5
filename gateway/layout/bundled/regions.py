"""From what the models saw to the regions of a page: detections and text lines in, regions in reading order out.

Detections say what kind of content stands where; text lines say where text really is. A detection that its lines
contradict (a "figure" full of text, a "table" without columns) is dropped, and lines that no detection covers become
regions of their own, so that no text is lost. So do lines in a picture, which nobody reads: it stays beside them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Boxes, area, clip, intersection_area, union
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import (
    FORMULA,
    INSIDE,
    LISTING,
    MARGIN_LABELS,
    PICTURE,
    TABLE,
    TEXT,
    TITLE,
    contains_line,
    correct_labels,
    find_lines,
    is_plausible,
)
from gateway.model import BBox, Polygon, Region
from textlines.order import reading_order
from textlines.paragraphs import find_labelled, paragraphs, rows

COVERED = 0.6  # a detection whose area is covered by better ones to this share is dropped
SURE = 0.6  # score from which a detection is believed without text lines
PADDING = 0.15  # white space kept around text, in line heights: detectors cut ascenders
SCREEN = 0.6  # share of the page from which a picture is a screenshot or a poster, whose first line is no running head
PAGE_PICTURE = 0.4  # share of the page from which a picture is the page: a screenshot, a poster, a receipt on a table
WORDS = 4.0  # a line in a smaller picture is text, not one of a chart's numbers, if it is so many times as wide as high
LABEL, LABELLED = 2.2, 0.7  # a short word is so many times as wide as high; share of a picture's lines that are as long
MAX_NUMBER, NUMBER_MARGIN = 2.5, 0.08  # width of a page's number in its heights, the margin in heights of the page ...
MIN_PAGE_LINES = 4  # ... of a page with so many lines at least
IN_ROWS = 0.7  # share of the free lines beside a table that stand in its rows if they are its labels ...
BESIDE = 0.4  # ... and so many for each row of the table ...
COLUMN_REACH, MIN_COLUMN_ROWS = (
    4.0,
    2,
)  # ... with fewer rows of text, so near above, in line heights: else a column ends
MAX_TRIMMED = 500  # lines of a table that is looked at for text beside it
CONTINUED, LEVEL = (
    0.5,
    0.8,
)  # white space in a column that goes on beside a table; share of rows that are level if it is its
BARE = 0.1  # share of a picture in a listing that lines of text hold at most
AS_MUCH = 0.9  # share of the most that a detection holds of a line, from which on another one holds as much
SMALLER = 0.62  # height of a line beside the largest of its heading from which on it is none of it
LARGER = 1.18  # height of a heading's rows beside those of the text below, in lines that no detection holds ...
MAX_HEADING_ROWS = 3  # ... and how many they are at most, always fewer than the text's
MIN_ARTICLE_ROWS = 4  # of a column that may begin with a heading: the first row of an address is higher by chance
HEADING_GAP, HEADING_WIDTH = 0.3, 0.9  # white space above a heading within a column, in line heights, and its width


MUCH_WIDER = 1.6
"""A row that reaches so much farther than all above it is prose below a listing."""
WRAPPED_GAP, SAME_PITCH, SINGLE_PITCH = 0.6, 1.15, 1.3
"""Widest space between two rows of a paragraph that was cut, in line heights; their pitch beside the usual one's, or
beside the line height where there are no others ..."""
WRAPPED_EDGE, WRAPPED_WIDTH = 2.0, 10.0
"""... how far the upper one may end from the right edge, and its least width, in line heights."""
MIN_FULL_ROWS = 12  # of a page whose margins hold none of its text
ASIDE, DOWN = (
    0.1,
    2.0,
)  # share of the page's width that is its outer margin; height of a line that runs down, in its width
FOOT_GAP = 0.75  # white space above a page's foot, in its line heights, at least
COLUMN_WIDTH = 8.0  # of texts side by side, in line heights: between narrower ones is no gutter
COLUMN_LABELS = frozenset({TEXT, "reference_content", "figure_title"})
RUNNING_LABELS = frozenset({TEXT, "reference_content"})
RAGGED, RAGGED_MARGIN = 0.3, 0.12  # share of rows that are indented, at least, or end near the right edge, at most
MIN_RAGGED_ROWS, MAX_RAGGED_PITCH, HEIGHTS_ALIKE = 4, 2.3, 0.75  # a blank line may stand between the two parts


@dataclass(frozen=True, slots=True)
class _Part:
    """A region before it has its place in the order; `lines` are its text lines."""

    label: str
    score: float | None
    box: BBox
    lines: tuple[BBox, ...]


def build_regions(detections: Sequence[Detection], lines: Sequence[BBox], width: int, height: int) -> list[Region]:
    """Regions of a page of `width` × `height` pixels, in reading order, boxes within the page."""
    believed = correct_labels(detections, lines)
    chosen = _drop_covered([detection for detection in believed if is_plausible(detection, lines, height)], lines)
    chosen = [_trim_table(one, lines) for one in _free_margins(chosen, width * height)]
    owners = _free_printed(assign_lines(lines, chosen), chosen, lines, width * height)
    owners = _free_labelled(_free_smaller(owners, chosen, lines), chosen, lines)
    parts: list[_Part] = []
    for index, detection in enumerate(chosen):
        own = [line for line, owner in zip(lines, owners, strict=True) if owner == index]
        if own or _stands_alone(detection, lines):
            parts.extend(_split_detection(detection, own))
    parts = _join_enclosed(parts)
    parts.extend(_group_text([line for line, owner in zip(lines, owners, strict=True) if owner is None], parts))
    parts = _join_wrapped(_join_ragged(parts))
    parts = _relabel_asides([_relabel_number(part, lines, height) for part in parts], width)
    return _order_parts(_promote_title(parts, height), width, height)


def _trim_table(detection: Detection, lines: Sequence[BBox]) -> Detection:
    """The detection, a table without the end of a column of text beside it, which the model takes for its first or last
    columns: text that goes on from above, whose rows are not level with the table's."""
    own = find_lines(lines, detection) if detection.label == TABLE else []
    for side, rest in _part_edges(own) if len(own) <= MAX_TRIMMED else ():
        if not _are_level(side, rest) and _ends_column(side, union(rest), lines):
            x1, y1, x2, y2 = detection.box
            is_left = side[0][0] < rest[0][0]
            edges = (min(line[0] for line in rest), x2) if is_left else (x1, max(line[2] for line in rest))
            return replace(detection, box=(edges[0], y1, edges[1], y2))
    return detection


def _are_level(side: Sequence[BBox], rest: Sequence[BBox]) -> bool:
    """Whether most lines of a side stand in rows of the rest, and most rows of the rest beside such lines."""
    table = [union([rest[i] for i in row]) for row in rows(rest)]
    one, other = (np.asarray([(_middle(line), _height(line)) for line in group]) for group in (side, table))
    is_level = np.abs(one[:, None, 0] - other[None, :, 0]) < one[:, None, 1] / 4
    return bool(min(is_level.any(axis=1).mean(), is_level.any(axis=0).mean()) >= LEVEL)


def _part_edges(lines: Sequence[BBox]) -> Iterator[tuple[list[BBox], list[BBox]]]:
    """The lines on the left of each gutter with those on its right, and the other way about: `side`, `rest`."""
    by_left, edge = sorted(lines), -math.inf
    for at, line in enumerate(by_left):
        if at > 0 and line[0] - edge >= _height(line) / 2:
            yield by_left[:at], by_left[at:]
            yield by_left[at:], by_left[:at]
        edge = max(edge, line[2])


def _free_margins(detections: list[Detection], page_area: int) -> list[Detection]:
    """The detections, running heads as text where a picture is nearly all of the page: a screen has none."""
    is_screen = any(d.label == PICTURE and area(d.box) >= SCREEN * page_area for d in detections)
    return [replace(d, label=TEXT) if is_screen and d.label in MARGIN_LABELS else d for d in detections]


def _drop_covered(detections: list[Detection], lines: Sequence[BBox]) -> list[Detection]:
    """Best first: listings before the picture that they stand in (a screen), tables and pictures before the text they
    hold, then by score."""
    kept: list[Detection] = []
    ranks = {LISTING: 2, TABLE: 1, PICTURE: 1}
    for detection in sorted(detections, key=lambda d: (ranks.get(d.label, 0), d.score), reverse=True):
        covered = sum(
            intersection_area(detection.box, other.box) for other in kept if not _is_inset(detection, other, lines)
        )
        if covered < COVERED * area(detection.box):
            kept.append(detection)
    return kept


def _is_inset(detection: Detection, listing: Detection, lines: Sequence[BBox]) -> bool:
    """Whether it is a picture among the rows of a listing, and neither the screen that shows them nor some of them."""
    if (detection.label, listing.label) != (PICTURE, LISTING):
        return False
    printed = sum(intersection_area(line, detection.box) for line in lines)
    is_screen = intersection_area(detection.box, listing.box) >= SCREEN * area(listing.box)
    return not is_screen and printed < BARE * area(detection.box)


def _free_printed(
    owners: list[int | None], detections: list[Detection], lines: Sequence[BBox], page_area: int
) -> list[int | None]:
    """The owners without pictures, where the lines in those are text: of a picture that is most of the page all lines,
    of a smaller one those that are words, and all where most are, or nearly all longer than a chart's numbers."""
    result = list(owners)
    for index, detection in enumerate(detections):
        if detection.label != PICTURE:
            continue
        own = [at for at, owner in enumerate(owners) if owner == index]
        words = [at for at in own if lines[at][2] - lines[at][0] >= WORDS * _height(lines[at])]
        labels = [at for at in own if lines[at][2] - lines[at][0] >= LABEL * _height(lines[at])]
        is_labelled = bool(words) and len(labels) >= LABELLED * len(own)
        is_whole = area(detection.box) >= PAGE_PICTURE * page_area or 2 * len(words) > len(own) or is_labelled
        for at in own if is_whole else words:
            result[at] = None
    return result


def _free_smaller(owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]) -> list[int | None]:
    """The owners without headings where a line is much smaller than the heading's largest and below it: the model's box
    reaches into the text there."""
    result = list(owners)
    for index, detection in enumerate(detections):
        if detection.label != TITLE:
            continue
        own = [at for at, owner in enumerate(owners) if owner == index]
        largest = max((_height(lines[at]) for at in own), default=0)
        small = [at for at in own if _height(lines[at]) < SMALLER * largest]
        bottom = max((lines[at][3] for at in own if at not in small), default=0)
        for at in small:
            if _middle(lines[at]) > bottom:
                result[at] = None
    return result


def _free_labelled(owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]) -> list[int | None]:
    """The owners without texts where the lines are those of a listing with numbers, which models cut in pieces."""
    result = list(owners)
    for group in find_labelled(lines):
        for at in group:
            owner = result[at]
            if owner is not None and detections[owner].label in RUNNING_LABELS:
                result[at] = None
    return result


def _join_ragged(parts: Sequence[_Part]) -> list[_Part]:
    """The parts, those of one text joined that stand below each other where its rows are indented, as in a listing."""
    return _join_below(parts, _goes_on)


def _join_below(parts: Sequence[_Part], is_one: Callable[[_Part, _Part, Sequence[_Part]], bool]) -> list[_Part]:
    """The parts from the top, each text joined with those below it that are one with it, given all parts."""
    result = sorted(parts, key=lambda part: part.box[1])
    at = 0
    while at < len(result):
        below = next((i for i in _list_below(result, at) if is_one(result[at], result[i], result)), None)
        if below is None:
            at += 1
            continue
        upper, lower = result[at], result.pop(below)
        lines = (*upper.lines, *lower.lines)
        result[at] = _Part(TEXT, upper.score, union([upper.box, lower.box]), lines)
    return result


def _list_below(parts: Sequence[_Part], at: int) -> Iterator[int]:
    """Places of the parts, which are sorted, that are near enough below one; none where that is no text."""
    if parts[at].label == TEXT and parts[at].lines:
        _, top, _, bottom = parts[at].box
        reach = bottom + MAX_RAGGED_PITCH * (bottom - top)
        for index in range(at + 1, len(parts)):
            if parts[index].box[1] > reach:
                return
            yield index


def _goes_on(upper: _Part, lower: _Part, parts: Sequence[_Part]) -> bool:
    if lower.label != TEXT or len(upper.lines) < MIN_RAGGED_ROWS or not lower.lines:
        return False
    if not _may_stand_below(upper.box, lower.box):
        return False
    table = [union([upper.lines[i] for i in row]) for row in rows(upper.lines)]
    pitch = float(np.median(np.diff([_middle(row) for row in table]))) if len(table) > 1 else 0.0
    first = union([lower.lines[i] for i in rows(lower.lines)[0]])
    is_next = 0 < _middle(first) - _middle(table[-1]) <= MAX_RAGGED_PITCH * pitch
    is_alike = HEIGHTS_ALIKE * _line_height(upper) <= _line_height(lower) <= _line_height(upper) / HEIGHTS_ALIKE
    is_below = upper.box[0] - pitch / 2 < lower.box[0] < upper.box[2]
    is_wider = first[2] - upper.box[0] > MUCH_WIDER * (upper.box[2] - upper.box[0])
    if not (is_next and is_alike and is_below) or is_wider:
        return False
    together = union([upper.box, lower.box])
    others = [part for part in parts if part is not upper and part is not lower]
    return _is_ragged([*upper.lines, *lower.lines]) and not any(
        intersection_area(part.box, together) > 0 for part in others if part.label != PICTURE
    )


def _join_wrapped(parts: Sequence[_Part]) -> list[_Part]:
    """The parts, those of one paragraph joined that a model has cut between two rows, the upper of which is full."""
    return _join_below(parts, _is_wrapped)


def _is_wrapped(upper: _Part, lower: _Part, parts: Sequence[_Part]) -> bool:
    if lower.label != TEXT or not lower.lines or abs(upper.box[0] - lower.box[0]) > _height(upper.lines[0]):
        return False
    height = min(_line_height(upper), _line_height(lower))
    gap = lower.box[1] - upper.box[3]
    if not -height / 2 < gap < WRAPPED_GAP * height or abs(upper.box[0] - lower.box[0]) > height / 2:
        return False
    above, below = ([union([part.lines[i] for i in row]) for row in rows(part.lines)] for part in (upper, lower))
    pitch = _middle(below[0]) - _middle(above[-1])
    usual = [_middle(b) - _middle(a) for own in (above, below) for a, b in pairwise(own)]
    is_next = pitch <= (SAME_PITCH * float(np.median(usual)) if usual else SINGLE_PITCH * height)
    is_full = above[-1][2] >= max(row[2] for row in (*above, *below)) - WRAPPED_EDGE * height
    is_flush = max(abs(row[0] - lower.box[0]) for row in (above[-1], below[0])) <= height / 2
    is_long = upper.box[2] - upper.box[0] >= WRAPPED_WIDTH * height
    others = [part for part in parts if part is not upper and part is not lower and part.label != PICTURE]
    together = union([upper.box, lower.box])
    return (
        is_next and is_full and is_flush and is_long
        and not any(intersection_area(part.box, together) > 0 for part in others)
    )  # fmt: skip


def _may_stand_below(upper: BBox, lower: BBox) -> bool:
    """What boxes tell of it: the pitch of rows, which takes long to find, is no more than their box is high."""
    pitch = upper[3] - upper[1]
    is_below = upper[1] < lower[3] and lower[1] <= upper[3] + MAX_RAGGED_PITCH * pitch
    return is_below and upper[0] - pitch < lower[0] < upper[2]


def _is_ragged(lines: Sequence[BBox]) -> bool:
    """Whether many rows are indented and few reach to the right edge."""
    table = [union([lines[i] for i in row]) for row in rows(lines)]
    left, _, right, _ = union(table)
    height = float(np.median([_height(row) for row in table]))
    indented = sum(row[0] - left > height for row in table)
    full = sum(right - row[2] < RAGGED_MARGIN * (right - left) for row in table)
    return indented >= RAGGED * len(table) and full <= RAGGED * len(table)


def _join_enclosed(parts: Sequence[_Part]) -> list[_Part]:
    """The parts, but for texts whose lines stand between those of another text in the same columns: the model has found
    them a second time, and they are the other one's."""
    kept: dict[int, _Part] = {}
    for index in sorted(range(len(parts)), key=lambda index: -len(parts[index].lines)):
        part = parts[index]
        outer = next((at for at, other in kept.items() if _encloses(other, part)), None)
        if outer is None:
            kept[index] = part
        else:
            box, lines = union([kept[outer].box, part.box]), (*kept[outer].lines, *part.lines)
            kept[outer] = replace(kept[outer], box=box, lines=lines)
    return [kept[index] for index in sorted(kept)]


def _encloses(outer: _Part, inner: _Part) -> bool:
    if outer.label != TEXT or inner.label != TEXT or not inner.lines:
        return False
    own = union(inner.lines)
    column = [line for line in outer.lines if _shares_columns(line, own)]
    return any(_middle(line) < own[1] for line in column) and any(_middle(line) > own[3] for line in column)


def _shares_columns(a: BBox, b: BBox) -> bool:
    return 2 * (min(a[2], b[2]) - max(a[0], b[0])) > min(a[2] - a[0], b[2] - b[0])


def _stands_alone(detection: Detection, lines: Sequence[BBox]) -> bool:
    """Whether a detection without lines of its own is worth a look: a picture, or text that no line was found in."""
    return detection.label == PICTURE or (detection.score >= SURE and not find_lines(lines, detection))


def _split_detection(detection: Detection, lines: list[BBox]) -> list[_Part]:
    """One part, or several where a box of text reaches over columns."""
    x1, y1, x2, y2 = (round(value) for value in detection.box)
    if detection.label in {PICTURE, TABLE, FORMULA, LISTING} or not lines:
        return [_Part(detection.label, detection.score, union([(x1, y1, x2, y2), *lines]), tuple(lines))]
    columns = _columns(lines)
    if len(columns) == 1 or detection.label != TEXT:
        return [_Part(detection.label, detection.score, union(column), tuple(column)) for column in columns]
    return [
        _Part(label, detection.score, union(part), tuple(part))
        for column in columns
        for label, part in (_split_heading(column) if len(rows(column)) >= MIN_ARTICLE_ROWS else [(TEXT, column)])
        if part
    ]


def _columns(lines: list[BBox]) -> list[list[BBox]]:
    """Splits the lines of one detection only where they stand in columns; paragraphs under each other stay together."""
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    boxes = [union(group) for group in groups]
    if not any(_are_columns(a, b) for a in boxes for b in boxes):
        return [lines]
    return [part for group in groups for part in _split_at_headings(group)]


def _split_at_headings(group: list[BBox]) -> list[list[BBox]]:
    """The rows of a column from each heading to the next, where a column holds several articles: short rows in larger
    print, with white space above."""
    table = [[group[i] for i in row] for row in rows(group)]
    boxes = [union(row) for row in table]
    usual = float(np.median([_height(box) for box in boxes]))
    width = max(box[2] for box in boxes) - min(box[0] for box in boxes)
    starts = [
        at
        for at, (above, box) in enumerate(pairwise(boxes), 1)
        if min(map(_height, table[at])) >= LARGER * usual
        and box[1] - above[3] > HEADING_GAP * usual
        and box[2] - box[0] < HEADING_WIDTH * width
    ]
    return [[line for row in table[start:end] for line in row] for start, end in pairwise([0, *starts, len(table)])]


def _are_columns(a: BBox, b: BBox) -> bool:
    shared = min(a[3], b[3]) - max(a[1], b[1])
    return a[2] <= b[0] and shared > INSIDE * min(a[3] - a[1], b[3] - b[1])


def _group_text(lines: list[BBox], others: Sequence[_Part]) -> list[_Part]:
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    texts = [*others, *(_Part(TEXT, None, union(group), tuple(group)) for group in groups)]
    wide = [part.box for part in texts if part.label in COLUMN_LABELS and _is_wide(part)]
    columns = np.asarray(wide, dtype=np.float64).reshape(-1, 4)
    return [
        _Part(label, None, union(part), tuple(part))
        for whole in groups
        for group in _split_at_gutter(whole, columns)
        for label, part in _split_heading(group)
        if part
    ]


def _is_wide(part: _Part) -> bool:
    return bool(part.lines) and part.box[2] - part.box[0] >= COLUMN_WIDTH * _line_height(part)


def _split_at_gutter(group: list[BBox], columns: Boxes) -> list[list[BBox]]:
    """The lines of a group on each side of a gutter between texts side by side, where none of them crosses it: short
    lines below both columns, as the choices of two questions, look like one row."""
    by_left, edge = sorted(group), -math.inf
    for at, line in enumerate(by_left):
        if at > 0 and edge <= line[0] and _stand_below(by_left[:at], by_left[at:], columns):
            return [part for side in (by_left[:at], by_left[at:]) for part in _split_at_gutter(side, columns)]
        edge = max(edge, line[2])
    return [group]


def _stand_below(left: Sequence[BBox], right: Sequence[BBox], columns: Boxes) -> bool:
    """Whether the lines stand below or above two texts side by side, whose gutter parts them and holds none of them."""
    x1, _, x2, _ = columns.T
    one, other = union(left), union(right)
    ends = columns[(x2 <= other[0]) & (x2 > left[-1][0]) & _share_columns(columns, one)]
    starts = columns[(x1 >= one[2]) & (x1 < min(line[2] for line in right)) & _share_columns(columns, other)]
    is_level = np.minimum(ends[:, None, 3], starts[:, 3]) > np.maximum(ends[:, None, 1], starts[:, 1])
    return bool((is_level & (ends[:, None, 2] < starts[:, 0])).any())


def _share_columns(boxes: Boxes, box: BBox) -> NDArray[np.bool_]:
    x1, _, x2, _ = boxes.T
    shared = np.minimum(x2, box[2]) - np.maximum(x1, box[0])
    result: NDArray[np.bool_] = 2 * shared > np.minimum(x2 - x1, box[2] - box[0])
    return result


def _split_heading(group: list[BBox]) -> list[tuple[str, list[BBox]]]:
    """The lines of a group by label: first rows that are set larger than those below are a heading."""
    table = [[group[i] for i in row] for row in rows(group)]
    heights = [min(_height(line) for line in row) for row in table]  # a drop cap's row holds lines of usual height, too
    usual = float(np.median(heights))
    count = next((at for at, height in enumerate(heights) if height < LARGER * usual), len(table))
    if count > MAX_HEADING_ROWS or 2 * count >= len(table):
        return [("text", group)]
    return [
        (TITLE, [line for row in table[:count] for line in row]),
        ("text", [x for row in table[count:] for x in row]),
    ]


def _relabel_number(part: _Part, lines: Sequence[BBox], height: int) -> _Part:
    """A few glyphs alone in the upper or lower margin are the page's number."""
    x1, y1, x2, y2 = part.box
    is_short = x2 - x1 <= MAX_NUMBER * (y2 - y1)
    is_outside = min(y2, height - y1) < NUMBER_MARGIN * height
    is_likely = is_short and is_outside and len(part.lines) <= 1
    if part.score is not None or not is_likely or len(lines) < MIN_PAGE_LINES:
        return part
    others = (max(other[1] - y2, y1 - other[3], other[0] - x2, x1 - other[2]) for other in lines if other != part.box)
    distance = min(others, default=0)
    return _Part("number", None, part.box, part.lines) if distance > y2 - y1 else part


def _relabel_asides(parts: list[_Part], width: int) -> list[_Part]:
    """The parts, texts that run down the outer margin of a full page as what stands beside its text: the stamp of an
    archive, the kind of a report on a coloured strip."""
    level = [line for part in parts for line in part.lines if not _runs_down(line)]
    if len(rows(level)) < MIN_FULL_ROWS:
        return parts
    left, right = (float(np.quantile([line[side] for line in level], share)) for side, share in ((0, 0.05), (2, 0.95)))

    def is_aside(part: _Part) -> bool:
        x1, _, x2, _ = part.box
        is_outside = (x2 <= left and x1 < ASIDE * width) or (x1 >= right and x2 > (1 - ASIDE) * width)
        return part.label == TEXT and is_outside and bool(part.lines) and all(map(_runs_down, part.lines))

    return [replace(part, label="aside_text") if is_aside(part) else part for part in parts]


def _runs_down(line: BBox) -> bool:
    return line[3] - line[1] >= DOWN * (line[2] - line[0])


def _promote_title(parts: list[_Part], height: int) -> list[_Part]:
    """The heading with the largest print in the upper half becomes the document's title if it stands out."""
    sizes = [_line_height(part) for part in parts if part.label == "text" and part.lines]
    titles = [part for part in parts if part.label == "paragraph_title" and part.box[1] < height / 2 and part.lines]
    if not sizes or not titles:
        return parts
    largest = max(titles, key=_line_height)
    if _line_height(largest) < 1.5 * float(np.median(sizes)):
        return parts
    title = _Part("doc_title", largest.score, largest.box, largest.lines)
    return [title if part is largest else part for part in parts]


def _line_height(part: _Part) -> float:
    return float(np.median([line[3] - line[1] for line in part.lines]))


def _order_parts(parts: list[_Part], width: int, height: int) -> list[Region]:
    feet, rest = _find_feet(parts, height)
    parts = [*sorted(rest, key=lambda part: not _is_page(part, width * height)), *feet]
    pages, end = sum(_is_page(part, width * height) for part in rest), len(rest)
    text = (pages + index for index in reading_order([part.box for part in parts[pages:end]]))
    order = [*range(pages), *text, *range(end, len(parts))]
    boxes = [_trim_box(_pad_box(part, width, height), at, parts) for at, part in enumerate(parts)]
    return [
        Region(parts[at].label, boxes[at], place, parts[at].score, _outline(parts[at], parts))
        for place, at in enumerate(order, start=1)
    ]


def _trim_box(box: BBox, at: int, parts: Sequence[_Part]) -> BBox:
    """The box of a part up to half-way to the rows of others above and below it, which would else be read twice."""
    own = parts[at].lines
    if not own or parts[at].label in {PICTURE, TABLE, FORMULA}:
        return box
    others = [other.lines for place, other in enumerate(parts) if place != at and other.label != PICTURE]
    x1, top, x2, bottom = union(own)
    foreign = np.asarray([line for lines in others for line in lines], dtype=np.float64).reshape(-1, 4)
    foreign = foreign[_share_columns(foreign, (x1, top, x2, bottom))]
    middle = foreign[:, [1, 3]].mean(axis=1)
    first, last = min(map(_middle, own)), max(map(_middle, own))
    above = foreign[(middle < top) & (foreign[:, 3] < first), 3]
    below = foreign[(middle > bottom) & (foreign[:, 1] > last), 1]
    y1 = max([box[1], *((top + above) / 2).astype(int).tolist()])
    y2 = min([box[3], *((bottom + below) / 2).astype(int).tolist()])
    return box[0], y1, box[2], y2


def _find_feet(parts: Sequence[_Part], height: int) -> tuple[list[_Part], list[_Part]]:
    """Single rows in the lower margin that white space parts from all else, row by row, and the other parts.

    They are no end of the column above them, and are read last.
    """
    feet = [part for part in parts if _is_foot(part, height)]
    rest = [part for part in parts if not _is_foot(part, height)]
    bottom = max((part.box[3] for part in rest), default=0)
    if not all(part.box[1] - bottom > FOOT_GAP * _line_height(part) for part in feet):
        return [], list(parts)
    return [feet[index] for row in rows([part.box for part in feet]) for index in row], rest


def _is_foot(part: _Part, height: int) -> bool:
    return part.box[1] >= (1 - NUMBER_MARGIN) * height and len(rows(part.lines)) == 1


def _is_page(part: _Part, page_area: int) -> bool:
    """Whether the part is a picture that is the page. It comes first: what is printed in it is not beside it."""
    return part.label == PICTURE and area(part.box) >= PAGE_PICTURE * page_area


def _outline(part: _Part, parts: list[_Part]) -> Polygon | None:
    """Steps around the part's rows where its box holds text of another part, which would else be read twice."""
    foreign = (line for other in parts if other is not part for line in other.lines)
    if part.label in {PICTURE, TABLE, FORMULA} or not any(_is_mostly_inside(line, part.box) for line in foreign):
        return None
    margin = round(PADDING * _line_height(part)) + 1
    bands = _bands([union([part.lines[i] for i in row]) for row in rows(part.lines)], margin)
    right = [(x, y) for _, top, edge, bottom in bands for x, y in ((edge, top), (edge, bottom))]
    left = [(x, y) for edge, top, _, bottom in bands for x, y in ((edge, top), (edge, bottom))]
    return tuple((max(0, x), max(0, y)) for x, y in [*right, *reversed(left)])


def _bands(boxes: list[BBox], margin: int) -> list[BBox]:
    """Rows of text as bands that meet half-way between the rows, widened by `margin`."""
    tops = [boxes[0][1] - margin, *((above[3] + below[1]) // 2 for above, below in pairwise(boxes))]
    bottoms = [*tops[1:], boxes[-1][3] + margin]
    return [
        (x1 - margin, top, x2 + margin, bottom)
        for (x1, _, x2, _), top, bottom in zip(boxes, tops, bottoms, strict=True)
    ]


def _is_mostly_inside(line: BBox, box: BBox) -> bool:
    return intersection_area(line, box) > INSIDE * area(line)


def _pad_box(part: _Part, width: int, height: int) -> BBox:
    margin = round(PADDING * _line_height(part)) + 1 if part.lines else 0
    x1, y1, x2, y2 = part.box
    return clip((x1 - margin, y1 - margin, x2 + margin, y2 + margin), width, height)


def assign_lines(lines: Sequence[BBox], detections: list[Detection]) -> list[int | None]:
    """Index of its detection for each line; None where no detection holds it."""
    return _assign_row_labels([_find_owner(line, detections) for line in lines], detections, lines)


def _find_owner(line: BBox, detections: list[Detection]) -> int | None:
    """The detection that holds the line; of several that hold nearly as much of it the smallest."""
    shares = [
        intersection_area(line, detection.box) if contains_line(detection, line) else 0.0 for detection in detections
    ]
    best = max(shares, default=0.0)
    holders = [index for index, share in enumerate(shares) if share > 0 and share >= AS_MUCH * best]
    return min(holders, key=lambda index: area(detections[index].box), default=None)


def _assign_row_labels(
    owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]
) -> list[int | None]:
    """Owners of the lines; tables own what stands free beside them in their rows too: the model cuts columns off."""
    result = list(owners)
    for table in (index for index, detection in enumerate(detections) if detection.label == TABLE):
        own = [line for line, owner in zip(lines, owners, strict=True) if owner == table]
        for candidates in _find_candidates(owners, detections):
            for index in _find_row_labels(own, candidates, lines):
                result[index] = table
    return result


def _find_candidates(owners: list[int | None], detections: list[Detection]) -> list[list[int]]:
    """Lines that may be labels of rows: those without an owner, and those of each block of running text."""
    texts = [None, *(index for index, detection in enumerate(detections) if detection.label == "text")]
    return [[index for index, owner in enumerate(owners) if owner == text] for text in texts]


def _find_row_labels(own: list[BBox], free: list[int], lines: Sequence[BBox]) -> list[int]:
    """Free lines that complete the rows of a table's own lines; none if they look like other text beside it."""
    if not own:
        return []
    top, bottom = union(own)[1], union(own)[3]
    centres = [_middle(union([own[i] for i in row])) for row in rows(own)]
    beside = [i for i in free if top <= _middle(lines[i]) <= bottom]
    in_rows = [i for i in beside if min(abs(_middle(lines[i]) - c) for c in centres) < _height(lines[i]) / 4]
    complete = len(in_rows) >= max(2, IN_ROWS * len(beside), BESIDE * len(centres))
    return in_rows if complete and not _ends_column([lines[i] for i in in_rows], union(own), lines) else []


def _ends_column(labels: Sequence[BBox], table: BBox, lines: Sequence[BBox]) -> bool:
    """Whether what stands beside a table is the end of a column of text that begins above it and goes on."""
    own, height = union(labels), float(np.median([_height(line) for line in labels]))
    reach, gap = COLUMN_REACH * height, CONTINUED * height
    above = [
        line
        for line in lines
        if own[1] - reach < _middle(line) < own[1] and _shares_columns(line, own)
        and (line[2] <= table[0] or line[0] >= table[2])
    ]  # fmt: skip
    return len(rows(above)) >= MIN_COLUMN_ROWS and own[1] - max(line[3] for line in above) <= gap


def _middle(line: BBox) -> float:
    return (line[1] + line[3]) / 2


def _height(line: BBox) -> int:
    return line[3] - line[1]
