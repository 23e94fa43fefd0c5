"""How much text a picture has room for in the smallest print."""

from __future__ import annotations

from dataclasses import dataclass

CHARACTER_AREA = 30
"""Pixels that a character of the smallest print takes with its margins (4 points at 144 dpi)."""
LINE_HEIGHT = 8
"""Pixels from line to line, and from column to column, in the smallest print."""


@dataclass(frozen=True, slots=True)
class TextCapacity:
    """What a region could hold in the smallest print: characters, and lines (or columns) along its longer side."""

    characters: int
    lines: int


def text_capacity(width: int, height: int) -> TextCapacity:
    """The room on a picture of so many pixels, as it is on the page, not enlarged."""
    return TextCapacity(width * height // CHARACTER_AREA, max(width, height) // LINE_HEIGHT)
