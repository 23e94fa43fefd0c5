"""Which faces a language is set in."""

from __future__ import annotations

from dataclasses import dataclass

from examples.fonts import Face


@dataclass(frozen=True, slots=True)
class Typeface:
    regular: Face
    bold: Face
    italic: Face


_SERIF = Typeface(Face.SERIF, Face.SERIF_BOLD, Face.SERIF_ITALIC)
_HAN = Typeface(Face.CJK_SERIF, Face.CJK_SERIF_BOLD, Face.CJK_SERIF)


def book_face(language: str) -> Typeface:
    """A typeface for running text. Chinese has no italics; its regular face stands in."""
    return _HAN if language == "zh" else _SERIF
