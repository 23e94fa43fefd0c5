"""Where the words of a text line stand: its ink, parted where white space divides it. For both tiers."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle

Mask = NDArray[np.bool_]
"""Ink of a line that reads from left to right, shape (height, width)."""
Gap = tuple[int, int]
"""Columns without ink, from the first to the one behind the last."""
Pixels = NDArray[np.uint8]

NARROW, WIDE, FULL = 0.55, 1.4, 2.0
"""Widths of letters beside the usual one: `i`, `M`, and a Chinese character."""
SPACE = 0.55
_NARROW_LETTERS = frozenset("iljtfrI1.,;:'|!()[]/`\"°-‐")
_WIDE_LETTERS = frozenset("mwMWQ@%—ЖШЩЮжшщю&")
_CAPITAL = 1.25
GAP_WORTH = 2.0
"""How much a wide gap speaks for a border between words, beside how well the words' widths fit."""
MAX_GAP = 0.3
"""Of a line's height: a wider gap speaks no louder."""
MIN_SPREAD = 24
"""Grey levels between ink and paper; a picture with less holds no ink that could be told."""
SPECK = 0.02
"""Share of a line's height below which a column's ink is a speck."""


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word of a line; `box` in pixels of the line's picture."""

    text: str
    box: Rectangle


def text_width(text: str) -> float:
    """About how wide a text is printed, in usual letters."""
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if letter in _NARROW_LETTERS:
        return NARROW
    if letter in _WIDE_LETTERS:
        return WIDE
    if letter.isascii():
        return SPACE if letter == " " else _CAPITAL if letter.isupper() else 1.0
    if unicodedata.combining(letter):
        return 0.0
    return FULL if unicodedata.east_asian_width(letter) in "WF" else _CAPITAL if letter.isupper() else 1.0


def find_line_ink(pixels: Pixels) -> Mask:
    """The ink of an RGB picture of one line, dark on light or light on dark; none where nothing stands out."""
    import cv2  # a conversion worker, which needs the widths of letters alone, has no room for it

    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if int(gray.max()) - int(gray.min()) < MIN_SPREAD:
        return np.zeros(gray.shape, dtype=np.bool_)
    _, paper = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    ink: Mask = paper == 0
    return ~ink if ink.mean() > 1 / 2 else ink


def place_words(
    ink: Mask, words: Sequence[str], spans: Sequence[tuple[float, float]] | None = None
) -> list[PlacedWord]:
    """Each word with the box of its ink. `spans`: the middles of each word's first and last letter, in pixels, where
    they are known; else the words take the parts of the ink that fit their widths best.

    A line whose ink has too few gaps is parted by the words' widths alone.
    """
    height, width = ink.shape
    columns = np.flatnonzero(np.count_nonzero(ink, axis=0) > SPECK * height)
    if not len(columns) or not words:
        return [PlacedWord(word, box) for word, box in zip(words, _share_out(words, 0, width, height), strict=True)]
    start, end = int(columns[0]), int(columns[-1]) + 1
    gaps = _find_gaps(columns)
    borders = (
        _borders_between(spans, gaps) if spans else _fit_borders(words, gaps, start, end, height)
    ) or _share_borders(words, start, end)
    edges = [start, *(edge for border in borders for edge in border), end]
    return [
        PlacedWord(word, _tighten(ink, first, last))
        for word, first, last in zip(words, edges[::2], edges[1::2], strict=True)
    ]


def _find_gaps(columns: NDArray[np.intp]) -> list[Gap]:
    steps = np.flatnonzero(np.diff(columns) > 1)
    return [(int(columns[step]) + 1, int(columns[step + 1])) for step in steps]


def _borders_between(spans: Sequence[tuple[float, float]], gaps: Sequence[Gap]) -> list[Gap]:
    """The widest gap between each word's last letter and the next one's first; their middle where there is none."""
    borders = []
    for (_, last), (first, _) in pairwise(spans):
        between = [gap for gap in gaps if gap[0] < max(first, last + 1) and gap[1] > last]
        middle = round((first + last) / 2)
        borders.append(max(between, key=lambda gap: gap[1] - gap[0], default=(middle, middle)))
    return borders


def _fit_borders(words: Sequence[str], gaps: Sequence[Gap], start: int, end: int, height: int) -> list[Gap]:
    """The gaps at which the words' widths fit best, wide ones first; empty where there are fewer gaps than borders."""
    count = len(words) - 1
    if len(gaps) < count:
        return []
    unit = (end - start) / (sum(map(text_width, words)) + SPACE * count)
    lefts = np.array([start, *(gap[1] for gap in gaps)], dtype=np.float64)
    rights = np.array([*(gap[0] for gap in gaps), end], dtype=np.float64)
    # Entry (i, j): a word from behind gap i - 1 (0: the line's start) to before gap j (the last: the line's end).
    widths = rights[np.newaxis, :] - lefts[:, np.newaxis]
    worth = np.array([*(GAP_WORTH * min((b - a) / height, MAX_GAP) / MAX_GAP for a, b in gaps), 0.0])
    costs = np.full(len(lefts), np.inf)
    costs[0] = 0.0
    choices = []
    for word in words:
        fit = np.where(widths > 0, ((widths - unit * text_width(word)) / (2 * unit)) ** 2, np.inf)
        total = costs[:, np.newaxis] + fit - worth[np.newaxis, :]
        choices.append(total.argmin(axis=0))
        best = total.min(axis=0)
        costs = np.array([np.inf, *best[:-1]])
    if not np.isfinite(best[-1]):
        return []
    borders, at = [], len(gaps)
    for choice in reversed(choices[1:]):
        at = int(choice[at]) - 1
        borders.append(gaps[at])
    return borders[::-1]


def _share_borders(words: Sequence[str], start: int, end: int) -> list[Gap]:
    edges = _edges(words, start, end)
    return [(round(last), round(first)) for (_, last), (first, _) in pairwise(edges)]


def _share_out(words: Sequence[str], start: int, end: int, height: int) -> list[Rectangle]:
    return [(first, 0, last, height) for first, last in _edges(words, start, end)]


def _edges(words: Sequence[str], start: int, end: int) -> list[tuple[float, float]]:
    """Where each word begins and ends if all letters have their usual widths."""
    unit = (end - start) / max(sum(map(text_width, words)) + SPACE * (len(words) - 1), 1e-6)
    edges, at = [], float(start)
    for word in words:
        after = at + unit * text_width(word)
        edges.append((at, after))
        at = after + unit * SPACE
    return edges


def _tighten(ink: Mask, first: int, last: int) -> Rectangle:
    """The box of the ink between two columns."""
    rows = np.flatnonzero(ink[:, first:last].any(axis=1))
    top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, ink.shape[0])
    return first, top, max(last, first + 1), bottom
