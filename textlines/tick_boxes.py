"""Boxes to tick beside text, and whether they are ticked: drawn squares, which recognisers of text lose or misread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes
from textlines.detection import Pixels

MIN_SIDE = 10
"""Pixels."""
SMALLEST, LARGEST = 0.45, 1.8
"""Side of a box, as a share of the height of the lines: print stands in a part of that."""
LOOSE = 0.15
"""Share of its side by which a square's corners may be round, and its sides unlike."""
THIN = 0.25
"""Thickest outline, as a share of the side."""
DRAWN = 0.95
"""Share of each side that is drawn: round letters have less."""
NEAR, FAR = 0.25, 0.6
"""So far a box stands from all that is left and right of it, and from what is on one of the two, in sides: signs within
a text stand closer."""
UNMARKED = 0.4
"""Share of a box's height, from the top, in which a mark may reach out of it."""
BLANK = 0.97
"""Share of the space beside a box that is without ink."""
INSET = 0.22
"""Share of the side that is outline and its shadow; the rest is looked at for a mark."""
MARKED = 0.04
"""Share of the inside that is ink in a box that is ticked."""
STROKE, LEVEL = 0.75, 0.25
"""Length of a level stroke of a sign, as a share of the inside, and the share of such strokes in its ink."""
FILLED = 0.8
"""Share of the inside that is ink in a box that is filled."""
ALIKE = 0.2
"""Difference of two boxes of one form, as a share of their side."""
MAX_GAP = 3.0
"""Widest white space between a box and its text, in sides."""
MIN_TEXT_HEIGHT, MAX_TEXT_HEIGHT = 0.5, 2.1
"""Height of the text beside a box, in sides."""
MAX_STROKES = 4000


@dataclass(frozen=True, slots=True)
class TickBox:
    """A drawn square, `box` with its outline."""

    box: Box
    is_ticked: bool

    @property
    def side(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def find_tick_boxes(pixels: Pixels, lines: Sequence[Box]) -> list[TickBox]:
    """Boxes on an RGB image that stand beside one of the text `lines`, or within one where its text begins or ends.

    Squares in a row without text between are fields for single letters, and none of them.
    """
    if not lines:
        return []
    gray: NDArray[np.uint8] = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 51, 15)
    ink: NDArray[np.uint8] = np.asarray(dark, dtype=np.uint8)
    height = float(np.median([line[3] - line[1] for line in lines]))
    squares = _find_squares(ink, max(MIN_SIDE, SMALLEST * height), LARGEST * height)
    outlined = [TickBox(box, _is_marked(gray, box)) for box in squares]
    found = [*outlined, *(TickBox(box, True) for box in _find_filled(ink, outlined))]
    return [
        one
        for one in found
        if _has_text(one, lines)
        and not any(_is_neighbour(one, other) for other in found)
        and not (one.is_ticked and _is_within(one, lines) and not _has_twin(one, found))
    ]


def erase_tick_boxes(pixels: Pixels, boxes: Sequence[TickBox]) -> Pixels:
    """The image with the boxes painted over in the colour around each."""
    result = pixels.copy()
    for one in boxes:
        x1, y1, x2, y2 = one.box
        margin = max(2, one.side // 4)
        top, left = max(0, y1 - margin), max(0, x1 - margin)
        around = np.concatenate([pixels[top : y2 + margin, left : left + 1], pixels[top : y2 + margin, x2 : x2 + 1]], 1)
        result[top : y2 + margin, left : x2 + margin] = np.median(around.reshape(-1, 3), axis=0).astype(np.uint8)
    return result


def label_index(one: TickBox, lines: Sequence[Box]) -> tuple[int, bool] | None:
    """Index of the line that a box belongs to, and whether the box stands before it; None without one."""
    right = [(line[0] - one.box[2], index) for index, line in enumerate(lines) if _is_level(one, line)]
    after = min(((gap, index) for gap, index in right if -one.side < gap <= MAX_GAP * one.side), default=None)
    if after:
        return after[1], True
    left = [(one.box[0] - line[2], index) for index, line in enumerate(lines) if _is_level(one, line)]
    before = min(((gap, index) for gap, index in left if -one.side < gap <= MAX_GAP * one.side), default=None)
    return (before[1], False) if before else None


def _find_squares(ink: NDArray[np.uint8], smallest: float, largest: float) -> list[Box]:
    """Outlines of squares: two level and two upright strokes that meet, with nothing beside them."""
    level, upright = (_strokes(ink, smallest, largest, is_level=is_level) for is_level in (True, False))
    found: list[Box] = []
    for x1, y1, x2, _ in level:
        loose = max(2.0, LOOSE * (x2 - x1))
        is_bottom = (np.abs(level[:, 0] - x1) <= loose) & (np.abs(level[:, 2] - x2) <= loose)
        for bottom in level[is_bottom & (np.abs(level[:, 3] - y1 - (x2 - x1)) <= loose)]:
            # A mark that crosses a side makes it longer.
            sides = upright[(upright[:, 1] <= y1 + loose) & (upright[:, 3] >= bottom[3] - loose)]
            left, right = sides[np.abs(sides[:, 0] - x1) <= loose], sides[np.abs(sides[:, 2] - x2) <= loose]
            if len(left) and len(right):
                edges = min(x1, left[:, 0].min()), y1, max(x2, right[:, 2].max()), bottom[3]
                found.append((int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])))
    return [box for box in _distinct(found) if _is_drawn(ink, box) and _is_apart(ink, box) and not _is_sign(ink, box)]


def _strokes(ink: NDArray[np.uint8], shortest: float, longest: float, *, is_level: bool) -> Boxes:
    """Straight strokes along an axis as boxes, shape (n, 4), none thicker than a box's outline."""
    size = round(shortest * (1 - LOOSE))
    opened = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, size) if is_level else (size, 1), dtype=np.uint8))
    x, y, width, height = cv2.boundingRect(opened)
    if not width:
        return np.empty((0, 4))
    _, _, stats, _ = cv2.connectedComponentsWithStats(opened[y : y + height, x : x + width], connectivity=8)
    left, top, width, height, _ = (stats[1:] + np.array((x, y, 0, 0, 0))).T
    length, thickness = (width, height) if is_level else (height, width)
    is_side = (length <= longest) & (thickness <= np.maximum(3, THIN * length))
    strokes = np.stack([left, top, left + width, top + height], axis=1)[is_side][:MAX_STROKES]
    return np.asarray(strokes, dtype=np.float64)


def _is_drawn(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether all four sides are drawn from corner to corner."""
    x1, y1, x2, y2 = box
    part = ink[y1:y2, x1:x2] > 0
    depth = max(2, round(THIN * min(part.shape) / 2))
    sides = (
        part[:depth].any(axis=0),
        part[-depth:].any(axis=0),
        part[:, :depth].any(axis=1),
        part[:, -depth:].any(axis=1),
    )
    return min(float(side.mean()) for side in sides) >= DRAWN


def _is_sign(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether level strokes stand in the square, as in 回 and 国: marks are slanted or steep, or fill it."""
    inside = _inside(ink, box)
    if not inside.size or float((inside > 0).mean()) >= FILLED:
        return False
    size = max(3, round(STROKE * inside.shape[1]))
    # Beyond the inside is no ink: a slanted stroke that ends there is not the longer for it.
    framed = cv2.copyMakeBorder(inside, 0, 0, size, size, cv2.BORDER_CONSTANT, value=0)
    level = cv2.morphologyEx(framed, cv2.MORPH_OPEN, np.ones((1, size), dtype=np.uint8))
    return int((level > 0).sum()) >= LEVEL * max(int((inside > 0).sum()), 1)


def _inside(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    x1, y1, x2, y2 = box
    inset = max(2, round(INSET * min(x2 - x1, y2 - y1)))
    return np.ascontiguousarray(image[y1 + inset : y2 - inset, x1 + inset : x2 - inset])


def _is_apart(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether white space is left and right of the box, and much of it on one side."""
    x1, y1, x2, y2 = box
    rows = ink[y1 + round(UNMARKED * (y2 - y1)) : y2]

    def is_blank(gap: int, *, is_left: bool) -> bool:
        part = rows[:, max(0, x1 - 1 - gap) : max(0, x1 - 1)] if is_left else rows[:, x2 + 1 : x2 + 1 + gap]
        return not part.size or float((part == 0).mean()) >= BLANK

    near, far = (max(2, round(share * (x2 - x1))) for share in (NEAR, FAR))
    return all(is_blank(near, is_left=left) for left in (True, False)) and (
        is_blank(far, is_left=True) or is_blank(far, is_left=False)
    )


def _distinct(boxes: Sequence[Box]) -> list[Box]:
    """Without those that stand on another one: a double outline has two."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda box: box[0] - box[2]):
        if not any(abs(box[0] + box[2] - other[0] - other[2]) < other[2] - other[0]
                   and abs(box[1] + box[3] - other[1] - other[3]) < other[3] - other[1] for other in kept):  # fmt: skip
            kept.append(box)
    return kept


def _is_marked(gray: NDArray[np.uint8], box: Box) -> bool:
    x1, y1, x2, y2 = box
    whole, inside = gray[y1:y2, x1:x2], _inside(gray, box)
    if not inside.size:
        return False
    middle = (float(whole.min()) + float(np.percentile(whole, 90))) / 2
    return float((inside < middle).mean()) >= MARKED


def _find_filled(ink: NDArray[np.uint8], outlined: Sequence[TickBox]) -> list[Box]:
    """Solid squares as large as the boxes of the same form; else they are bullets."""
    if not outlined:
        return []
    side = float(np.median([one.side for one in outlined]))
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    width, height, area = stats[1:, 2:].T
    is_alike = (np.abs(width - side) <= ALIKE * side) & (np.abs(height - side) <= ALIKE * side)
    solid = stats[1:][is_alike & (area >= (1 - LOOSE) * width * height)]
    return [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in solid]


def _has_text(one: TickBox, lines: Sequence[Box]) -> bool:
    """Whether a line goes on beside the box, or begins or ends near it."""
    beyond = [
        line for line in lines
        if _is_level(one, line) and (line[2] - one.box[2] >= one.side or one.box[0] - line[0] >= one.side)
    ]  # fmt: skip
    gaps = (max(line[0] - one.box[2], one.box[0] - line[2]) for line in beyond)
    return any(gap <= MAX_GAP * one.side for gap in gaps)


def _is_within(one: TickBox, lines: Sequence[Box]) -> bool:
    """Whether text stands on both sides of it in one line: without another box it may be a sign of Chinese script."""
    return any(_is_level(one, line) and line[0] < one.box[0] - one.side and line[2] > one.box[2] for line in lines)


def _has_twin(one: TickBox, found: Sequence[TickBox]) -> bool:
    return any(other is not one and abs(other.side - one.side) <= ALIKE * one.side for other in found)


def _is_level(one: TickBox, line: Box) -> bool:
    height = line[3] - line[1]
    shared = min(one.box[3], line[3]) - max(one.box[1], line[1])
    is_alike = MIN_TEXT_HEIGHT * one.side <= height <= MAX_TEXT_HEIGHT * one.side
    return is_alike and shared >= min(one.side, height) / 2


def _is_neighbour(one: TickBox, other: TickBox) -> bool:
    """Whether the other square stands so near in the same row that nothing but a letter has room."""
    gap = max(other.box[0] - one.box[2], one.box[0] - other.box[2])
    return other is not one and _is_level(one, other.box) and gap < one.side
