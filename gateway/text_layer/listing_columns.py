"""Columns of typewriter print in a text layer: all letters are as wide, and the spaces of a listing mean something."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.text_layer.words import Word

MIN_GLYPHS, MIN_LETTERS = 3, 12
"""Glyphs of a word that tells the width of a letter, and letters of all such words at least."""
OFF, FITTING = 0.3, 0.9
"""So much of a letter a middle may be off its column, and so many must not be: letters are drawn beside it a little."""

NARROWEST, WIDEST = 0.3, 1.0
"""Width of a letter in ems: narrower ones lie over each other, and a row of them would have columns without end."""


@dataclass(frozen=True, slots=True)
class ListingColumns:
    """`left` edge of the first column and width of a letter, in pixels."""

    left: float
    pitch: float

    def set_row(self, words: Sequence[Word], spaces: Sequence[str]) -> str:
        """The words of a row in their columns. `spaces`: what stands before each of them at least."""
        text, end = "", 0
        for word, space in zip(words, spaces, strict=True):
            column = round((_left_edge(word, self.pitch) - self.left) / self.pitch)
            text += " " * max(len(space), column - end) + word.text
            end = column + _count_cells(word.text)
        return text


def find_listing_columns(words: Sequence[Word]) -> ListingColumns | None:
    """The columns in which the words stand; None where their print is not a typewriter's."""
    telling = [word for word in words if len(word.glyphs) >= MIN_GLYPHS]
    if sum(len(word.glyphs) for word in telling) < MIN_LETTERS:
        return None
    pitch = float(np.median(np.concatenate([_measure_pitches(word) for word in telling])))
    size = float(np.median([word.size for word in telling]))
    if not NARROWEST * size <= pitch <= WIDEST * size:
        return None
    off = np.concatenate([(np.diff(_middles(word)) / pitch - _find_steps(word)) for word in telling])
    edges = np.array([_left_edge(word, pitch) for word in words])
    phase = float(np.angle(np.exp(2j * np.pi * edges / pitch).mean())) / (2 * np.pi)
    places = edges / pitch - phase
    is_fitting = min(np.mean(np.abs(off) <= OFF), np.mean(np.abs(places - np.round(places)) <= OFF)) >= FITTING
    return ListingColumns((round(float(places.min())) + phase) * pitch, pitch) if is_fitting else None


def _measure_pitches(word: Word) -> list[float]:
    """Of each letter but the first: that of the whole word."""
    middles, cells = _middles(word), float(_find_steps(word).sum())
    return [float(middles[-1] - middles[0]) / cells] * (len(middles) - 1)


def _middles(word: Word) -> NDArray[np.float64]:
    return np.array([(x1 + x2) / 2 for x1, _, x2, _ in word.boxes])


def _find_steps(word: Word) -> NDArray[np.float64]:
    """From each middle to the next one, in letters."""
    cells = np.array([_count_cells(glyph.text) for glyph in word.glyphs])
    steps: NDArray[np.float64] = (cells[:-1] + cells[1:]) / 2
    return steps


def _left_edge(word: Word, pitch: float) -> float:
    x1, _, x2, _ = word.boxes[0]
    return (x1 + x2 - _count_cells(word.glyphs[0].text) * pitch) / 2


def _count_cells(text: str) -> int:
    """Columns that a text takes: two for each Chinese sign."""
    return sum(2 if unicodedata.east_asian_width(character) in ("W", "F") else 1 for character in text)
