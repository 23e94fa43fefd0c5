"""Which detection holds each text line of a page, and which lines are none of those that they stand in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from common.geometry import area, intersection_area, union
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import (
    PICTURE,
    TABLE,
    TEXT,
    TITLE,
    contains_line,
    find_lines,
)
from gateway.layout.bundled.region_parts import find_middle, measure_height, share_columns
from gateway.model import BBox
from textlines.paragraphs import find_labelled, rows

PAGE_PICTURE = 0.4  # share of the page from which a picture is the page: a screenshot, a poster, a receipt on a table
WORDS = 4.0  # a line in a smaller picture is text, not one of a chart's numbers, if it is so many times as wide as high
LABEL, LABELLED = 2.2, 0.7  # a short word is so many times as wide as high; share of a picture's lines that are as long
IN_ROWS = 0.7  # share of the free lines beside a table that stand in its rows if they are its labels ...
BESIDE = 0.4  # ... and so many for each row of the table ...
COLUMN_REACH, MIN_COLUMN_ROWS = 4.0, 2
"""... with fewer rows of text, so near above, in line heights: else a column ends."""
MAX_TRIMMED = 500  # lines of a table that is looked at for text beside it
CONTINUED, LEVEL = 0.5, 0.8
"""White space in a column that goes on beside a table; share of rows that are level if it is its."""
BESIDE_ROW, EXACTLY = 0.25, 0.125
"""From the middle of a line to that of one beside it, in its heights."""
AS_MUCH = 0.9  # share of the most that a detection holds of a line, from which on another one holds as much
SMALLER = 0.62  # height of a line beside the largest of its heading from which on it is none of it
RUNNING_LABELS = frozenset({TEXT, "reference_content"})


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
    centres = [find_middle(union([own[i] for i in row])) for row in rows(own)]
    beside = [i for i in free if top <= find_middle(lines[i]) <= bottom]
    in_rows = [i for i in beside if min(abs(find_middle(lines[i]) - c) for c in centres) < measure_height(lines[i]) / 4]
    complete = len(in_rows) >= max(2, IN_ROWS * len(beside), BESIDE * len(centres))
    return in_rows if complete and not _ends_column([lines[i] for i in in_rows], union(own), lines) else []


def _ends_column(labels: Sequence[BBox], table: BBox, lines: Sequence[BBox]) -> bool:
    """Whether what stands beside a table is the end of a column of text that begins above it and goes on."""
    own, height = union(labels), float(np.median([measure_height(line) for line in labels]))
    reach, gap = COLUMN_REACH * height, CONTINUED * height
    above = [
        line
        for line in lines
        if own[1] - reach < find_middle(line) < own[1] and share_columns(line, own)
        and (line[2] <= table[0] or line[0] >= table[2])
    ]  # fmt: skip
    return len(rows(above)) >= MIN_COLUMN_ROWS and own[1] - max(line[3] for line in above) <= gap


def free_printed(
    owners: list[int | None], detections: list[Detection], lines: Sequence[BBox], page_area: int
) -> list[int | None]:
    """The owners without pictures, where the lines in those are text: of a picture that is most of the page all lines,
    of a smaller one those that are words, and all where most are, or nearly all longer than a chart's numbers."""
    result = list(owners)
    for index, detection in enumerate(detections):
        if detection.label != PICTURE:
            continue
        own = [at for at, owner in enumerate(owners) if owner == index]
        words = [at for at in own if lines[at][2] - lines[at][0] >= WORDS * measure_height(lines[at])]
        labels = [at for at in own if lines[at][2] - lines[at][0] >= LABEL * measure_height(lines[at])]
        is_labelled = bool(words) and len(labels) >= LABELLED * len(own)
        is_whole = area(detection.box) >= PAGE_PICTURE * page_area or 2 * len(words) > len(own) or is_labelled
        for at in own if is_whole else words:
            result[at] = None
    return result


def free_smaller(owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]) -> list[int | None]:
    """The owners without headings where a line is much smaller than the heading's largest and below it: the model's box
    reaches into the text there."""
    result = list(owners)
    for index, detection in enumerate(detections):
        if detection.label != TITLE:
            continue
        own = [at for at, owner in enumerate(owners) if owner == index]
        largest = max((measure_height(lines[at]) for at in own), default=0)
        small = [at for at in own if measure_height(lines[at]) < SMALLER * largest]
        bottom = max((lines[at][3] for at in own if at not in small), default=0)
        for at in small:
            if find_middle(lines[at]) > bottom:
                result[at] = None
    return result


def free_labelled(owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]) -> list[int | None]:
    """The owners without texts where the lines are those of a listing with numbers, which models cut in pieces."""
    result = list(owners)
    for group in find_labelled(lines):
        for at in group:
            owner = result[at]
            if owner is not None and detections[owner].label in RUNNING_LABELS:
                result[at] = None
    return result


def trim_table(detection: Detection, lines: Sequence[BBox]) -> Detection:
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
    """Whether most lines of a side stand exactly in rows of the rest, or most rows of the rest beside lines of the side.

    Not both: a description that is wrapped has more lines than its item has prices, and a group's name has several
    rows. In rows that are close any line is nearly level with one."""
    one, other = (np.asarray([(find_middle(line), measure_height(line)) for line in group]) for group in (side, rest))
    offsets = np.abs(one[:, None, 0] - other[None, :, 0]) / one[:, None, 1]
    is_beside = (offsets < BESIDE_ROW).any(axis=0)
    beside = [bool(is_beside[row].any()) for row in rows(rest)]
    return bool(max((offsets < EXACTLY).any(axis=1).mean(), np.mean(beside)) >= LEVEL)


def _part_edges(lines: Sequence[BBox]) -> Iterator[tuple[list[BBox], list[BBox]]]:
    """The lines on the left of each gutter with those on its right, and the other way about: `side`, `rest`."""
    by_left, edge = sorted(lines), -math.inf
    for at, line in enumerate(by_left):
        if at > 0 and line[0] - edge >= measure_height(line) / 2:
            yield by_left[:at], by_left[at:]
            yield by_left[at:], by_left[:at]
        edge = max(edge, line[2])
