"""Columns of Chinese and Japanese set as rows: recognisers read upright signs beside each other, marks included, better
than a column laid on its side. And columns that are none: rows of figures below each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from textlines.glyphs import Pixels
from textlines.words import find_line_ink

CELL = 1.05
"""Height of a sign and its parts, in widths of the column's ink, at most; what is higher is several that touch."""
PITCH, ROW = 1.1, 1.3
"""Width and height of a sign's cell in the row, in widths of the column's ink."""
SMALL = 0.45
"""Largest side of a mark, of full stops and commas; they stand at the lower left of their cell in a row."""
MAX_CELLS = 200
MIN_ROWS, ROW_GAP = 3, 0.35
"""So many rows at least, and so much white space between two of them, as a share of their height, usually: signs of a
column stand closer, and so do the letters of a line that runs up or down."""
FIGURE, FIGURES = 0.8, 0.9
"""Width of a figure as a share of its height, and the share of rows without a wider one: signs are as wide as high."""
MIN_FIGURE, BAR, BARS = 8, 0.85, 0.5
"""Height of a figure in pixels at least; ink of a bar, as a share of its box, and the share of rows from which on they
are no figures but the dashes or dots of a rule."""
UNLIKE = 1.5
"""The highest row of figures beside the lowest."""
PAIR, LIKE, FRAGMENT = 2, 1.25, 0.25
"""So many rows will do where both are as high as the page's glyphs, but for this factor; what is lower than that share
of them is a piece of the next row."""


def set_as_row(column: Pixels) -> Pixels | None:
    """The signs of an RGB column, from the top, as a row from the left; None without ink."""
    gray = cv2.cvtColor(np.ascontiguousarray(column), cv2.COLOR_RGB2GRAY)
    _, binary = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    ink = binary.astype(np.bool_) if 2 * int(binary.sum()) <= binary.size else binary == 0
    across = np.flatnonzero(ink.any(axis=0))
    if not len(across):
        return None
    left, right = int(across[0]), int(across[-1]) + 1
    size = right - left
    cells = _find_cells(np.asarray(ink.any(axis=1), dtype=np.bool_), size)[:MAX_CELLS]
    pitch, height = round(PITCH * size), round(ROW * size)
    paper = np.median(column[::2, ::2].reshape(-1, 3), axis=0).astype(np.uint8)
    row = np.empty((height, pitch * len(cells) + size // 4, 3), dtype=np.uint8)
    row[:] = paper
    for place, (start, end) in enumerate(cells):
        sign, x, y = _place_sign(column[start:end, left:right], ink[start:end, left:right], pitch, height)
        x += size // 8 + pitch * place
        row[y : y + sign.shape[0], x : x + sign.shape[1]] = sign
    return row


def find_figure_rows(column: Pixels, glyph: float | None = None) -> list[tuple[int, int, int, int]]:
    """Boxes of the rows of narrow figures that an RGB column is, from the top, without those that its ends cut; none
    where it is a column of signs, or a line of text that runs up or down. `glyph`: height of the page's glyphs, which
    tells a pair of rows from the parts of a sign."""
    ink = find_line_ink(column)
    bands = _find_runs(np.asarray(ink.any(axis=1), dtype=np.bool_))
    least = FRAGMENT * (glyph or 0.0)
    bands = [(start, end) for start, end in bands if start > 0 and end < len(ink) and end - start > least]
    heights = np.array([end - start for start, end in bands], dtype=np.float64)
    is_pair = len(bands) == PAIR and glyph is not None and bool((np.abs(np.log(heights / glyph)) <= np.log(LIKE)).all())
    if (len(bands) < MIN_ROWS and not is_pair) or heights.max() > UNLIKE * heights.min():
        return []
    gaps = np.array([below[0] - above[1] for above, below in pairwise(bands)], dtype=np.float64)
    if float(np.median(gaps)) < ROW_GAP * float(np.median(heights)):
        return []
    rows = [_find_runs(np.asarray(ink[start:end].any(axis=0), dtype=np.bool_)) for start, end in bands]
    sizes = [(row[-1][1] - row[0][0]) * (end - start) for row, (start, end) in zip(rows, bands, strict=True)]
    is_bar = [ink[start:end].sum() >= BAR * size for size, (start, end) in zip(sizes, bands, strict=True)]
    if float(np.median(heights)) < MIN_FIGURE or sum(is_bar) >= BARS * len(rows):
        return []
    widest = FIGURE * heights + 1  # a pixel more for soft edges
    is_narrow = [
        all(right - left <= most for left, right in row) for row, most in zip(rows, widest.tolist(), strict=True)
    ]
    if sum(is_narrow) < FIGURES * len(rows):
        return []
    return [(row[0][0], start, row[-1][1], end) for row, (start, end) in zip(rows, bands, strict=True)]


def _find_runs(has_ink: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], has_ink, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _find_cells(has_ink: NDArray[np.bool_], size: int) -> list[tuple[int, int]]:
    """Tops and bottoms of the signs: strokes together as far as they are one sign's, what touches in equal parts."""
    joined: list[tuple[int, int]] = []
    for start, end in _find_runs(has_ink):
        if joined and end - joined[-1][0] <= CELL * size:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    return [part for start, end in joined for part in _split_cell(start, end, max(1, round((end - start) / size)))]


def _split_cell(start: int, end: int, count: int) -> Sequence[tuple[int, int]]:
    return [(start + (end - start) * at // count, start + (end - start) * (at + 1) // count) for at in range(count)]


def _place_sign(sign: Pixels, ink: NDArray[np.bool_], pitch: int, height: int) -> tuple[Pixels, int, int]:
    """A sign, cut to its cell, and where it stands there: x, y."""
    across = np.flatnonzero(ink.any(axis=0))
    size = sign.shape[1]
    if len(across) and max(len(sign), int(np.ptp(across)) + 1) < SMALL * size:
        mark = sign[:height, across[0] : across[-1] + 1]
        return mark, 0, max(0, min(round(PITCH * size) - len(mark), height - len(mark)))
    sign = sign[:height, :pitch]
    return sign, (pitch - sign.shape[1]) // 2, (height - len(sign)) // 2
