"""Pale slanted print under dark text, which detectors and recognisers take for a part of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import area, intersection_area
from textlines.detection import Quad, TextLine
from textlines.frame import MIN_REPEATED, find_frame, find_watermarks, line_axis
from textlines.glyphs import Pixels
from textlines.stamps import find_stamped_lines

Mask = NDArray[np.bool_]

PALE = 0.4, 0.94
"""Pale print lies between these shares of the way from the text's grey to the paper's."""
MIN_RANGE = 100
"""Grey levels between text and paper at least, or there is nothing between them to tell."""
STROKE = 5
"""Thinnest stroke in pixels: the soft edges of text are thinner."""
MAX_FILL = 0.6
"""Share of its upright box that a letter fills at most; a tinted cell fills more."""
MIN_SIZE = 24
"""Smallest height and width in pixels of what is taken away."""
MIN_CROSSED = 12
"""Pixels of dark print over a pale letter from which it lies under text: pale headings stand alone."""
FLAT = 12.0
"""Grey levels by which the pixels of a letter deviate at most: those of photos differ."""
MIN_LETTERS, MIN_SLANT = 2, 10.0
"""A watermark has so many such letters; half of them are turned by so many degrees or more, as upright print is not."""

BAND_LENGTH, BAND_WIDTH = 1.0, 1.4
"""A watermark that is small and repeated is cut to pieces by the lines that it crosses: each goes on in a band so many
times its length to both sides, so many times as wide as itself."""
MIN_PALE_LENGTH = 4.0
"""Of pale text beside its height: shorter ones are scraps of a watermark."""
SAME = 0.5
"""Share of a line that a piece of a watermark holds from which on it is the same."""


def find_page_lines(detect: Callable[[Pixels], list[TextLine]], pixels: Pixels) -> list[TextLine]:
    """The lines that `detect` finds in an RGB page, those under coloured stamps too, and those of pale watermarks once:
    where their pieces are found, the text is looked for once more without them."""
    lines = _find_unmarked(detect, pixels)
    return [*lines, *find_stamped_lines(detect, pixels, lines)]


def _find_unmarked(detect: Callable[[Pixels], list[TextLine]], pixels: Pixels) -> list[TextLine]:
    clean = erase_watermarks(pixels)
    lines = detect(clean)
    found = find_watermarks(lines, find_frame(lines, pixels.shape[1], pixels.shape[0]))
    marks = [lines[index] for index in sorted(found)]
    without = erase_pieces(clean, [mark.quad for mark in marks]) if marks else clean
    if without is clean:
        return lines
    again = [line for line in detect(without) if not any(_is_same(line, mark) for mark in marks)]
    lost = [line for index, line in enumerate(lines) if index not in found and _is_pale_text(line, again)]
    return [*again, *lost, *marks]


def _is_pale_text(line: TextLine, again: Sequence[TextLine]) -> bool:
    """Whether a line that is not found again is text as pale as the watermark, and longer than a scrap of that."""
    x1, y1, x2, y2 = line.box
    is_found = any(intersection_area(line.box, other.box) > SAME * area(line.box) for other in again)
    return not is_found and max(x2 - x1, y2 - y1) >= MIN_PALE_LENGTH * min(x2 - x1, y2 - y1)


def _is_same(line: TextLine, mark: TextLine) -> bool:
    """Whether a line is what is left of a watermark's piece. Upright boxes of level lines are no part of it."""
    (x1, y1), (x2, y2) = line_axis(line.quad.astype(np.float64))[:2]
    is_slanted = min(abs(x2 - x1), abs(y2 - y1)) > np.tan(np.radians(MIN_SLANT)) * max(abs(x2 - x1), abs(y2 - y1))
    return bool(is_slanted) and intersection_area(line.box, mark.box) > SAME * area(line.box)


def erase_pieces(pixels: Pixels, pieces: Sequence[Quad]) -> Pixels:
    """The RGB picture with pale print made paper along the pieces of slanted watermarks, or everywhere where there are
    many; itself where they are dark."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    sample = gray[::4, ::4]
    dark, paper = float(np.percentile(sample, 1)), float(np.percentile(sample, 90))
    low = dark + PALE[0] * (paper - dark)
    bands = np.zeros(gray.shape, dtype=np.uint8)
    pale_pieces = 0
    for piece in pieces:
        own = cv2.fillConvexPoly(np.zeros_like(bands), cv2.convexHull(piece.round().astype(np.int32)), (1,))
        ink = gray[(own > 0) & (gray < dark + PALE[1] * (paper - dark))]
        if len(ink) and np.median(ink) >= low:
            pale_pieces += 1
            cv2.fillConvexPoly(bands, _find_band(piece), (1,))
    if pale_pieces >= MIN_REPEATED:
        bands[:] = 1
    if paper - dark < MIN_RANGE or not bands.any():
        return pixels
    near_text = cv2.dilate((gray < low).astype(np.uint8), np.ones((3, 3), np.uint8))
    result = pixels.copy()
    result[(bands > 0) & (near_text == 0)] = np.median(pixels[gray >= paper], axis=0)
    return result


def _find_band(piece: Quad) -> NDArray[np.int32]:
    start, end, half = line_axis(piece.astype(np.float64))
    run = end - start
    across = np.array((-run[1], run[0])) / max(float(np.linalg.norm(run)), 1.0) * half * BAND_WIDTH
    first, last = start - BAND_LENGTH * run, end + BAND_LENGTH * run
    corners = np.array((first + across, last + across, last - across, first - across))
    return corners.round().astype(np.int32)


def erase_watermarks(pixels: Pixels) -> Pixels:
    """The RGB picture with pale letters under dark text made paper; the picture itself where there are none."""
    gray = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    sample = gray[::4, ::4]
    dark, paper = float(np.percentile(sample, 1)), float(np.percentile(sample, 90))
    if paper - dark < MIN_RANGE:
        return pixels
    low, high = (dark + share * (paper - dark) for share in PALE)
    pale = np.asarray(cv2.inRange(gray, np.array(low), np.array(high)), dtype=np.uint8) & 1
    kernel = np.ones((STROKE, STROKE), np.uint8)
    strokes = np.asarray(cv2.morphologyEx(pale, cv2.MORPH_OPEN, kernel), dtype=np.uint8)
    if not cv2.countNonZero(strokes):
        return pixels
    under = _find_crossed_letters(strokes, gray, gray < low)
    if not under.any():
        return pixels
    result = pixels.copy()
    grown = cv2.dilate(under, kernel) > 0
    result[grown & (gray >= low)] = np.median(pixels[gray >= paper], axis=0)
    return result


def _find_crossed_letters(strokes: Pixels, gray: Pixels, is_dark: NDArray[np.bool_]) -> Pixels:
    """The letters of slanted print that dark print crosses. What a line of text cuts into pieces is one letter."""
    bridged = cv2.morphologyEx(strokes, cv2.MORPH_CLOSE, np.ones((STROKE, STROKE), np.uint8))
    # The algorithm for blocks takes half the time of the default.
    _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(bridged, 8, cv2.CV_32S, cv2.CCL_BBDT)
    x, y, width, height, area = stats.T
    fits = (np.minimum(width, height) >= MIN_SIZE) & (area < MAX_FILL * width * height)
    slants = {}
    for index in (np.flatnonzero(fits[1:]) + 1).tolist():
        part = slice(y[index], y[index] + height[index]), slice(x[index], x[index] + width[index])
        letter = labels[part] == index
        if _is_letter(letter, strokes[part] > 0, gray[part], is_dark[part]):
            slants[index] = _slant(letter)
    if len(slants) < MIN_LETTERS or np.median(list(slants.values())) < MIN_SLANT:
        return np.zeros_like(strokes)
    return np.isin(labels, list(slants)).astype(np.uint8)


def _is_letter(letter: Mask, is_stroke: Mask, gray: Pixels, is_dark: Mask) -> bool:
    near = cv2.dilate(letter.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return bool((near & is_dark).sum() >= MIN_CROSSED and gray[letter & is_stroke].std() <= FLAT)


def _slant(letter: Mask) -> float:
    """Degrees by which the smallest rectangle around the letter is turned, 0 to 45."""
    points = np.argwhere(letter).astype(np.float32)
    angle = cv2.minAreaRect(points)[2] % 90
    return float(min(angle, 90 - angle))
