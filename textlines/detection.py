"""Finds text lines with PP-OCR's detection model (DB), at the smallest scale at which they can be found.

A second look, larger and at those parts alone, goes to glyphs that the first one left without a line.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress, product
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes, area, clip, intersection_area
from common.inference.models import find_model, load_session, measure_ahead
from common.inference.sessions import Session
from textlines.fractions import Fraction, find_fractions
from textlines.glyphs import MIN_GLYPH, Ink, find_ink, find_stray_glyphs, find_stray_windows, glyph_middles
from textlines.glyphs import Pixels as Pixels
from textlines.initials import find_initials_apart
from textlines.leaders import join_at_leaders
from textlines.model_inputs import make_input
from textlines.restoration import BLURRED, measure_sharpness, reduce_noise, sharpen
from textlines.vertical_text import find_figure_rows

Quad = NDArray[np.float32]
"""Corners of a text line, shape (4, 2): top left, top right, bottom right, bottom left."""

# Glyph height, in pixels of the scaled image, at which DB still finds every line. Measured on nine OmniDocBench pages:
# at 5 px recall is complete on print, below it drops; 8 leaves room for photos and thin fonts.
GLYPH_HEIGHT = 8
MIN_LONG_SIDE = 960
MAX_LONG_SIDE = 2000  # what one look of the model may be; longer strips are looked at in bands
MAX_SHORT_SIDE = 1414  # a page of usual shape thus fits into one look
MAX_AREA = 16_000_000  # bounds the work for strips, some 0.4 s of one core for a million pixels
MIN_SIDE = 32  # thinner images are padded: RapidOCR would enlarge them without end ...
WIDEST = 8  # ... and put wider ones than this ratio on black, on which white paper looks like a line
BAND_OVERLAP = 96  # pixels of the scaled image that neighbouring bands share, so that no line is cut in both
SECOND_GLYPH = 20  # glyph height of a second look: DB finds rows of dots and single digits at it ...
SHARP_GLYPH = 14  # glyph height of the look at blurred print that was made sharp
SECOND_ENLARGED = 2.5  # ... or so many times that of the first look, where that was too small for print
MIN_SECOND_AREA = 1_000_000  # pixels that second looks may take, or as many as the first took where that is more
SMEAR_HEIGHT, MIN_SMEARED, MAX_SLOPE = 4.0, 8, 0.1  # in glyph heights; glyphs; height by width of a level line
MOSTLY_LOST, LOST_AREA = 0.25, 3_000_000  # the same where the first look left that share of glyphs: print is blurred
MAX_SECOND_AREA = 8_000_000  # for a picture whose print the first look could not see large enough
MAX_WINDOWS = 64
SAME = 0.5  # share of a line inside another from which both are the same
ASKEW = 1.3  # upright box of a line, in areas of its outline, from which on it lies askew
LONGER = 1.15  # a line found again counts if it is so much longer
DETECTION_MODEL = "PP-OCRv6_det_small.onnx"
USUAL_SHAPE = (1, 3, 480, 480)  # of a part of a page, to measure the model with
FIGURE_COLUMN, FIGURE_MARGIN = 1.5, 0.3  # height of a column of figures in widths; white around them, in their heights
MAX_FIGURES, CELL = 4000, 64  # rows of figures on a page; side of the cells in which lines are compared, in pixels
HELD, MAX_HOLDER = 0.2, 1.6  # share of a fraction in a line that is parted there, and that line's height in its own
COLUMN = 0.6  # share of a higher line's height that is fractions where it is a column of them
MUCH, FRACTION_MARGIN = 0.75, 0.2  # height of a line that was found around a fraction, in its own; glyph heights
STRIDE = 32  # the model takes pictures whose sides are multiples of it


@dataclass(frozen=True)
class TextLine:
    """`quad` in pixels of the image given; `score` is DB's mean probability inside it, 0 to 1.

    `leader`: where dots begin and end that lead from the text at its start to the one at its end, as in a table of
    contents; shares of its length. `bar`: where the bar of a fraction begins and ends that the line is, shares of its
    height.
    """

    quad: Quad
    score: float
    leader: tuple[float, float] | None = None
    bar: tuple[float, float] | None = None

    @cached_property
    def box(self) -> tuple[int, int, int, int]:
        """Upright bounding box x1, y1, x2, y2 with exclusive x2, y2. Asked for with each pair of lines, and region."""
        xs, ys = self.quad.T.tolist()
        return math.floor(min(xs)), math.floor(min(ys)), math.ceil(max(xs)), math.ceil(max(ys))

    @cached_property
    def middle(self) -> tuple[float, float]:
        x, y = self.quad.mean(axis=0).tolist()
        return x, y


def upright_line(box: Box, score: float = 1.0) -> TextLine:
    """A line that fills its upright box."""
    x1, y1, x2, y2 = box
    return TextLine(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=np.float32), score)


def part_of(line: TextLine, start: float, end: float) -> TextLine:
    """The line from one share of its length to another."""
    top, bottom = line.quad[1] - line.quad[0], line.quad[2] - line.quad[3]
    corners = (
        line.quad[0] + start * top,
        line.quad[0] + end * top,
        line.quad[3] + end * bottom,
        line.quad[3] + start * bottom,
    )
    return TextLine(np.array(corners, dtype=np.float32), line.score)


def _part_figures(pixels: Pixels, lines: Sequence[TextLine], glyph: float) -> list[TextLine]:
    """The lines, with those that are figures below each other parted: DB takes a table's narrow column for one line, or
    for two that share a row. `glyph`: height of the picture's glyphs."""
    kept: list[TextLine] = []
    parted: list[TextLine] = []
    for line in lines:
        found = _find_figures(pixels, line, glyph) if len(parted) < MAX_FIGURES else []
        (parted if found else kept).extend(found or [line])
    if not parted:
        return kept
    near: defaultdict[tuple[int, int], list[Box]] = defaultdict(list)
    for line in kept:
        _put_in_cells(near, line.box)
    for line in parted:
        x1, y1, x2, y2 = box = line.box
        # One that holds most of it holds its middle.
        others = near[(x1 + x2) // (2 * CELL), (y1 + y2) // (2 * CELL)]
        if not any(intersection_area(box, other) > SAME * area(box) for other in others):
            kept.append(line)
            _put_in_cells(near, box)
    return kept


def part_at_fractions(lines: Sequence[TextLine], ink: Ink) -> list[TextLine]:
    """The lines, with each fraction as a line of its own in the place of those that hold a part of it."""
    result = list(lines)
    for one in _drop_strokes(find_fractions(ink), lines):
        holders = [line for line in result if _holds_part(line.box, one)]
        if not holders:
            continue
        rest = [part for line in holders for part in _cut_out(line, one, ink)]
        result = [line for line in result if not any(line is holder for holder in holders)]
        result += [*rest, _make_fraction(one, ink)]
    return result


def _drop_strokes(fractions: Sequence[Fraction], lines: Sequence[TextLine]) -> list[Fraction]:
    """The fractions without those in a line that runs down the page, where strokes of Chinese signs stand above each
    other: it holds more than fractions."""
    strokes: set[int] = set()
    for line in lines if fractions else ():
        held = [index for index, one in enumerate(fractions) if _holds_part(line.box, one)]
        heights = [_height(fractions[index].box) for index in held]
        if held and _height(line.box) > MAX_HOLDER * max(heights) and sum(heights) < COLUMN * _height(line.box):
            strokes.update(held)
    return [one for index, one in enumerate(fractions) if index not in strokes]


def _holds_part(line: Box, one: Fraction) -> bool:
    shared = intersection_area(line, one.box)
    return shared > HELD * min(area(line), area(one.box))


def _make_fraction(one: Fraction, ink: Ink) -> TextLine:
    x1, y1, x2, y2 = one.box
    margin = max(2, round(FRACTION_MARGIN * ink.height))
    box = clip((x1 - margin, y1 - margin, x2 + margin, y2 + margin), ink.size[1], ink.size[0])
    height = _height(box)
    return replace(upright_line(box), bar=((one.top - box[1]) / height, (one.bottom - box[1]) / height))


def _cut_out(line: TextLine, one: Fraction, ink: Ink) -> list[TextLine]:
    """The parts of a line on both sides of a fraction that hold print: a line as high as the fraction is no higher than
    its print is then."""
    x1, y1, x2, y2 = line.box
    if y2 - y1 > MAX_HOLDER * _height(one.box):
        return []  # a column of fractions
    sides = [(x1, min(one.box[0], x2)), (max(one.box[2], x1), x2)]
    parts = []
    for left, right in sides:
        print_ = _find_print(ink, (left, y1, right, y2), one)
        if print_ is None:
            continue
        if y2 - y1 < MUCH * _height(one.box):
            parts.append(part_of(line, max(left - x1, 0) / (x2 - x1), (right - x1) / (x2 - x1)))
        else:
            margin = max(2, round(FRACTION_MARGIN * ink.height))
            box = print_[0] - margin, print_[1] - margin, print_[2] + margin, print_[3] + margin
            parts.append(upright_line(clip(box, ink.size[1], ink.size[0]), line.score))
    return parts


def _find_print(ink: Ink, box: Box, one: Fraction) -> Box | None:
    """Bounds of the glyphs whose middles lie in a box beside a fraction, in its rows."""
    x, y, width, height, _ = ink.components.T
    across, down = x + width / 2, y + height / 2
    inside = (across > box[0]) & (across < box[2]) & (down > box[1]) & (down < box[3]) & (height >= MIN_GLYPH)
    inside &= height <= _height(one.box)
    if not inside.any():
        return None
    left, top, right, bottom = x[inside].min(), y[inside].min(), (x + width)[inside].max(), (y + height)[inside].max()
    return int(left), int(top), int(right), int(bottom)


def _height(box: Box) -> int:
    return box[3] - box[1]


def _put_in_cells(cells: defaultdict[tuple[int, int], list[Box]], box: Box) -> None:
    """Adds a box to each cell of the page that it reaches into."""
    x1, y1, x2, y2 = (side // CELL for side in box)
    for place in product(range(x1, x2 + 1), range(y1, y2 + 1)):
        cells[place].append(box)


def _find_figures(pixels: Pixels, line: TextLine, glyph: float) -> list[TextLine]:
    """The rows of figures in a line that is higher than wide, whole where its ends cut them; none if it is text. Two
    rows stand in the line itself: what is above and below may be no figures."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = clip(line.box, width, height)
    if y2 - y1 < FIGURE_COLUMN * (x2 - x1) or x2 <= x1:
        return []
    pair = find_figure_rows(pixels[y1:y2, x1:x2], glyph)
    y1, y2 = (y1, y2) if len(pair) == 2 else (max(0, y1 - (x2 - x1)), min(height, y2 + (x2 - x1)))
    found = pair if len(pair) == 2 else find_figure_rows(pixels[y1:y2, x1:x2])
    margin = round(FIGURE_MARGIN * float(np.median([bottom - top for _, top, _, bottom in found]))) if found else 0
    boxes = [(x1 + a - margin, y1 + b - margin, x1 + c + margin, y1 + d + margin) for a, b, c, d in found]
    return [upright_line(clip(box, width, height), line.score) for box in boxes]


def _part_initials(ink: Ink, lines: Sequence[TextLine]) -> list[TextLine]:
    """The lines, with large initials as lines of their own."""
    initials, cuts = find_initials_apart(ink, [line.box for line in lines])
    rest = [
        part_of(line, (cuts[at] - line.box[0]) / (line.box[2] - line.box[0]), 1.0) if at in cuts else line
        for at, line in enumerate(lines)
    ]
    return [*rest, *map(upright_line, initials)]


class LineDetector:
    """Thread-safe; one call uses one core. The model, of 30 MB and 100 more while it looks at a page, is loaded by the
    first call: an engine that is told the lines of its pictures hardly needs it.

    Raises FileNotFoundError where the model is not installed.
    """

    def __init__(self) -> None:
        measure_ahead(find_model("rapidocr", DETECTION_MODEL), USUAL_SHAPE)

    @cached_property
    def _session(self) -> Session:
        return load_session(find_model("rapidocr", DETECTION_MODEL), USUAL_SHAPE)

    @cached_property
    def _find_boxes(self) -> Any:  # noqa: ANN401 (RapidOCR has no types)
        from rapidocr.ch_ppocr_det.utils import DBPostProcess

        # RapidOCR's own settings of this model.
        return DBPostProcess(thresh=0.3, box_thresh=0.5, unclip_ratio=1.6, use_dilation=True)

    def __call__(self, pixels: Pixels, min_long_side: int = MIN_LONG_SIDE) -> list[TextLine]:
        """Lines of an RGB image, unordered. The image is scaled so that its glyphs are still `GLYPH_HEIGHT` high, but
        never below `min_long_side` unless it is smaller itself."""
        if min(pixels.shape[:2]) < MIN_GLYPH:
            return []
        pixels = reduce_noise(pixels)
        ink = find_ink(pixels)
        scale = detection_scale(pixels, min_long_side, ink.height)
        lines = self._find_all(pixels, scale)
        if ink.height:
            lines = self._find_blurred(pixels, ink, lines, scale) or self._look_again(pixels, ink, lines, scale)
        lines = _part_initials(ink, _part_figures(pixels, lines, ink.height))
        return join_at_leaders(part_at_fractions(lines, ink), ink)

    def look(self, pixels: Pixels) -> list[TextLine]:
        """Lines of the part of an RGB image with most ink, as large as one look of the model may be: all lines of a
        usual page but those that only a second look shows."""
        if min(pixels.shape[:2]) < MIN_GLYPH:
            return []
        ink = find_ink(pixels)
        scale = detection_scale(pixels, MIN_LONG_SIDE, ink.height)
        is_tall = pixels.shape[0] >= pixels.shape[1]
        places = ink.components[:, 1 if is_tall else 0]
        band = max(
            _bands(max(pixels.shape[:2]), scale), key=lambda one: ((places >= one.start) & (places < one.end)).sum()
        )
        part = pixels[band.start : band.end] if is_tall else pixels[:, band.start : band.end]
        x, y = (0, band.start) if is_tall else (band.start, 0)
        return [
            replace(line, quad=line.quad + np.array((x, y), dtype=np.float32))
            for line in self._find(reduce_noise(part), scale)
        ]

    def _find_all(self, pixels: Pixels, scale: float) -> list[TextLine]:
        is_tall = pixels.shape[0] >= pixels.shape[1]
        return [
            line
            for band in _bands(max(pixels.shape[:2]), scale)
            for line in self._find_in_band(pixels, band, is_tall, scale)
        ]

    def _find_blurred(self, pixels: Pixels, ink: Ink, lines: Sequence[TextLine], scale: float) -> list[TextLine]:
        """The lines of blurred print that the first look mostly lost, as they are found in it when it is sharp; none
        where they are not."""
        lost = _measure_loss(ink, lines)
        if lost <= MOSTLY_LOST or measure_sharpness(pixels) >= BLURRED:
            return []
        area = pixels.shape[0] * pixels.shape[1]
        larger = min(SHARP_GLYPH / ink.height, 2.0, math.sqrt(LOST_AREA / area))
        found = self._find_all(sharpen(pixels), max(scale, larger))
        return found if _measure_loss(ink, found) < lost / 2 else []

    def _look_again(self, pixels: Pixels, ink: Ink, lines: list[TextLine], scale: float) -> list[TextLine]:
        """The lines with those of glyphs that none of them holds, as far as the bounds of such work allow."""
        seen = ink.height * scale
        target = min(SECOND_GLYPH, max(SECOND_ENLARGED * seen, GLYPH_HEIGHT)) / ink.height
        larger = min(2.0, target)
        if larger <= scale:
            return lines
        first = pixels.shape[0] * pixels.shape[1] * scale**2
        middles = glyph_middles(ink)
        points = _Points(middles)
        are_smears = [_is_smear(line, ink, points) for line in lines]
        smears = [line for line, is_smear in zip(lines, are_smears, strict=True) if is_smear]
        lines = [line for line, is_smear in zip(lines, are_smears, strict=True) if not is_smear]
        quads = [line.quad for line in lines]
        left = float(MAX_SECOND_AREA if seen < MIN_GLYPH else max(MIN_SECOND_AREA, first))
        if len(find_stray_glyphs(ink, quads)) > MOSTLY_LOST * len(middles):
            left = max(left, LOST_AREA)
        for x1, y1, x2, y2 in find_stray_windows(ink, quads)[:MAX_WINDOWS]:
            window = min(larger, MAX_LONG_SIDE / max(x2 - x1, y2 - y1))
            left -= (x2 - x1) * (y2 - y1) * window**2
            if left < 0:
                break
            found = self._find(pixels[y1:y2, x1:x2], window)
            moved = [replace(line, quad=line.quad + np.array((x1, y1), dtype=np.float32)) for line in found]
            lines = _merge_lines(lines, moved)
        return restore_smears(lines, smears, middles)

    def _find(self, part: Pixels, scale: float) -> list[TextLine]:
        small = _pad(_resize(part, scale))
        boxes, scores = self._find_boxes_in(small)
        if not len(boxes):
            return []
        quads = np.asarray(boxes, dtype=np.float32) / scale
        quads = quads.clip(0, np.array((part.shape[1], part.shape[0]), dtype=np.float32))
        return [TextLine(quad, float(score)) for quad, score in zip(quads, scores, strict=True)]

    def _find_boxes_in(self, pixels: Pixels) -> tuple[Any, Any]:
        """Corners (n, 4, 2) of text in a picture that the model takes, and their scores."""
        height, width = (max(STRIDE, round(side / STRIDE) * STRIDE) for side in pixels.shape[:2])
        recompiles = self._session.recompiles
        padded = (height + _missing(height), width + _missing(width)) if recompiles else (height, width)
        with self._session.run(make_input(pixels, (height, width), padded, fill=1.0)) as outputs:
            probabilities = outputs[0][:, :, :height, :width]
            return tuple(self._find_boxes(probabilities, pixels.shape[:2]))

    def _find_in_band(self, pixels: Pixels, band: _Band, is_tall: bool, scale: float) -> list[TextLine]:
        part = pixels[band.start : band.end] if is_tall else pixels[:, band.start : band.end]
        shift = np.array((0, band.start) if is_tall else (band.start, 0), dtype=np.float32)
        lines = [replace(line, quad=line.quad + shift) for line in self._find(part, scale)]
        return [line for line in (_cut(line, band, is_tall) for line in lines) if line is not None]


@dataclass(frozen=True, slots=True)
class _Band:
    """Part `start` to `end` of the long side; lines found in it count from `first` to `last`."""

    start: int
    end: int
    first: int
    last: int


def _bands(length: int, scale: float) -> list[_Band]:
    step, overlap = int((MAX_LONG_SIDE - BAND_OVERLAP) / scale), round(BAND_OVERLAP / scale)
    if length * scale <= MAX_LONG_SIDE:
        return [_Band(0, length, 0, length)]
    starts = range(0, max(length - overlap, 1), step)
    return [
        _Band(start, min(start + step + overlap, length), start and start + overlap // 2, start + step + overlap // 2)
        if start + step + overlap < length
        else _Band(start, length, start and start + overlap // 2, length)
        for start in starts
    ]


def _cut(line: TextLine, band: _Band, is_tall: bool) -> TextLine | None:
    """The line if it counts in its band: by its middle down a page, piece by piece along a row that goes on and on."""
    if is_tall:
        return line if band.first <= line.quad[:, 1].mean() <= band.last else None
    quad = line.quad.copy()
    quad[:, 0] = quad[:, 0].clip(band.first, band.last)
    return TextLine(quad, line.score) if np.ptp(quad[:, 0]) > 1 else None


def _measure_loss(ink: Ink, lines: Sequence[TextLine]) -> float:
    """Share of the glyphs that no line holds, or only one that is a smear."""
    middles = glyph_middles(ink)
    points = _Points(middles)
    quads = [line.quad for line in lines if not _is_smear(line, ink, points)]
    return len(find_stray_glyphs(ink, quads)) / max(len(middles), 1)


def _is_smear(line: TextLine, ink: Ink, middles: _Points) -> bool:
    """Whether the model took several rows for one line, as it does with blurred print: a level line that is much higher
    than the glyphs in it, which are many. A watermark is slanted, a title's glyphs are as high as itself, and a line
    that runs down the page is narrow. `middles`: of the picture's glyphs."""
    (x1, y1), (x2, y2) = line.quad[0], line.quad[1]
    is_level = abs(y2 - y1) <= MAX_SLOPE * abs(x2 - x1)
    height = (line.quad[3:1:-1, 1] - line.quad[:2, 1]).mean()
    if not is_level or min(height, x2 - x1) < SMEAR_HEIGHT * ink.height:
        return False
    return len(middles.find_inside(line)) >= MIN_SMEARED


class _Points:
    """Points x, y, shape (n, 2), among which those in an outline are found by looking at those of its height only."""

    def __init__(self, points: Boxes) -> None:
        self._order = np.argsort(points[:, 1], kind="stable")
        self._sorted = points[self._order]

    def find_inside(self, line: TextLine) -> NDArray[np.intp]:
        """The places of the points that lie in the line's outline."""
        heights = self._sorted[:, 1]
        first, end = (
            np.searchsorted(heights, line.quad[:, 1].min()),
            np.searchsorted(heights, line.quad[:, 1].max(), "right"),
        )
        sides = np.roll(line.quad, -1, axis=0) - line.quad
        offsets = self._sorted[first:end, None] - line.quad
        is_within = sides[:, 0] * offsets[..., 1] >= sides[:, 1] * offsets[..., 0]
        return np.asarray(self._order[first:end][is_within.all(axis=1)], dtype=np.intp)


def restore_smears(lines: Sequence[TextLine], smears: Sequence[TextLine], middles: Boxes) -> list[TextLine]:
    """The lines with those smears whose glyphs, by their `middles`, most are in none: a row of them is not all of it.

    `middles`: x, y in pixels, shape (n, 2).
    """
    if not smears:
        return list(lines)
    held, points = np.zeros(len(middles), dtype=np.bool_), _Points(middles)
    for line in lines:
        held[points.find_inside(line)] = True
    own = [points.find_inside(smear) for smear in smears]
    lost = [smear for smear, places in zip(smears, own, strict=True) if held[places].sum() <= SAME * len(places)]
    return [*lines, *lost]


def _merge_lines(lines: list[TextLine], found: Sequence[TextLine]) -> list[TextLine]:
    """`lines` and what was `found` beyond them; of one line seen twice the longer view stays."""
    boxes = np.array([line.box for line in lines], dtype=np.int64).reshape(-1, 4)
    for line in found:
        box = np.array([line.box], dtype=np.int64)
        are_twins = _share(box, boxes) > SAME
        for index in np.flatnonzero(are_twins).tolist():
            are_twins[index] = _are_twins(line, lines[index])
        if (_lengths(box) < LONGER * _lengths(boxes[are_twins])).any():
            continue
        lines = [*compress(lines, ~are_twins), line]
        boxes = np.concatenate([boxes[~are_twins], box])
    return lines


def _share(box: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """How much of the smaller one lies in the other, of a box and each of the others."""
    shared = (np.minimum(box[:, 2:], others[:, 2:]) - np.maximum(box[:, :2], others[:, :2])).clip(0).prod(axis=1)
    areas = [(one[:, 2:] - one[:, :2]).prod(axis=1) for one in (box, others)]
    return np.asarray(shared / np.maximum(np.minimum(*areas), 1), dtype=np.float64)


def _are_twins(line: TextLine, other: TextLine) -> bool:
    """Whether two lines whose upright boxes have much in common have so themselves: the box of a long line that lies
    askew holds parts of its neighbours."""
    outlines = [cv2.convexHull(one.quad) for one in (line, other)]
    areas = [cv2.contourArea(outline) for outline in outlines]
    if all(ASKEW * own >= area(one.box) for own, one in zip(areas, (line, other), strict=True)):
        return True
    shared, _ = cv2.intersectConvexConvex(outlines[0], outlines[1])
    return bool(shared > SAME * min(areas))


def _lengths(boxes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of their longer sides."""
    return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), dtype=np.int64)


def detection_scale(pixels: Pixels, min_long_side: int, glyph: float) -> float:
    """Factor for an image with glyphs of that height before detection: enlarges tiny print up to twice, shrinks large
    print."""
    short_side, long_side = sorted(pixels.shape[:2])
    wanted = GLYPH_HEIGHT / glyph if glyph else 1.0
    floor = min(1.0, min_long_side / long_side)
    most = min(2.0, MAX_SHORT_SIDE / short_side, math.sqrt(MAX_AREA / (short_side * long_side)))
    return float(min(max(wanted, floor), most))


def _resize(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), dtype=np.uint8)


def _pad(pixels: Pixels) -> Pixels:
    """White added below and on the right of what is thinner than the model takes."""
    height, width = pixels.shape[:2]
    missing = max(0, MIN_SIDE - height, math.ceil(width / WIDEST) - height), max(0, MIN_SIDE - width)
    if not any(missing):
        return pixels
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), constant_values=255)


def _missing(side: int) -> int:
    """Pixels up to the next side of few: 128 apart for parts of a page, 64 for pages, whose sizes are alike."""
    step = 128 if side < 640 else 64
    return -side % step
