"""Boxes to tick beside text, and whether they are ticked: drawn squares and circles, which recognisers of text lose or
misread."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes
from textlines.detection import Pixels
from textlines.glyphs import find_components

MIN_SIDE = 10
"""Pixels."""
DARK = 100
"""Usual grey level below which a picture is light print on dark paper."""
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
MAX_GAP = 3.0
"""Widest white space between a box and its text, in sides."""
MIN_TEXT_HEIGHT, MAX_TEXT_HEIGHT = 0.5, 3.2
"""Height of the text beside a box, in sides."""
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


Walls = Callable[[Box], tuple[float, float]]
"""Between which drawn rules a box stands: x of each, infinite where there is none."""


def no_walls(_: Box) -> tuple[float, float]:
    return -math.inf, math.inf


class Rows:
    """Lines by their place down the page: those level with a box are found without a look at each.

    Lines behind one of the walls of a box are in its row no more.
    """

    def __init__(self, lines: Sequence[Box], find_walls: Walls = no_walls) -> None:
        self.boxes: Boxes = np.array(lines, dtype=np.float64).reshape(-1, 4)
        middles = (self.boxes[:, 1] + self.boxes[:, 3]) / 2
        self._order = np.argsort(middles)
        self._middles = middles[self._order]
        self._find_walls = find_walls

    def find_level(self, one: TickBox) -> NDArray[np.intp]:
        """Indices of the lines in whose row the box stands, ascending."""
        (_, y1, _, y2), side = one.box, one.side
        reach = (1 + MAX_TEXT_HEIGHT) / 2 * side
        first, last = np.searchsorted(self._middles, ((y1 + y2) / 2 - reach, (y1 + y2) / 2 + reach))
        near = np.sort(self._order[first:last])
        left, top, right, bottom = self.boxes[near].T
        height, shared = bottom - top, np.minimum(y2, bottom) - np.maximum(y1, top)
        is_level = (height >= MIN_TEXT_HEIGHT * side) & (height <= MAX_TEXT_HEIGHT * side)
        is_level &= shared >= np.minimum(side, height) / 2
        start, end = self._find_walls(one.box)
        is_level &= (left + right > 2 * start) & (left + right < 2 * end)
        return np.asarray(near[is_level], dtype=np.intp)

    def widen(self, index: int, one: TickBox) -> None:
        """Makes a line hold a box of its row."""
        x1, _, x2, _ = one.box
        self.boxes[index, [0, 2]] = min(self.boxes[index, 0], x1), max(self.boxes[index, 2], x2)


def find_tick_boxes(pixels: Pixels, lines: Sequence[Box], *, in_table: bool = False) -> list[TickBox]:
    """Boxes on an RGB image that stand beside one of the text `lines`, or within one.

    Squares in a row without text between are fields for single letters, and none of them. A box may stand any distance
    from the text of its row where another one of its size stands beside text, or `in_table`, alone in its cell.
    """
    if not lines:
        return []
    gray: NDArray[np.uint8] = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if np.median(gray[::4, ::4]) < DARK:
        gray = 255 - gray
    dark = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 51, 15)
    ink: NDArray[np.uint8] = np.asarray(dark, dtype=np.uint8)
    height = float(np.median([line[3] - line[1] for line in lines]))
    found = [*_find_marked_squares(gray, ink, lines, height), *_find_circles(gray, ink, height)]
    rows, others = Rows(lines), Rows([one.box for one in found])
    gaps = [_text_gap(one, rows) for one in found]
    beside = [one for one, gap in zip(found, gaps, strict=True) if gap <= MAX_GAP]
    likely = [one for one in found if not (one.is_ticked and _is_within(one, rows))]
    level = [one for one, gap in zip(found, gaps, strict=True) if gap < math.inf]
    states = zip(found, gaps, _have_twins(found, beside), _have_twins(found, likely), strict=True)
    certain = {id(one) for one in likely}
    return [
        one
        for one, gap, has_twin, has_likely_twin in states
        if (gap <= MAX_GAP or (gap < math.inf and (in_table or has_twin or _is_in_column(one, level))))
        and (id(one) in certain or has_likely_twin)
        and not _has_neighbour(one, others)
    ]


def _find_marked_squares(
    gray: NDArray[np.uint8], ink: NDArray[np.uint8], lines: Sequence[Box], height: float
) -> list[TickBox]:
    """The squares of a size that fits lines of that height, outlined or filled."""
    squares = _find_squares(ink, max(MIN_SIDE, SMALLEST * height), LARGEST * height)
    small = [box for box in squares if box[2] - box[0] < LETTER * height]
    places: Boxes = np.array(lines, dtype=np.float64)
    letters = {box for box in small if not (_is_sharp(ink, box) and _stands_alone(ink, box, places))}
    square = [TickBox(box, _is_marked(gray, box)) for box in squares if box not in letters]
    outlined = [one for one in square if one.is_ticked or not _has_feet(ink, one.box)]
    rounded = _find_rounded(ink, max(MIN_SIDE, CAPITAL * height), LARGEST * height)
    outlined += [TickBox(box, _is_marked(gray, box)) for box in rounded if not any(_stands_on(box, b) for b in squares)]
    solid = _find_solid(ink, max(MIN_SIDE, SMALLEST * height), LARGEST * height)
    checked = [box for box in solid if _is_apart(ink, box) and _holds_check(ink, box)]
    filled = dict.fromkeys([*_choose_filled(ink, solid, outlined), *checked])
    return [*outlined, *(TickBox(box, True) for box in filled)]


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


def assign_inner(boxes: Sequence[TickBox], rows: Rows) -> tuple[list[list[TickBox]], list[TickBox]]:
    """The boxes that part the text of a line, for each line, and those that stand in none."""
    inner: list[list[TickBox]] = [[] for _ in rows.boxes]
    outer: list[TickBox] = []
    for one in boxes:
        middle, level = (one.box[0] + one.box[2]) / 2, rows.find_level(one)
        owners = level[(rows.boxes[level, 0] < middle) & (middle < rows.boxes[level, 2])]
        (inner[owners[0]] if len(owners) else outer).append(one)
    return inner, outer


def is_beside(one: TickBox, rows: Rows) -> bool:
    """Whether a text stands within a side of the box, so that the box is its own, wherever a column's edge may be."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    return bool((np.maximum(left - one.box[2], one.box[0] - right) <= one.side).any())


def label_index(one: TickBox, rows: Rows, *, runs_left: bool = False) -> tuple[int, bool] | None:
    """Index of the line that a box belongs to, and whether the box stands on its left; None without one in its row.

    One near to the right, else one near to the left, else the nearest; where text `runs_left`, to the left first.
    """
    level = rows.find_level(one)
    left, _, right, _ = rows.boxes[level].T
    gaps_of = {True: left - one.box[2], False: one.box[0] - right}
    for reach in (MAX_GAP * one.side, math.inf):
        for is_on_left in (not runs_left, runs_left):
            gaps = gaps_of[is_on_left]
            allowed = np.flatnonzero((gaps > -one.side) & (gaps <= reach))
            if len(allowed):
                return int(level[allowed[gaps[allowed].argmin()]]), is_on_left
    return None


def _find_circles(gray: NDArray[np.uint8], ink: NDArray[np.uint8], height: float) -> list[TickBox]:
    """Circles with a dot in them, and empty ones where one of that size and outline has a dot: else they may be
    letters, or signs before the items of a list."""
    smallest, largest = max(MIN_SIDE, SMALLEST * height), LARGEST * height
    x, y, width, tall, inked = find_components(ink).T
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
    return _are_same((0, 0, x2 - x1, y2 - y1), box) and abs(stroke - other_stroke) <= loose


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
    """Outlines of squares: two level and two upright strokes that meet, with nothing beside them."""
    level = _strokes(ink, smallest, largest, is_level=True)
    pairs = _pair_strokes(level)
    if not len(pairs):
        return []
    upright = _strokes_near(ink, level[np.unique(pairs)], smallest, largest)
    found: list[Box] = []
    for top, bottom in zip(level[pairs[:, 0]], level[pairs[:, 1]], strict=True):
        x1, y1, x2 = max(top[0], bottom[0]), top[1], min(top[2], bottom[2])
        loose = max(1.0, LOOSE * (x2 - x1))
        # A mark that crosses a side makes it longer.
        sides = upright[(upright[:, 1] <= y1 + loose) & (upright[:, 3] >= bottom[3] - loose)]
        left, right = sides[np.abs(sides[:, 0] - x1) <= loose], sides[np.abs(sides[:, 2] - x2) <= loose]
        if len(left) and len(right):
            edges = min(x1, left[:, 0].min()), y1, max(x2, right[:, 2].max()), bottom[3]
            found.append((int(edges[0]), int(edges[1]), int(edges[2]), int(edges[3])))
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
            and any(_are_same(box, size) for size in sizes)
            and _is_apart(ink, box, in_words=True, before_mark=True)
        ),
    ]


def _find_rounded(ink: NDArray[np.uint8], smallest: float, largest: float) -> list[Box]:
    """Outlines of squares with round corners, as browsers and forms on screens draw them; of those that a mark reaches
    out of, which are wider or higher with it, the ones that are as large as another one."""
    x, y, width, tall, inked = find_components(ink).T
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
    edges = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max(initial=0))


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


def _pair_strokes(level: Boxes) -> NDArray[np.intp]:
    """Indices of level strokes that may be top and bottom of one square, from the top: shape (n, 2)."""
    x1, y1, x2, y2 = level.T
    order = np.argsort(y2, kind="stable")
    found = []
    # A few at a time: where all stand in one row, all at once would be a table of millions.
    for start in range(0, len(level), STROKES_AT_ONCE):
        side = (x2 - x1)[start : start + STROKES_AT_ONCE]
        reach = np.maximum(1.0, CROSSED * side)
        ends = y1[start : start + STROKES_AT_ONCE] + side + np.stack([-2 * reach, reach])
        first, last = np.searchsorted(y2[order], ends[0]), np.searchsorted(y2[order], ends[1], side="right")
        top = np.repeat(np.arange(len(side)), last - first)
        bottom = order[np.arange(len(top)) - np.repeat(np.cumsum(last - first) - last, last - first)]
        inner = np.minimum(x2[bottom], x2[start + top]) - np.maximum(x1[bottom], x1[start + top])
        loose = np.maximum(1.0, LOOSE * inner)
        is_pair = np.abs(y2[bottom] - y1[start + top] - inner) <= loose
        ends_apart = np.abs(x1[bottom] - x1[start + top]), np.abs(x2[bottom] - x2[start + top])
        is_pair &= (np.minimum(*ends_apart) <= loose) & (np.maximum(*ends_apart) <= np.maximum(loose, CROSSED * inner))
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
        return not part.size or float((part == 0).mean()) >= BLANK

    near, far = (max(2, round(share * (x2 - x1))) for share in (NEAR, FAR))
    is_spaced = is_blank(near, is_left=True) and is_blank(near, is_left=False)
    return is_spaced and (in_words or is_blank(far, is_left=True) or is_blank(far, is_left=False))


def _are_same(box: Box, other: Box) -> bool:
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


def _find_solid(ink: NDArray[np.uint8], smallest: float, largest: float) -> list[Box]:
    """Squares that are more ink than not and touch no other ink."""
    components = find_components(ink)
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


def _text_gap(one: TickBox, rows: Rows) -> float:
    """White space between the box and the nearest line that goes on beside it, in sides; infinite without one."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    (x1, _, x2, _), side = one.box, one.side
    goes_on = (right - x2 >= side) | (x1 - left >= side)
    return float(np.maximum(left - x2, x1 - right)[goes_on].min(initial=math.inf)) / side


def _is_within(one: TickBox, rows: Rows) -> bool:
    """Whether text stands on both sides of it in one line: without another box that is empty, or stands elsewhere, it
    may be a sign of Chinese script, which one text has several times."""
    left, _, right, _ = rows.boxes[rows.find_level(one)].T
    return bool(((left < one.box[0] - one.side) & (right > one.box[2])).any())


def _have_twins(boxes: Sequence[TickBox], found: Sequence[TickBox]) -> list[bool]:
    """For each box, whether one of those `found` besides itself is as large."""
    sides, own = np.sort([one.side for one in found]), {id(one) for one in found}
    lengths = np.array([one.side for one in boxes], dtype=np.float64)
    first = np.searchsorted(sides, lengths - ALIKE * lengths)
    last = np.searchsorted(sides, lengths + ALIKE * lengths, side="right")
    return [bool(count > (id(one) in own)) for one, count in zip(boxes, last - first, strict=True)]


def _is_in_column(one: TickBox, others: Sequence[TickBox]) -> bool:
    """Whether two of those that stand in the rows of a text stand above or below it, as large: a form's last column."""
    return (
        sum(
            other is not one
            and _are_same(other.box, one.box)
            and abs(other.box[0] - one.box[0]) <= max(1, SAME * one.side)
            for other in others
        )
        >= 2
    )


def _has_neighbour(one: TickBox, others: Rows) -> bool:
    """Whether another square stands so near in the same row that nothing but a letter has room. `others`: all, with
    itself."""
    left, _, right, _ = others.boxes[others.find_level(one)].T
    gaps = np.maximum(left - one.box[2], one.box[0] - right)
    return int((gaps < one.side).sum()) > 1
