"""Bad pictures made better for the search for lines: grain of scans and photos in the dark, which detectors take for
dots of a leader and for the ends of letters, and blur, in which they take rows for one another."""

from __future__ import annotations

import math
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from textlines.glyphs import Pixels, count_strip_rows, map_strips

MIN_NOISE = 4.0
"""Grey levels of deviation from which on a picture is grainy: print, JPEG and paper stay below 2."""
TILES, TILE_SIDE = 8, 48
"""Per side of the picture, and pixels: where the noise is measured."""
KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)
"""Blind to edges and slopes (J. Immerkær, "Fast Noise Variance Estimation", 1996)."""
CALM = 0.2
"""Quantile of the tiles that tells: in others is print, whose texture is no noise."""
PAPER = 0.1
"""Quantile of a tile's pixels that tells: small print without margins fills half of it with edges, and leaves so much
paper between its letters."""
TO_DEVIATION = 6 * NormalDist().inv_cdf((1 + PAPER) / 2)
"""That quantile of the kernel's absolute answers to noise of deviation 1."""
APERTURE = 3
BLURRED = 0.55
"""Of the contrast of an edge, what two neighbouring pixels have of it. Print and its JPEGs have 0.65 and more, what a
Gaussian of one pixel blurs has 0.5 and less."""
LEVELS = 256
EDGE_SIDE, MIN_CONTRAST = 5, 48
"""Side in pixels of the square that holds an edge, and the grey levels that differ in it at least."""
DEVIATION, AMOUNT = 1.5, 2.0
"""Of the Gaussian that an unsharp mask takes off, and how many times."""


def reduce_noise(pixels: Pixels) -> Pixels:
    """The RGB picture with medians of each 3 x 3 pixels where it is grainy; any other as it is, after some 2 ms.

    For the search for lines only: recognisers read grain better than what is left of small letters.
    """
    if measure_noise(pixels) < MIN_NOISE:
        return pixels
    return np.asarray(cv2.medianBlur(pixels, APERTURE), dtype=np.uint8)


def measure_noise(pixels: Pixels) -> float:
    """Deviation in grey levels, 0 for even paper."""
    height, width = pixels.shape[:2]
    if min(height, width) <= APERTURE:
        return 0.0
    tiles = [
        cv2.filter2D(cv2.cvtColor(pixels[y : y + TILE_SIDE, x : x + TILE_SIDE], cv2.COLOR_RGB2GRAY), cv2.CV_32F, KERNEL)
        for y in range(0, height, max(math.ceil(height / TILES), TILE_SIDE))
        for x in range(0, width, max(math.ceil(width / TILES), TILE_SIDE))
    ]
    return float(np.quantile([np.quantile(np.abs(tile), PAPER) for tile in tiles], CALM)) / TO_DEVIATION


def measure_sharpness(pixels: Pixels) -> float:
    """Of the contrast of an RGB picture's edges, the share that two neighbouring pixels have: 1 for black and white.

    Strip by strip, of which only the counts of each contrast and step are kept.
    """
    rows = count_strip_rows(pixels)
    counts = np.zeros(LEVELS * LEVELS, dtype=np.int64)
    for start in range(0, pixels.shape[0], rows):
        top, bottom = max(start - EDGE_SIDE, 0), start + rows + EDGE_SIDE
        inner = slice(start - top, start - top + rows)
        contrast, steepest = (levels[inner] for levels in _measure_edges(pixels[top:bottom]))
        are_edges = contrast >= MIN_CONTRAST
        places = contrast[are_edges].astype(np.int32) * LEVELS + steepest[are_edges]
        counts += np.bincount(places, minlength=LEVELS * LEVELS)
    return _find_median(counts) if counts.any() else 1.0


def _measure_edges(pixels: Pixels) -> tuple[Pixels, Pixels]:
    """Around each pixel of an RGB picture, the contrast and the most that two neighbouring pixels differ by."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    around = np.ones((EDGE_SIDE, EDGE_SIDE), np.uint8)
    step = np.zeros_like(gray)
    step[:, 1:] = cv2.absdiff(gray[:, 1:], gray[:, :-1])
    step[1:] = np.maximum(step[1:], cv2.absdiff(gray[1:], gray[:-1]))
    contrast, steepest = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, around), cv2.dilate(step, around)
    return np.asarray(contrast, dtype=np.uint8), np.asarray(steepest, dtype=np.uint8)


def _find_median(counts: NDArray[np.int64]) -> float:
    """Of steps beside their contrast; `counts`: of each contrast, and in it of each step."""
    levels = np.arange(LEVELS, dtype=np.float32)
    shares = (levels / levels[:, np.newaxis].clip(1)).ravel()
    order = np.argsort(shares, kind="stable")
    ends = np.cumsum(counts[order])
    middle = np.searchsorted(ends, ((ends[-1] - 1) // 2, ends[-1] // 2), side="right")
    return float(shares[order[middle]].mean())


def sharpen(pixels: Pixels) -> Pixels:
    """The picture with an unsharp mask."""

    def mask(part: Pixels) -> Pixels:
        soft = cv2.GaussianBlur(part, (0, 0), DEVIATION)
        return np.asarray(cv2.addWeighted(part, 1 + AMOUNT, soft, -AMOUNT, 0), dtype=np.uint8)

    return map_strips(pixels, mask, math.ceil(4 * DEVIATION))
