"""Columns of a text in typewriter print, where spaces carry meaning: in listings, in what terminals show.

The pieces of a text tell whether all characters are as wide: then each piece is as wide as its characters are many.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from common.geometry import Box

MIN_PIECES = 4
MIN_CHARACTERS = 6
MIN_DIFFERENCE = 3
"""Two pieces whose numbers of characters differ by less say little of a character's width."""
OFF, LOOSE, FITTING = 0.35, 0.2, 0.7
"""So much of a character, or of its height, a piece may be off, and so many of the pieces may not: letters are lost,
ligatures read as one, boxes are loose by their height."""
MAX_PIECES = 60
NARROWEST, WIDEST = 0.25, 0.9
"""Width of a character, as a share of its piece's height."""


@dataclass(frozen=True, slots=True)
class CharacterGrid:
    """`left` edge of the text and width of a character, in pixels."""

    left: float
    pitch: float

    def column(self, x: float) -> int:
        return max(0, round((x - self.left) / self.pitch))

    def gap(self, left: Box, right: Box) -> int:
        """Spaces between two pieces of a row, at least one."""
        return max(1, round((right[0] - left[2]) / self.pitch))


def find_grid(pieces: Sequence[tuple[Box, str]]) -> CharacterGrid | None:
    """The columns of a text by its pieces and their boxes; None where its print is not a typewriter's."""
    measured = [(box, len(text)) for box, text in pieces if _is_measurable(box, text)][:MAX_PIECES]
    if len(measured) < MIN_PIECES:
        return None
    counts = np.asarray([count for _, count in measured], dtype=np.float64)
    widths = np.asarray([box[2] - box[0] for box, _ in measured], dtype=np.float64)
    slopes = [
        (widths[b] - widths[a]) / (counts[b] - counts[a])
        for a, b in combinations(range(len(measured)), 2)
        if abs(counts[b] - counts[a]) >= MIN_DIFFERENCE
    ]
    if len(slopes) < MIN_PIECES:
        return None
    pitch = float(np.median(slopes))
    height = float(np.median([box[3] - box[1] for box, _ in measured]))
    if not NARROWEST * height <= pitch <= WIDEST * height:
        return None
    off = widths - pitch * counts
    is_fitting = float(np.mean(np.abs(off - np.median(off)) <= max(OFF * pitch, LOOSE * height))) >= FITTING
    return CharacterGrid(_left_edge([box[0] for box, _ in pieces], pitch), pitch) if is_fitting else None


def _left_edge(edges: Sequence[int], pitch: float) -> float:
    """Where the first column begins: boxes are loose, so all that begin in it count."""
    return float(np.median([edge for edge in edges if edge < min(edges) + pitch]))


def _is_measurable(box: Box, text: str) -> bool:
    """Whether it is one row of letters that are as wide as one another in typewriter print."""
    is_level = box[2] - box[0] > box[3] - box[1]
    return is_level and len(text) >= MIN_CHARACTERS and not any(map(_is_wide, text))


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")
