"""Parts of a page on their way to regions, and those of one text, which the models have cut, joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from common.geometry import intersection_area, union
from gateway.layout.bundled.plausibility import (
    PICTURE,
    TEXT,
)
from gateway.model import BBox
from textlines.paragraphs import rows

MUCH_WIDER = 1.6
"""A row that reaches so much farther than all above it is prose below a listing."""
WRAPPED_GAP, SAME_PITCH, SINGLE_PITCH = 0.6, 1.15, 1.3
"""Widest space between two rows of a paragraph that was cut, in line heights; their pitch beside the usual one's, or
beside the line height where there are no others ..."""
WRAPPED_EDGE, WRAPPED_WIDTH = 2.0, 10.0
"""... how far the upper one may end from the right edge, and its least width, in line heights."""
RAGGED, RAGGED_MARGIN = 0.3, 0.12  # share of rows that are indented, at least, or end near the right edge, at most
MIN_RAGGED_ROWS, MAX_RAGGED_PITCH, HEIGHTS_ALIKE = 4, 2.3, 0.75  # a blank line may stand between the two parts


@dataclass(frozen=True, slots=True)
class Part:
    """A region before it has its place in the order; `lines` are its text lines."""

    label: str
    score: float | None
    box: BBox
    lines: tuple[BBox, ...]


def join_ragged(parts: Sequence[Part]) -> list[Part]:
    """The parts, those of one text joined that stand below each other where its rows are indented, as in a listing."""
    return _join_below(parts, _goes_on)


def _join_below(parts: Sequence[Part], is_one: Callable[[Part, Part, Sequence[Part]], bool]) -> list[Part]:
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
        result[at] = Part(TEXT, upper.score, union([upper.box, lower.box]), lines)
    return result


def _list_below(parts: Sequence[Part], at: int) -> Iterator[int]:
    """Places of the parts, which are sorted, that are near enough below one; none where that is no text."""
    if parts[at].label == TEXT and parts[at].lines:
        _, top, _, bottom = parts[at].box
        reach = bottom + MAX_RAGGED_PITCH * (bottom - top)
        for index in range(at + 1, len(parts)):
            if parts[index].box[1] > reach:
                return
            yield index


def _goes_on(upper: Part, lower: Part, parts: Sequence[Part]) -> bool:
    if lower.label != TEXT or len(upper.lines) < MIN_RAGGED_ROWS or not lower.lines:
        return False
    if not _may_stand_below(upper.box, lower.box):
        return False
    table = [union([upper.lines[i] for i in row]) for row in rows(upper.lines)]
    pitch = float(np.median(np.diff([find_middle(row) for row in table]))) if len(table) > 1 else 0.0
    first = union([lower.lines[i] for i in rows(lower.lines)[0]])
    is_next = 0 < find_middle(first) - find_middle(table[-1]) <= MAX_RAGGED_PITCH * pitch
    is_alike = HEIGHTS_ALIKE * line_height(upper) <= line_height(lower) <= line_height(upper) / HEIGHTS_ALIKE
    is_below = upper.box[0] - pitch / 2 < lower.box[0] < upper.box[2]
    is_wider = first[2] - upper.box[0] > MUCH_WIDER * (upper.box[2] - upper.box[0])
    if not (is_next and is_alike and is_below) or is_wider:
        return False
    together = union([upper.box, lower.box])
    others = [part for part in parts if part is not upper and part is not lower]
    return _is_ragged([*upper.lines, *lower.lines]) and not any(
        intersection_area(part.box, together) > 0 for part in others if part.label != PICTURE
    )


def join_wrapped(parts: Sequence[Part]) -> list[Part]:
    """The parts, those of one paragraph joined that a model has cut between two rows, the upper of which is full."""
    return _join_below(parts, _is_wrapped)


def _is_wrapped(upper: Part, lower: Part, parts: Sequence[Part]) -> bool:
    if lower.label != TEXT or not lower.lines or abs(upper.box[0] - lower.box[0]) > measure_height(upper.lines[0]):
        return False
    height = min(line_height(upper), line_height(lower))
    gap = lower.box[1] - upper.box[3]
    if not -height / 2 < gap < WRAPPED_GAP * height or abs(upper.box[0] - lower.box[0]) > height / 2:
        return False
    above, below = ([union([part.lines[i] for i in row]) for row in rows(part.lines)] for part in (upper, lower))
    pitch = find_middle(below[0]) - find_middle(above[-1])
    usual = [find_middle(b) - find_middle(a) for own in (above, below) for a, b in pairwise(own)]
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
    height = float(np.median([measure_height(row) for row in table]))
    indented = sum(row[0] - left > height for row in table)
    full = sum(right - row[2] < RAGGED_MARGIN * (right - left) for row in table)
    return indented >= RAGGED * len(table) and full <= RAGGED * len(table)


def join_enclosed(parts: Sequence[Part]) -> list[Part]:
    """The parts, but for texts whose lines stand between those of another text in the same columns: the model has found
    them a second time, and they are the other one's."""
    kept: dict[int, Part] = {}
    for index in sorted(range(len(parts)), key=lambda index: -len(parts[index].lines)):
        part = parts[index]
        outer = next((at for at, other in kept.items() if _encloses(other, part)), None)
        if outer is None:
            kept[index] = part
        else:
            box, lines = union([kept[outer].box, part.box]), (*kept[outer].lines, *part.lines)
            kept[outer] = replace(kept[outer], box=box, lines=lines)
    return [kept[index] for index in sorted(kept)]


def _encloses(outer: Part, inner: Part) -> bool:
    if outer.label != TEXT or inner.label != TEXT or not inner.lines:
        return False
    own = union(inner.lines)
    column = [line for line in outer.lines if share_columns(line, own)]
    return any(find_middle(line) < own[1] for line in column) and any(find_middle(line) > own[3] for line in column)


def share_columns(a: BBox, b: BBox) -> bool:
    return 2 * (min(a[2], b[2]) - max(a[0], b[0])) > min(a[2] - a[0], b[2] - b[0])


def line_height(part: Part) -> float:
    return float(np.median([line[3] - line[1] for line in part.lines]))


def find_middle(line: BBox) -> float:
    return (line[1] + line[3]) / 2


def measure_height(line: BBox) -> int:
    return line[3] - line[1]
