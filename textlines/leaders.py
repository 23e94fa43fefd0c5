"""Rows of dots that lead from one text to another, as in a table of contents, and the lines that they make of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from common.geometry import Box
from textlines.glyphs import ALIKE, DOT, MIN_GLYPH, Components, Ink, are_glyphs, find_components

if TYPE_CHECKING:
    from textlines.detection import TextLine

DOT_PITCH = 1.6
"""In glyph heights, the next dot is at most so far off ..."""
LEADER = 4.0
"""... and they go on for so long."""
SOLID, SAME_DOT, DOTTED = 0.65, 0.5, 0.8
"""Share of its box that a dot fills, by which share of the usual one its size is off at most, and the share of a
leader's pieces that are such dots: beside large print, letters of a small line are as small as dots."""
LEADER_GAP = 3.0
"""White space between a leader and the text at its ends, in glyph heights, at most."""
LEADER_END = 8.0
"""What stands behind a leader ends so many glyph heights after it: a page's number, a price."""
MIN_LENGTH, MAX_SLOPE = 2.5, 0.6
"""A line so many times as long as high tells the slope of the lines, unless it is steeper."""
SAME_ROW = 0.25
"""By so many of their heights, bottoms of lines that a leader may start from differ at most."""
LEVEL = 0.5
"""Lines that rise by less, in glyph heights, over the whole picture are level."""


@dataclass(frozen=True, slots=True)
class Leader:
    """A row of dots that leads from one text to another, as in a table of contents: from the first dot to the last.

    `end`: where the print behind them ends, `right` where there is none. `slope`: how much the dots fall for each pixel
    to the right.
    """

    left: int
    top: int
    right: int
    bottom: int
    end: int
    slope: float


def find_leaders(ink: Ink) -> list[Leader]:
    if not ink.height:
        return []
    width, height, area = ink.components.T[2:]
    are_dots = np.maximum(width, height) <= max(DOT * ink.height, 2)
    dots = ink.components[are_dots & (area >= 2)]
    glyphs = ink.components[are_glyphs(ink.components, *ink.size) & ~are_dots]
    runs = _dot_runs(dots, ink) if len(dots) * DOT_PITCH >= LEADER else []
    found = [(run, _find_inside(run, dots)) for run in runs if not _holds_print(run, glyphs, ink.height)]
    return [_leader(run, own, glyphs, ink.height) for run, own in found if _are_dots(own)]


def _dot_runs(dots: Components, ink: Ink) -> list[Box]:
    marks = np.zeros(ink.size, dtype=np.uint8)
    for x, y, width, height, _ in dots:
        marks[y : y + height, x : x + width] = 1
    pitch, length = max(3, round(DOT_PITCH * ink.height)), max(5, round(LEADER * ink.height))
    closed = cv2.morphologyEx(marks, cv2.MORPH_CLOSE, np.ones((1, pitch), np.uint8))
    runs = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, length), np.uint8))
    grown = np.asarray(cv2.dilate(runs, np.ones((3, 3), np.uint8)), dtype=np.uint8)
    return [(x, y, x + width, y + height) for x, y, width, height, _ in find_components(grown).tolist()]


def _find_inside(run: Box, dots: Components) -> Components:
    x, y = dots[:, 0] + dots[:, 2] / 2, dots[:, 1] + dots[:, 3] / 2
    inside: Components = dots[(x > run[0]) & (x < run[2]) & (y > run[1]) & (y < run[3])]
    return inside


def _are_dots(pieces: Components) -> bool:
    """Whether the pieces of a run are solid and alike, as letters are not. Pieces too small for letters are dots."""
    _, _, width, height, area = pieces.T
    size = np.maximum(width, height)
    usual = float(np.median(size)) if len(size) else 0.0
    is_solid = (area >= SOLID * width * height) & (size <= 2 * np.minimum(width, height))
    is_dot = ((is_solid & (np.abs(size - usual) <= SAME_DOT * usual)) | (size < MIN_GLYPH)).astype(np.float64)
    return bool(len(size)) and float(is_dot.mean()) >= DOTTED


def _holds_print(run: Box, glyphs: Components, height: float) -> bool:
    """Whether glyphs stand above the dots: they are a dotted rule under a row then, or dots of the glyphs. What is no
    higher than a dot is two of them that touch."""
    glyphs = glyphs[glyphs[:, 3] > DOT * height]
    x, y = glyphs[:, 0] + glyphs[:, 2] / 2, glyphs[:, 1] + glyphs[:, 3] / 2
    over = (
        (x > run[0] + height / 2) & (x < run[2] - height / 2) & (y > run[1] - 1.2 * height) & (y < run[3] + height / 3)
    )
    return bool(over.any())


def _leader(run: Box, dots: Components, glyphs: Components, height: float) -> Leader:
    bottom = glyphs[:, 1] + glyphs[:, 3]
    level = (bottom > run[1] - height / 2) & (bottom < run[3] + height / 2) & (glyphs[:, 3] < ALIKE[1] * height)
    end = run[2]
    for x, _, width, _, _ in sorted(glyphs[level & (glyphs[:, 0] >= run[2] - 2)].tolist()):
        if x > end + LEADER_GAP * height or x + width > run[2] + LEADER_END * height:
            break
        end = x + width
    middles = dots[:, :2] + dots[:, 2:4] / 2
    x, y = (middles - middles.mean(axis=0)).T
    return Leader(*run, end=end, slope=float((x * y).sum() / max((x * x).sum(), 1.0)))


def join_at_leaders(lines: Sequence[TextLine], ink: Ink) -> list[TextLine]:
    """The lines with each that a leader starts from drawn out to its end, in the place of what stands there.

    They run along the slope of the dots: what stands at the ends of a leader is too short to tell its own.
    """
    slope = _limit_slope(_find_slope(lines), ink)
    leaders = find_leaders(_make_level(ink, slope))
    if not leaders:
        return list(lines)
    rest = float(np.median([leader.slope for leader in leaders]))
    if _limit_slope(rest, ink):
        slope = _limit_slope(slope + rest, ink)
        leaders = find_leaders(_make_level(ink, slope))
    level = [_shear(line, -slope) for line in lines]
    top = _top_of_level(ink, slope)
    for leader in leaders:
        level = _join_at(
            level, replace(leader, top=leader.top - top, bottom=leader.bottom - top), LEADER_GAP * ink.height
        )
    return [_shear(line, slope) for line in level]


def _limit_slope(slope: float, ink: Ink) -> float:
    """The slope, or 0 where it is too small to matter in the picture."""
    return slope if abs(slope) * ink.size[1] > LEVEL * ink.height else 0.0


def _find_slope(lines: Sequence[TextLine]) -> float:
    """How much the lines fall for each pixel to the right: the median, in which the longer ones weigh more."""
    runs = [((line.quad[1] - line.quad[0]) + (line.quad[2] - line.quad[3])) / 2 for line in lines]
    heights = [float(np.abs(line.quad[3:1:-1, 1] - line.quad[:2, 1]).mean()) for line in lines]
    long = [
        (float(y / x), float(x))
        for (x, y), height in zip(runs, heights, strict=True)
        if x >= MIN_LENGTH * max(height, 1.0) and abs(y) <= MAX_SLOPE * x
    ]
    half, passed = sum(length for _, length in long) / 2, 0.0
    for slope, length in sorted(long):
        passed += length
        if passed >= half:
            return slope
    return 0.0


def _top_of_level(ink: Ink, slope: float) -> int:
    """How far above the picture its ink may come to stand when it is made level."""
    return max(0, math.ceil(slope * ink.size[1]))


def _make_level(ink: Ink, slope: float) -> Ink:
    """The ink where it would stand if lines of that slope were level, below what it takes above the picture."""
    if not slope:
        return ink
    components = ink.components.copy()
    middles = components[:, 0] + components[:, 2] / 2
    components[:, 1] += np.round(_top_of_level(ink, slope) - slope * middles).astype(np.int32)
    rows, columns = ink.size
    return Ink(components, ink.height, (rows + math.ceil(abs(slope) * columns) + 1, columns))


def _shear(line: TextLine, slope: float) -> TextLine:
    """The line on a page whose points on the right are moved down by `slope` for each pixel."""
    if not slope:
        return line
    quad = line.quad.copy()
    quad[:, 1] += np.float32(slope) * quad[:, 0]
    return replace(line, quad=quad)


def _join_at(lines: list[TextLine], leader: Leader, gap: float) -> list[TextLine]:
    """The level lines with the one that a leader starts from drawn out to its end, in place of what stands there."""
    row = [line for line in lines if _holds_row(line.box, (leader.top + leader.bottom) / 2)]
    row = [line for line in row if (line.box[0] + line.box[2]) / 2 < leader.end]
    starts = [line for line in row if line.box[0] < leader.left and leader.left - gap < line.box[2]]
    if not starts:
        return lines
    start = min(_keep_level(starts, (leader.top + leader.bottom) / 2), key=lambda line: line.box[0])
    own = [line for line in row if start.box[0] <= line.box[0] and _share_row(start, line)]
    last = max(own, key=lambda line: line.box[2])
    left, right = start.box[0], max(leader.end + gap / 10, float(last.box[2]))
    ends = [_measure_level(line) for line in (start, last)]
    top, bottom = min(end[0] for end in ends), max(end[1] for end in ends)
    quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float32)
    dots = (leader.left - left) / (right - left), (leader.right - left) / (right - left)
    return [
        *(line for line in lines if all(line is not other for other in own)),
        replace(start, quad=quad, leader=dots),
    ]


def _keep_level(lines: Sequence[TextLine], y: float) -> list[TextLine]:
    """Those of the lines whose bottoms are nearest to the dots: where rows stand close, boxes reach into the next."""
    offs = [abs(_measure_level(line)[1] - y) for line in lines]
    rooms = [SAME_ROW * (line.box[3] - line.box[1]) for line in lines]
    return [line for line, off, room in zip(lines, offs, rooms, strict=True) if off <= min(offs) + room]


def _share_row(first: TextLine, second: TextLine) -> bool:
    """Whether the middle of the second line is off the first one's by less than half the first one's height."""
    top, bottom = _measure_level(first)
    return abs(sum(_measure_level(second)) - top - bottom) < bottom - top


def _measure_level(line: TextLine) -> tuple[float, float]:
    """Top and bottom of a line that is level, whatever the model's box says of it."""
    return float(line.quad[:2, 1].mean()), float(line.quad[2:, 1].mean())


def _holds_row(box: Box, y: float) -> bool:
    return box[1] < y < box[3] + (box[3] - box[1]) / 4
