"""Pale slanted print under dark text, which detectors and recognisers take for a part of it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from textlines.glyphs import Pixels

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
