"""The frame in which a page's lines run from left to right and its rows from top to bottom.

Pages lie turned by some degrees on a scanner's glass, and photos show them in perspective: there the upright box of a
line holds parts of its neighbours, and rows from such boxes are torn apart. Chinese and Japanese run down the page in
columns from right to left. In a frame along the lines' own direction all of them are read by the same rules.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, area, intersection_area
from textlines.detection import Pixels, Quad, TextLine
from textlines.fractions import level_box

Points = NDArray[np.float64]
"""Shape (n, 2): x, y."""

MIN_LENGTH = 2.5
"""A line that is fewer times as long as thick tells no direction: a word, a number, a single glyph."""
LARGE, MIN_LARGE_LENGTH = 2.0, 1.08
"""In print so many times as large as the others a few letters, so many times as long as high, tell it too."""
MIN_SHORT_LENGTH, SHORT_TURN = 1.4, 0.2
"""Beside slanted lines, one of so many times its thickness that is turned by up to 11 degrees from them is one too."""
MIN_DRIFT = 0.3
"""Lines are level while none of them rises or falls by more than this share of its thickness from end to end."""
MAX_SLOPE = 0.6
"""Beyond 31 degrees a page is not held by its lines' slope."""
MAX_DEVIATION = 0.12
"""A line whose slope differs by more from that of the others, 7 degrees, is slanted: a watermark, a stamp."""
UNDER = 0.05
"""Share of a slanted line's upright box that other lines take from which it lies over them."""
UNDER_HEAD, NEXT_HEAD = 0.1, 0.5
"""The share of a line itself that others may take where it is one of several heads that stand beside each other: loose
boxes touch it; and the white space between their boxes, in the lines' thickness."""
MIN_REPEATED, SPREAD = 3, 0.3
"""So many slanted lines that run alike are one watermark, repeated, where they reach over that share of the text's
width and height: the slanted labels of a chart stand in one row."""
MIN_REPEATED_BESIDE = 6
"""So many of them tell it where none lies over a line, as where the text takes a part of the page."""
PIECE_TURN = 0.4
"""A piece of it, which a line of text crosses, is turned by up to 23 degrees from the whole."""
LOST = 0.5
"""So much of what an upright box around an inclined block holds beyond it is taken off; models' boxes are not exact."""
MIN_LINES = 6
"""From so many lines on their slopes tell perspective too, which changes them over the page."""
RIDGE = 0.02
"""Holds the change of the slope over the page back where few or short lines tell it."""
STEPS = 4
"""A line is followed to the page's middle in so many steps."""


@dataclass(frozen=True, slots=True)
class ReadingFrame:
    """Maps points of a picture of `width` pixels to the frame and back.

    `slope`: how much lines fall for each pixel to the right at the `centre`, and how much that changes for each pixel
    to the right and down. `is_vertical`: columns are read from right to left; slopes are those of the columns, turned.
    """

    width: float
    is_vertical: bool = False
    slope: tuple[float, float, float] = (0.0, 0.0, 0.0)
    centre: tuple[float, float] = (0.0, 0.0)

    @property
    def is_level(self) -> bool:
        return self.slope == (0.0, 0.0, 0.0)

    @property
    def is_upright(self) -> bool:
        return self.is_level and not self.is_vertical

    def map_box(self, line: TextLine) -> Box:
        """The line's box in the frame; a fraction's is as high as the text beside it."""
        box = self.map_whole(line)
        return level_box(box, line.bar) if line.bar and not self.is_vertical else box

    def map_whole(self, line: TextLine) -> Box:
        """The line's box in the frame, with all of a fraction."""
        if self.is_upright:
            return line.box
        if self.is_level:
            return _bounds(self.turn(line.quad.astype(np.float64)))
        start, end, half = line_axis(self.turn(line.quad.astype(np.float64)))
        (x1, y1), (x2, y2) = self._flatten(np.array([start, end]))
        half = max(half, abs(y2 - y1) / 2 - half, 0.5)
        y = (y1 + y2) / 2
        return math.floor(min(x1, x2)), math.floor(y - half), math.ceil(max(x1, x2)), math.ceil(y + half)

    def map_rectangle(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """The rectangle in the frame, or a little more, whose upright box on the page is `box`."""
        if self.is_upright:
            return box
        points = self.turn(np.array([(box[0], box[1]), (box[2], box[3])], dtype=np.float64))
        (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
        if self.is_level:
            return x1, y1, x2, y2
        ((x, y),) = self._flatten(np.array([((x1 + x2) / 2, (y1 + y2) / 2)]))
        lost = abs(self.slope_at(np.array([((x1 + x2) / 2, (y1 + y2) / 2)]))[0])
        width, height = x2 - x1, y2 - y1
        half_width = max(width - LOST * lost * height, width / 2) / 2
        half_height = max(height - LOST * lost * width, height / 4) / 2
        return x - half_width, y - half_height, x + half_width, y + half_height

    def restore(self, points: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
        """Points of the frame on the page."""
        raised = self._raise(np.asarray(points, dtype=np.float64))
        restored = np.stack([self.width - raised[:, 1], raised[:, 0]], axis=1) if self.is_vertical else raised
        return [(round(x), round(y)) for x, y in restored.tolist()]

    def straighten(self, pixels: Pixels) -> Pixels:
        """The page's picture with its lines level, in which boxes of the frame stand; of the same size, and white where
        the page ends."""
        height, width = pixels.shape[:2]
        corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], dtype=np.float32)
        places = np.array(self.restore(corners.tolist()), dtype=np.float32)
        to_page = cv2.getPerspectiveTransform(corners, places)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        level = cv2.warpPerspective(pixels, to_page, (width, height), flags=flags, borderValue=(255, 255, 255))
        return np.asarray(level, dtype=np.uint8)

    def turn(self, points: Points) -> Points:
        return np.stack([points[:, 1], self.width - points[:, 0]], axis=1) if self.is_vertical else points

    def slope_at(self, points: Points) -> NDArray[np.float64]:
        slope, right, down = self.slope
        result: NDArray[np.float64] = (
            slope + right * (points[:, 0] - self.centre[0]) + down * (points[:, 1] - self.centre[1])
        )
        return result

    def _flatten(self, points: Points) -> Points:
        flat = self._follow(points, np.full(len(points), self.centre[0]))
        shift = self.slope[0] * (flat[:, 1] - self.centre[1])
        return np.stack([points[:, 0] + shift, flat[:, 1]], axis=1)

    def _raise(self, points: Points) -> Points:
        x = points[:, 0] - self.slope[0] * (points[:, 1] - self.centre[1])
        return self._follow(np.stack([np.full(len(points), self.centre[0]), points[:, 1]], axis=1), x)

    def _follow(self, points: Points, x: NDArray[np.float64]) -> Points:
        """Where lines through the points are at `x`."""
        if self.is_level:
            return np.stack([x, points[:, 1]], axis=1)
        result, step = points.copy(), (x - points[:, 0]) / STEPS
        for _ in range(STEPS):
            middle = result + np.stack([step / 2, self.slope_at(result) * step / 2], axis=1)
            result = result + np.stack([step, self.slope_at(middle) * step], axis=1)
        return result


def find_frame(lines: Sequence[TextLine], width: int, height: int) -> ReadingFrame:
    """The frame of a picture of `width` x `height` pixels with these lines."""
    frame = ReadingFrame(width, is_vertical=_are_vertical(lines))
    size = (height, width) if frame.is_vertical else (width, height)
    axes = [line_axis(frame.turn(line.quad.astype(np.float64))) for line in lines]
    long = [axis for axis in axes if _is_long(axis) and abs(_slope(axis)) <= MAX_SLOPE]
    usual = _usual_slope(long)
    own = [axis for axis in long if abs(_slope(axis) - usual) <= MAX_DEVIATION]
    if not own:
        return frame
    centre = (size[0] / 2, size[1] / 2)
    inclined = ReadingFrame(width, frame.is_vertical, _fit(own, usual, centre), centre)
    return inclined if _drift(own, inclined) > MIN_DRIFT else frame


def find_watermarks(lines: Sequence[TextLine], frame: ReadingFrame) -> set[int]:
    """Indices of the slanted lines whose upright boxes hold other lines: they are no part of the text around them, but
    for heads of a table's columns. Of a watermark that is repeated all over the page, those too that stand between or
    below the lines, and pieces of it."""
    slanted = find_slanted(lines, frame)
    others = [line.box for index, line in enumerate(lines) if index not in slanted]
    over = {index for index in slanted if _lies_over(lines[index].box, others)}
    if over:
        over -= _find_heads(lines, slanted, others)
    first = over or (slanted if len(slanted) >= MIN_REPEATED_BESIDE else over)
    return over | _find_repeated(lines, first, slanted, frame) if first else over


def _find_repeated(lines: Sequence[TextLine], over: set[int], slanted: set[int], frame: ReadingFrame) -> set[int]:
    angles = np.array([_angle(line) for line in lines])
    usual = float(np.median(angles[sorted(over)]))
    turn = np.abs((angles - usual + math.pi / 2) % math.pi - math.pi / 2)
    middles = np.array([line.quad.mean(axis=0) for line in lines])
    alike = sorted(index for index in slanted if turn[index] <= math.atan(MAX_DEVIATION))
    is_spread = bool((np.ptp(middles[alike], axis=0) >= SPREAD * np.ptp(middles, axis=0)).all()) if alike else False
    if len(alike) < MIN_REPEATED or not is_spread:
        return set()
    is_askew = np.array([_measure_turn(line, frame) for line in lines]) > math.atan(MAX_DEVIATION)
    return {*alike, *np.flatnonzero(is_askew & (turn <= PIECE_TURN)).tolist()}


def _angle(line: TextLine) -> float:
    (x1, y1), (x2, y2) = line_axis(line.quad.astype(np.float64))[:2]
    return math.atan2(y2 - y1, x2 - x1)


def _lies_over(box: Box, others: Sequence[Box]) -> bool:
    return sum(intersection_area(other, box) for other in others) > UNDER * area(box)


def _find_heads(lines: Sequence[TextLine], slanted: set[int], others: Sequence[Box]) -> set[int]:
    """Indices of the slanted lines that may be heads: none lies over others, and each has one beside it whose foot
    stands level with its own. The pieces of a watermark follow each other, and repeated ones stand apart."""
    free = {index: find_foot(lines[index]) for index in slanted if not _covers(lines[index], others)}
    return {
        index
        for index, foot in free.items()
        if any(other != index and _are_next(lines[index].box, foot, lines[other].box, free[other]) for other in free)
    }


def _covers(line: TextLine, others: Sequence[Box]) -> bool:
    near = [other for other in others if intersection_area(other, line.box)]
    return sum(_shared_area(line.quad, other) for other in near) > UNDER_HEAD * cv2.contourArea(line.quad)


def _are_next(box: Box, foot: Box, other: Box, other_foot: Box) -> bool:
    """Whether two slanted lines stand level and close beside each other."""
    thickness = foot[3] - foot[1]
    gap = max(box[0], other[0]) - min(box[2], other[2])
    return abs(foot[3] - other_foot[3]) <= thickness and gap <= NEXT_HEAD * thickness


def _shared_area(quad: Quad, box: Box) -> float:
    x1, y1, x2, y2 = box
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float32)
    return float(cv2.intersectConvexConvex(quad, corners)[0])


def find_foot(line: TextLine) -> Box:
    """A square as wide as the line is thick at its lower end: there a slanted head stands over its column."""
    start, end, half = line_axis(line.quad.astype(np.float64))
    foot, head = (start, end) if start[1] > end[1] else (end, start)
    x, y = foot + (head - foot) * half / max(float(np.linalg.norm(head - foot)), half)
    return math.floor(x - half), math.floor(y - half), math.ceil(x + half), math.ceil(y + half)


def find_slanted(lines: Sequence[TextLine], frame: ReadingFrame) -> set[int]:
    """Indices of the lines that run askew to the others: neither along the frame nor across it."""
    result = set()
    axes = [line_axis(line.quad.astype(np.float64)) for line in lines]
    usual = float(np.median([half for _, _, half in axes])) if axes else 0.0
    for index, (line, axis) in enumerate(zip(lines, axes, strict=True)):
        if not _is_long(axis) and not (axis[2] > LARGE * usual and _is_long(axis, MIN_LARGE_LENGTH)):
            continue
        if _measure_turn(line, frame) > math.atan(MAX_DEVIATION):
            result.add(index)
    return result | _find_short(lines, axes, result, frame)


def _find_short(lines: Sequence[TextLine], axes: Sequence[Axis], slanted: set[int], frame: ReadingFrame) -> set[int]:
    """Indices of lines too short to tell a direction alone that run as some of the slanted ones do."""
    if not slanted:
        return set()
    known = np.array([_angle(lines[index]) for index in sorted(slanted)])
    likely = (index for index, axis in enumerate(axes) if index not in slanted and _is_long(axis, MIN_SHORT_LENGTH))
    askew = [index for index in likely if _measure_turn(lines[index], frame) > math.atan(MAX_DEVIATION)]
    turns = [np.abs((known - _angle(lines[index]) + math.pi / 2) % math.pi - math.pi / 2).min() for index in askew]
    return {index for index, turn in zip(askew, turns, strict=True) if turn <= SHORT_TURN}


def _measure_turn(line: TextLine, frame: ReadingFrame) -> float:
    """Angle, 0 to π / 4, between a line and the frame or what runs across it."""
    start, end, _ = line_axis(frame.turn(line.quad.astype(np.float64)))
    expected = math.atan(frame.slope_at(np.array([(start + end) / 2]))[0]) + (math.pi / 2 if frame.is_vertical else 0)
    return abs((_angle(line) - expected + math.pi / 4) % (math.pi / 2) - math.pi / 4)


Axis = tuple[Points, Points, float]
"""Start and end of a line's middle, and half its thickness."""


def line_axis(quad: Points) -> Axis:
    """Along the longer sides; a line that runs down starts at its top, any other on the left."""
    across = np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])
    down = np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])
    if across >= down:
        ends = (quad[0] + quad[3]) / 2, (quad[1] + quad[2]) / 2
    else:
        ends = (quad[0] + quad[1]) / 2, (quad[2] + quad[3]) / 2
    start, end = ends
    run = end - start
    is_backward = run[0] < 0 if abs(run[0]) >= abs(run[1]) else run[1] < 0
    return (end, start, float(min(across, down) / 4)) if is_backward else (start, end, float(min(across, down) / 4))


def _is_long(axis: Axis, times: float = MIN_LENGTH) -> bool:
    start, end, half = axis
    return bool(np.linalg.norm(end - start) >= times * 2 * half)


def _slope(axis: Axis) -> float:
    run = axis[1] - axis[0]
    return float(run[1] / run[0]) if run[0] > 0 else math.inf


def _are_vertical(lines: Sequence[TextLine]) -> bool:
    """Whether most of the text runs down the page. Lines of a few glyphs have no say."""
    down = across = 0.0
    for start, end, half in (line_axis(line.quad.astype(np.float64)) for line in lines):
        run = np.abs(end - start)
        length = float(np.linalg.norm(run))
        if length >= MIN_LENGTH * 2 * half and run[1] > 2 * run[0]:
            down += length
        else:
            across += length
    return down > across


def _usual_slope(axes: Sequence[Axis]) -> float:
    """Of the lines, the longer the weightier: their median."""
    slopes = sorted((_slope(axis), float(axis[1][0] - axis[0][0])) for axis in axes)
    half, passed = sum(length for _, length in slopes) / 2, 0.0
    for slope, length in slopes:
        passed += length
        if passed >= half:
            return slope
    return 0.0


def _fit(axes: Sequence[Axis], usual: float, centre: tuple[float, float]) -> tuple[float, float, float]:
    if len(axes) < MIN_LINES:
        return usual, 0.0, 0.0
    middles = np.array([(start + end) / 2 for start, end, _ in axes]) - centre
    weights = np.array([end[0] - start[0] for start, end, _ in axes])
    weights = weights / weights.sum()
    scale = np.array(centre)
    terms = np.column_stack([np.ones(len(axes)), middles / scale])
    left = np.array([_slope(axis) for axis in axes]) - usual
    held = terms.T @ (terms * weights[:, None]) + np.diag((0.0, RIDGE, RIDGE))
    offset, right, down = np.linalg.solve(held, terms.T @ (left * weights))
    return float(usual + offset), float(right / scale[0]), float(down / scale[1])


def _drift(axes: Sequence[Axis], frame: ReadingFrame) -> float:
    """Most that a line rises or falls from end to end, in its thickness."""
    middles = np.array([(start + end) / 2 for start, end, _ in axes])
    slopes = np.abs(frame.slope_at(middles))
    return max(
        float(slope * (end[0] - start[0]) / (2 * half + 1e-6))
        for slope, (start, end, half) in zip(slopes, axes, strict=True)
    )


def _bounds(points: Points) -> Box:
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    return math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)
