"""Shapes of boxes to tick in a picture, squares and circles, and whether a mark stands in each: text lines say which of
them are some (`textlines.tick_boxes`)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes
from textlines.glyphs import Components, find_components

MIN_SIDE = 10
"""Pixels."""
SMALLEST, LARGEST = 0.35, 1.8
"""Side of a box, as a share of the height of the lines: print stands in a part of that."""
LETTER = 0.45
"""Share of the lines' height up to which letters are as large. Boxes that small begin lines and have sharp
corners."""
LOOSE = 0.15
"""Share of its side by which a square's corners may be round, and its sides unlike."""
THIN = 0.25
"""Thickest outline, as a share of the side."""
CROSSED = 0.35
"""Share of the side by which a mark that reaches out of a corner makes the level sides longer."""
CAPITAL = 0.55
"""The same of capitals: squares with round corners are as large, at least."""
STRAIGHT, CORNER = 0.5, 0.06
"""Share of each side that is straight in a square with round corners: of a letter's bows less is. Difference of its
corners, all of which are as round but for one that a mark reaches out of: two of a D are sharp."""
FEET = 0.12
"""Length of a Chinese sign's feet, strokes that go on below its base, as a share of the side, at most."""
DRAWN, ROUND = 0.95, 0.8
"""Share of each side that is drawn: round letters have less; the second of solid squares, whose corners are rounder."""
NEAR, FAR = 0.2, 0.6
"""So far a box stands from all that is left and right of it, and from what is on one of the two, in sides: signs within
a text stand closer."""
UNMARKED, COMMA = 0.4, 0.75
"""Share of a box's height, from the top, in which a mark may reach out of it, and from which on a comma may follow."""
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
SOLID = 0.6
"""Share of a square that is ink in one that is filled, a light mark left out."""
CHECK_WIDTH, CHECK_TURN, CHECK_STROKE, CHECK_FALL, CHECK_RISE = 0.4, 0.48, 0.7, 0.08, 0.25
"""Of a light check mark: its width as a share of the box's, where it turns as a share of its own, the highest part of
its stroke above one point, its falling and its rising part, as shares of the inside."""
ALIKE = 0.2
"""Difference of two boxes of one form, as a share of their side."""
SAME = 0.08
"""Difference of two boxes of one font, as a share of their side."""
SECTORS = 24
"""Of a circle, each of which has a part of its outline."""
OUTLINE, BEYOND, MIDDLE, WITHIN = 0.7, 1.15, 0.3, 0.6
"""Of a circle's radius: where its outline begins, how far out nothing of it stands, how large a dot is at least, and
how far the inside of an empty one reaches."""
DOT, CLEAR, VOID = 0.8, 0.35, 0.15
"""Darkness of a dot at least, of the ring around it at most, and of an empty circle's inside at most; 1 is that of the
ink, 0 that of the paper."""
MIN_UNLIKE, UNLIKE_STROKE = 0.4, 0.2
"""Difference of two circles' outlines, in pixels, or as a share of the thickness: one of a form's differs no more."""
ROUNDNESS = 0.1
"""Difference of a circle's width and height, as a share of the larger."""
MIN_RING, MAX_RING = 0.08, 0.75
"""Share of its box that a circle fills with what is connected to it."""
MAX_STROKES, STROKES_AT_ONCE = 4000, 256
MAX_PAIRS, MAX_SOLID = 8000, 1000
"""Pairs of level strokes, and solid squares or circles, that are looked at: a form has some hundreds, a pattern any
number."""


@dataclass(frozen=True, slots=True)
class TickBox:
    """A drawn square or circle, `box` with its outline."""

    box: Box
    is_ticked: bool

    @property
    def side(self) -> int:
        return max(self.box[2] - self.box[0], self.box[3] - self.box[1])


def find_marked_squares(
    gray: NDArray[np.uint8], ink: NDArray[np.uint8], components: Components, lines: Sequence[Box], height: float
) -> list[TickBox]:
    """The squares of a size that fits lines of that height, outlined or filled. `components`: of the ink."""
    squares = _find_squares(ink, max(MIN_SIDE, SMALLEST * height), LARGEST * height)
    small = [box for box in squares if box[2] - box[0] < LETTER * height]
    places: Boxes = np.array(lines, dtype=np.float64)
    letters = {box for box in small if not (_is_sharp(ink, box) and _stands_alone(ink, box, places))}
    square = [TickBox(box, _is_marked(gray, box)) for box in squares if box not in letters]
    outlined = [one for one in square if one.is_ticked or not _has_feet(ink, one.box)]
    rounded = _find_rounded(ink, components, max(MIN_SIDE, CAPITAL * height), LARGEST * height)
    outlined += [TickBox(box, _is_marked(gray, box)) for box in _list_free(rounded, squares)]
    solid = _find_solid(components, max(MIN_SIDE, SMALLEST * height), LARGEST * height)
    checked = [box for box in solid if _is_apart(ink, box) and _holds_check(ink, box)]
    filled = dict.fromkeys([*_choose_filled(ink, solid, outlined), *checked])
    return [*outlined, *(TickBox(box, True) for box in filled)]


def find_circles(
    gray: NDArray[np.uint8], ink: NDArray[np.uint8], components: Components, height: float
) -> list[TickBox]:
    """Circles with a dot in them, and empty ones where one of that size and outline has a dot: else they may be
    letters, or signs before the items of a list. `components`: of the ink."""
    smallest, largest = max(MIN_SIDE, SMALLEST * height), LARGEST * height
    x, y, width, tall, inked = components.T
    side = np.maximum(width, tall)
    is_round = (np.abs(width - tall) <= np.maximum(2, ROUNDNESS * side)) & (side >= smallest) & (side <= largest)
    is_ring = is_round & (inked >= MIN_RING * width * tall) & (inked <= MAX_RING * width * tall)
    boxes = np.stack([x, y, x + width, y + tall], axis=1)[is_ring][:MAX_SOLID].tolist()
    apart = (box for box in boxes if _is_apart(ink, box, in_words=True, before_mark=True))
    looks = [(TickBox((x1, y1, x2, y2), look[0]), look[1]) for x1, y1, x2, y2 in apart
             if (look := _look_at_circle(gray, ink, (x1, y1, x2, y2)))]  # fmt: skip
    # A few forms: each ticked one is compared with what differs from those before.
    forms = {((0, 0, x2 - x1, y2 - y1), round(stroke, 1)) for one, stroke in looks if one.is_ticked
             for x1, y1, x2, y2 in [one.box]}  # fmt: skip
    return [one for one, stroke in looks if one.is_ticked or any(_has_form(one, stroke, *form) for form in forms)]


def _has_form(one: TickBox, stroke: float, box: Box, other_stroke: float) -> bool:
    """Whether a circle is as large as another one, and its outline as thick: letters of its size are bolder or not as
    round."""
    x1, y1, x2, y2 = one.box
    loose = max(MIN_UNLIKE, UNLIKE_STROKE * other_stroke)
    return are_same((0, 0, x2 - x1, y2 - y1), box) and abs(stroke - other_stroke) <= loose


def _look_at_circle(gray: NDArray[np.uint8], ink: NDArray[np.uint8], box: Box) -> tuple[bool, float] | None:
    """Whether a dot stands in a circle's middle, and how thick its outline is, in pixels; None for what is no circle,
    or has anything else in it."""
    x1, y1, x2, y2 = box
    rows, columns = np.arange(y2 - y1) - (y2 - y1 - 1) / 2, np.arange(x2 - x1) - (x2 - x1 - 1) / 2
    distance, radius = np.hypot(rows[:, np.newaxis], columns), max(x2 - x1, y2 - y1) / 2
    drawn = ink[y1:y2, x1:x2] > 0
    turns = np.arctan2(rows[:, np.newaxis], columns) / (2 * np.pi)
    sectors = np.floor(turns * SECTORS)[drawn & (distance >= OUTLINE * radius)] % SECTORS
    is_closed = len(np.unique(sectors)) == SECTORS
    if not is_closed or drawn[distance > BEYOND * radius].any():
        return None
    # By grey levels: the white ring around a dot may be less than a pixel wide.
    light = gray[y1:y2, x1:x2].astype(np.float64)
    darkness = 1 - (light - light.min()) / max(float(np.percentile(light, 95) - light.min()), 1.0)
    rings = np.round(distance).astype(np.intp)
    sums, counts = np.bincount(rings.ravel(), darkness.ravel()), np.bincount(rings.ravel())
    profile = [
        (ring / radius, total / count) for ring, (total, count) in enumerate(zip(sums, counts, strict=True)) if count
    ]
    lightest, start = min((dark, at) for at, dark in profile if at < 1)
    stroke = sum(dark for at, dark in profile if start < at <= BEYOND)
    if max(dark for at, dark in profile if at <= WITHIN) <= VOID:
        return False, stroke
    has_dot = min(dark for at, dark in profile if at <= MIDDLE) >= DOT
    return (True, stroke) if has_dot and lightest <= CLEAR else None


def _find_squares(ink: NDArray[np.uint8], smallest: float, largest: float) -> list[Box]:
    """Outlines of squares, with nothing beside them. One whose corner a mark has crossed is as large as another one:
    signs of Chinese script have corners like that."""
    level = _strokes(ink, smallest, largest, is_level=True)
    squares = _choose_squares(ink, _list_squares(ink, level, smallest, largest, is_crossed=False))
    if not squares:
        return []
    forms = {(0, 0, x2 - x1, y2 - y1) for x1, y1, x2, y2 in squares}
    crossed = _choose_squares(ink, _list_squares(ink, level, smallest, largest, is_crossed=True))
    return [*squares, *(box for box in _list_free(crossed, squares) if any(are_same(box, form) for form in forms))]


def _list_squares(
    ink: NDArray[np.uint8], level: Boxes, smallest: float, largest: float, *, is_crossed: bool
) -> list[Box]:
    """Where two level and two upright strokes meet."""
    pairs = _pair_strokes(level, is_crossed=is_crossed)
    if not len(pairs):
        return []
    upright = _strokes_near(ink, level[np.unique(pairs)], smallest, largest)
    found: list[Box] = []
    for top, bottom in zip(level[pairs[:, 0]], level[pairs[:, 1]], strict=True):
        x1, y1, x2 = (max(top[0], bottom[0]), top[1], min(top[2], bottom[2])) if is_crossed else top[:3]
        loose = max(1.0, LOOSE * (x2 - x1))
        # A mark that crosses a side makes it longer.
        sides = upright[(upright[:, 1] <= y1 + loose) & (upright[:, 3] >= bottom[3] - loose)]
        left, right = sides[np.abs(sides[:, 0] - x1) <= loose], sides[np.abs(sides[:, 2] - x2) <= loose]
        if len(left) and len(right):
            if is_crossed:
                x1, x2 = left[:, 0].min(), right[:, 2].max()
            edges = min(x1, left[:, 0].min()), y1, max(x2, right[:, 2].max()), bottom[3]
            found.append((int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])))
    return found


def _choose_squares(ink: NDArray[np.uint8], found: Sequence[Box]) -> list[Box]:
    """Those that are drawn whole, hold no strokes of a sign, and stand apart."""
    large = [box for box in _distinct(found) if box[2] - box[0] >= MIN_SIDE]
    drawn = [box for box in large if _drawn_share(ink, box) >= DRAWN and not _is_sign(ink, box)]
    sharp = {box for box in drawn if _is_sharp(ink, box)}
    apart = dict.fromkeys(box for box in drawn if _is_apart(ink, box, in_words=box in sharp))
    sizes = {(0, 0, x2 - x1, y2 - y1) for x1, y1, x2, y2 in apart}
    return [
        *apart,
        *(
            box
            for box in drawn
            if box in sharp
            and box not in apart
            and any(are_same(box, size) for size in sizes)
            and _is_apart(ink, box, in_words=True, before_mark=True)
        ),
    ]


def _find_rounded(ink: NDArray[np.uint8], components: Components, smallest: float, largest: float) -> list[Box]:
    """Outlines of squares with round corners, as browsers and forms on screens draw them; of those that a mark reaches
    out of, which are wider or higher with it, the ones that are as large as another one."""
    x, y, width, tall, inked = components.T
    side = np.maximum(width, tall)
    is_ring = (side >= smallest) & (inked >= MIN_RING * width * tall) & (inked <= MAX_RING * width * tall)
    is_square = is_ring & (np.abs(width - tall) <= np.maximum(2, ROUNDNESS * side)) & (side <= largest)
    places = np.stack([x, y, x + width, y + tall], axis=1)
    found = [box for box in _list_boxes(places[is_square]) if _is_rounded(ink, box)]
    forms = {max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in found}
    wide = _list_boxes(places[is_ring & (side <= (1 + CROSSED) * max(forms, default=0))])
    corners = ([box for form in forms for box in _list_corners(one, form)] for one in wide if one not in found)
    crossed = (next((box for box in own if _is_rounded(ink, box)), None) for own in corners)
    return [*found, *filter(None, crossed)]


def _list_boxes(places: NDArray[np.int_]) -> list[Box]:
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in places[:MAX_SOLID].tolist()]


def _list_corners(place: Box, side: int) -> list[Box]:
    """The squares of that side in the corners of a box that is larger."""
    x1, y1, x2, y2 = place
    fits = x2 - x1 >= side and y2 - y1 >= side
    return [(x, y, x + side, y + side) for x in (x1, x2 - side) for y in (y2 - side, y1)] if fits else []


def _is_rounded(ink: NDArray[np.uint8], box: Box) -> bool:
    x1, y1, x2, y2 = box
    return _has_straight_sides(ink[y1:y2, x1:x2] > 0) and _is_apart(ink, box) and not _is_sign(ink, box)


def _has_straight_sides(part: NDArray[np.bool_]) -> bool:
    """Whether a part of each side is straight, and the corners are alike."""
    depth = max(1, round(max(part.shape) / 20))
    bands = part[:depth], part[-depth:], part[:, :depth].T, part[:, -depth:].T
    sides = [np.asarray(band.any(axis=0), dtype=np.bool_) for band in bands]
    if min(_longest_run(side) / len(side) for side in sides) < STRAIGHT:
        return False
    corners = (
        part[rows, columns]
        for rows in (slice(None), slice(None, None, -1))
        for columns in (slice(None), slice(None, None, -1))
    )
    depths = sorted(_measure_corner(np.asarray(corner, dtype=np.bool_)) for corner in corners)
    loose = max(1, round(CORNER * max(part.shape)))
    return bool(min(depths[2] - depths[0], depths[3] - depths[1]) <= loose)


def _measure_corner(part: NDArray[np.bool_]) -> int:
    """Pixels without ink on the diagonal from the first corner."""
    diagonal = part.diagonal()
    return int(diagonal.argmax()) if diagonal.any() else len(diagonal)


def _longest_run(line: NDArray[np.bool_]) -> int:
    return max(map(len, line.tobytes().split(b"\0")))


def _has_feet(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether both upright sides go on below the base, as those of the sign 口 do in most fonts."""
    x1, _, x2, y2 = box
    side = x2 - x1
    width, length = max(1, round(LOOSE * side)), max(1, round(FEET * side))
    below = ink[y2 : y2 + length + 1, max(0, x1 - width) : x2 + width] > 0
    if not len(below):
        return False
    left = x1 - max(0, x1 - width)
    feet = below[:, left : left + width], below[:, left + side - width : left + side]
    others = below[:, :left], below[:, left + width : left + side - width], below[:, left + side :]
    return all(foot[0].any() and not foot[-1].any() for foot in feet) and not any(other.any() for other in others)


def _pair_strokes(level: Boxes, *, is_crossed: bool) -> NDArray[np.intp]:
    """Indices of level strokes that may be top and bottom of one square, from the top: shape (n, 2). `is_crossed`: one
    of them may be longer by a mark."""
    x1, y1, x2, y2 = level.T
    order = np.argsort(y2, kind="stable")
    found = []
    # A few at a time: where all stand in one row, all at once would be a table of millions.
    for start in range(0, len(level), STROKES_AT_ONCE):
        side = (x2 - x1)[start : start + STROKES_AT_ONCE]
        reach = np.maximum(1.0, (CROSSED if is_crossed else LOOSE) * side)
        ends = y1[start : start + STROKES_AT_ONCE] + side + np.stack([-reach, reach])
        first, last = np.searchsorted(y2[order], ends[0]), np.searchsorted(y2[order], ends[1], side="right")
        top = np.repeat(np.arange(len(side)), last - first)
        bottom = order[np.arange(len(top)) - np.repeat(np.cumsum(last - first) - last, last - first)]
        apart = np.abs(x1[bottom] - x1[start + top]), np.abs(x2[bottom] - x2[start + top])
        if is_crossed:
            inner = np.minimum(x2[bottom], x2[start + top]) - np.maximum(x1[bottom], x1[start + top])
            loose = np.maximum(1.0, LOOSE * inner)
            is_pair = np.abs(y2[bottom] - y1[start + top] - inner) <= loose
            is_pair &= (np.minimum(*apart) <= loose) & (np.maximum(*apart) <= np.maximum(loose, CROSSED * inner))
        else:
            is_pair = np.maximum(*apart) <= np.maximum(1.0, LOOSE * side)[top]
        found.append(np.stack([start + top, bottom], axis=1)[is_pair])
    pairs = np.concatenate(found) if found else np.empty((0, 2), dtype=np.intp)
    return pairs[np.lexsort(pairs.T[::-1])][:MAX_PAIRS]


def _strokes_near(ink: NDArray[np.uint8], level: Boxes, shortest: float, longest: float) -> Boxes:
    """The upright strokes around the level ones."""
    margin = math.ceil(2 * longest)
    left, top = (max(0, int(value) - margin) for value in level[:, :2].min(axis=0))
    right, bottom = (int(value) + margin for value in level[:, 2:].max(axis=0))
    strokes = _strokes(ink[top:bottom, left:right], shortest, longest, is_level=False)
    return strokes + np.array((left, top, left, top), dtype=np.float64)


def _strokes(ink: NDArray[np.uint8], shortest: float, longest: float, *, is_level: bool) -> Boxes:
    """Straight strokes along an axis as boxes, shape (n, 4), none thicker than a box's outline."""
    size = round(shortest * (1 - LOOSE))
    size -= 1 - size % 2  # an even kernel has no middle and moves what it leaves by a pixel
    opened = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, size) if is_level else (size, 1), dtype=np.uint8))
    left, top, width, height, _ = find_components(np.asarray(opened, dtype=np.uint8)).T
    length, thickness = (width, height) if is_level else (height, width)
    is_side = (length <= longest) & (thickness <= np.maximum(3, THIN * length))
    strokes = np.stack([left, top, left + width, top + height], axis=1)[is_side][:MAX_STROKES]
    return np.asarray(strokes, dtype=np.float64)


def _drawn_share(ink: NDArray[np.uint8], box: Box) -> float:
    """Share of a side that is drawn, of the side with least."""
    x1, y1, x2, y2 = box
    part = ink[y1:y2, x1:x2] > 0
    depth = max(2, round(THIN * min(part.shape) / 2))
    sides = (
        part[:depth].any(axis=0),
        part[-depth:].any(axis=0),
        part[:, :depth].any(axis=1),
        part[:, -depth:].any(axis=1),
    )
    return min(float(side.mean()) for side in sides)


def _is_sharp(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether the box's outermost pixels are drawn, the corners too: those of an "a" or "D" are not."""
    x1, y1, x2, y2 = box
    part = ink[y1:y2, x1:x2]
    return bool(part[[0, -1]].all() and part[:, [0, -1]].all())


def _stands_alone(ink: NDArray[np.uint8], box: Box, lines: Boxes) -> bool:
    """Whether white space is behind the box, and before it or nothing of its line."""
    x1, y1, x2, y2 = box
    left, top, right, bottom = lines.T
    is_own = (2 * top < y1 + y2) & (y1 + y2 < 2 * bottom) & (left < x2) & (x2 <= right)
    gap = max(2, round(2 * NEAR * (x2 - x1)))
    start = max(int(left[is_own].min(initial=x1)), x1 - gap)
    return not (ink[y1:y2, min(start, x1) : x1].any() or ink[y1:y2, x2 : x2 + gap].any())


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


def _is_apart(ink: NDArray[np.uint8], box: Box, *, in_words: bool = False, before_mark: bool = False) -> bool:
    """Whether white space is left and right of the box, and much of it on one side. `in_words`: a word's space on both
    sides is enough; `before_mark`: a comma may follow at once, as it does in signs of Chinese script."""
    x1, y1, x2, y2 = box
    rows = ink[y1 + round(UNMARKED * (y2 - y1)) : y1 + round(COMMA * (y2 - y1)) if before_mark else y2]

    def is_blank(gap: int, *, is_left: bool) -> bool:
        part = rows[:, max(0, x1 - 1 - gap) : max(0, x1 - 1)] if is_left else rows[:, x2 + 1 : x2 + 1 + gap]
        return not part.size or part.size - cv2.countNonZero(part) >= BLANK * part.size

    near, far = (max(2, round(share * (x2 - x1))) for share in (NEAR, FAR))
    is_spaced = is_blank(near, is_left=True) and is_blank(near, is_left=False)
    return is_spaced and (in_words or is_blank(far, is_left=True) or is_blank(far, is_left=False))


def are_same(box: Box, other: Box) -> bool:
    """Whether both are as large, as signs of one font are."""
    loose = max(1.0, SAME * (other[2] - other[0]))
    return abs(box[2] - box[0] - other[2] + other[0]) <= loose and abs(box[3] - box[1] - other[3] + other[1]) <= loose


def _distinct(boxes: Sequence[Box]) -> list[Box]:
    """Without those that stand on another one: a double outline has two."""
    cell = max((max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes), default=1)
    kept: defaultdict[tuple[int, int], list[Box]] = defaultdict(list)
    result: list[Box] = []
    for box in sorted(boxes, key=lambda box: box[0] - box[2]):
        column, row = (box[0] + box[2]) // (2 * cell), (box[1] + box[3]) // (2 * cell)
        # One that it stands on has its middle nearer than its own side, and so in this cell or the next.
        near = (other for x in (-1, 0, 1) for y in (-1, 0, 1) for other in kept.get((column + x, row + y), ()))
        if not any(_stands_on(box, other) for other in near):
            kept[column, row].append(box)
            result.append(box)
    return result


def _list_free(boxes: Sequence[Box], others: Sequence[Box]) -> list[Box]:
    """Those that stand on none of the others."""
    if not others:
        return list(boxes)
    x1, y1, x2, y2 = np.array(others).T
    return [
        (left, top, right, bottom)
        for left, top, right, bottom in boxes
        if not ((np.abs(left + right - x1 - x2) < x2 - x1) & (np.abs(top + bottom - y1 - y2) < y2 - y1)).any()
    ]


def _stands_on(box: Box, other: Box) -> bool:
    """Whether the middle of the box is inside the other one."""
    x1, y1, x2, y2 = other
    return abs(box[0] + box[2] - x1 - x2) < x2 - x1 and abs(box[1] + box[3] - y1 - y2) < y2 - y1


def _is_marked(gray: NDArray[np.uint8], box: Box) -> bool:
    x1, y1, x2, y2 = box
    whole, inside = gray[y1:y2, x1:x2], _inside(gray, box)
    if not inside.size:
        return False
    middle = (float(whole.min()) + float(np.percentile(whole, 90))) / 2
    return float((inside < middle).mean()) >= MARKED


def _find_solid(components: Components, smallest: float, largest: float) -> list[Box]:
    """Squares that are more ink than not and touch no other ink."""
    width, height, area = components[:, 2:].T
    side = np.maximum(width, height)
    is_square = (np.abs(width - height) <= ALIKE * side) & (side >= smallest) & (side <= largest)
    solid = components[is_square & (area >= SOLID * width * height)][:MAX_SOLID]
    return [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in solid]


def _choose_filled(ink: NDArray[np.uint8], solid: Sequence[Box], outlined: Sequence[TickBox]) -> list[Box]:
    """Those that are ink throughout and as large as the boxes of the same form; else they are bullets."""
    if not outlined:
        return []
    side = float(np.median([one.side for one in outlined]))
    return [
        (x1, y1, x2, y2)
        for x1, y1, x2, y2 in solid
        if max(abs(x2 - x1 - side), abs(y2 - y1 - side)) <= ALIKE * side
        and float((ink[y1:y2, x1:x2] > 0).mean()) >= 1 - LOOSE
    ]


def _holds_check(ink: NDArray[np.uint8], box: Box) -> bool:
    """Whether a light check mark stands in the solid square, as browsers draw a ticked box: a stroke that falls, turns
    in its left half and rises higher than it began. Letters do not."""
    x1, y1, x2, y2 = box
    if _drawn_share(ink, box) < ROUND:
        return False
    inset = max(1, round(LOOSE * (x2 - x1)))
    light = ink[y1 + inset : y2 - inset, x1 + inset : x2 - inset] == 0
    columns = np.flatnonzero(light.any(axis=0))
    if len(columns) < CHECK_WIDTH * (x2 - x1):
        return False
    top, bottom = light[:, columns].argmax(axis=0), light.shape[0] - light[::-1, columns].argmax(axis=0)
    middle = (top + bottom) / 2 / light.shape[0]
    turn = int(middle.argmax())
    is_stroke = bool(np.diff(columns).max() == 1) and float((bottom - top).max()) <= CHECK_STROKE * light.shape[0]
    rises = middle[turn] - middle[-1] >= CHECK_RISE and middle[turn] - middle[0] >= CHECK_FALL
    return is_stroke and bool(rises) and middle[-1] < middle[0] and 0 < turn < CHECK_TURN * len(columns)
