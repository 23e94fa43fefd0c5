"""Characters of a page's text layer: which of them its picture shows, and the words that those make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle
from gateway.intake.render.page_source import QUARTERS_SHIFT, CharacterFlag
from gateway.text_layer.characters import Mask, TextLayer

MIN_EM = 5.0
"""Pixels; nobody reads smaller print, and what is printed so is there for machines."""
MIN_HALVES = 6.0
"""Pixels of a glyph's width or height from which it has ink in both halves; a clip may have taken one."""
MARGIN = 0.6
"""Pixels by which ink may lie beside a glyph's box."""
SHIFT, RESIZED = 0.08, 0.85
"""A change of the baseline, in ems, and of the size, that ends a word: what follows is set higher, lower or smaller."""
GAP, OVERLAP = 0.25, 0.5
"""White space, and how far a character may go back, in ems, before a new word begins."""
_HYPHEN_AT_LINE_END = 2
"""What PDFium makes of a hyphen that divides a word."""
_SOFT_HYPHEN = 0xAD
_LAST_CODE = 0x10FFFF
_REORDERED = (
    range(0x590, 0x10A0),
    range(0x1780, 0x1900),
    range(0x1CD0, 0x1D00),
    range(0xFB1D, 0xFE00),
    range(0xFE70, 0xFEFF),
)
"""From right to left, or with signs that stand before what they follow."""
_MATH = (range(0x2200, 0x2300), range(0x2A00, 0x2B00), range(0x1D400, 0x1D800))
_MATH_IN_TEXT = (0x2212, 0x2215, 0x2219)
_MIXED_SCRIPTS = re.compile(r"[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]")
"""A Latin letter beside a Greek or Cyrillic one: a reading can't tell which of two that look alike a font means."""
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}

Edges = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Of each character of a layer, shape (n,). `is_seen`: the picture shows it whole, and large enough. `is_hidden`:
    it does not, in a place or in a way that somebody chose. Neither: white space."""

    is_seen: Mask
    is_hidden: Mask


class Glyph(NamedTuple):
    """A character as one font draws it. `shape`: the sides of its box and its depth below the baseline, in ems: another
    letter that passes for it is of another shape, nearly always."""

    font: str
    text: str
    shape: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """What stands together in the file and on the page. `first` and `last`: places of its characters in the layer;
    `is_spaced`: white space stands before it in the file. Lengths in pixels; `size` is the em.

    `flaw`: why its characters are not to be taken.
    """

    glyphs: tuple[Glyph, ...]
    box: Rectangle
    boxes: tuple[Rectangle, ...]
    baseline: float
    size: float
    first: int
    last: int
    is_spaced: bool
    flaw: str | None = None

    @property
    def text(self) -> str:
        return "".join(glyph.text for glyph in self.glyphs)


def find_visible(layer: TextLayer) -> Visibility:
    characters = layer.characters
    height, width = layer.ink.shape
    blank_codes = [code for code in np.unique(characters["code"]).tolist() if _is_blank(code)]
    is_blank = (characters["flags"] & CharacterFlag.SPACE > 0) | np.isin(characters["code"], blank_codes)
    is_painted = characters["flags"] & CharacterFlag.UNPAINTED == 0
    is_inside = (
        (characters["x2"] > 0) & (characters["x1"] < width) & (characters["y2"] > 0) & (characters["y1"] < height)
    )
    is_seen = ~is_blank & is_painted & is_inside & _has_ink(layer) & (characters["size"] >= MIN_EM)
    return Visibility(is_seen, ~is_blank & ~is_seen)


def _has_ink(layer: TextLayer) -> Mask:
    """Whether each character's box holds ink of the text, in all halves of it."""
    height, width = layer.ink.shape
    sums = cv2.integral(layer.ink.view(np.uint8))
    sides = [layer.characters[name].astype(np.float64) for name in ("x1", "y1", "x2", "y2")]
    x1, y1, x2, y2 = sides[0] - MARGIN, sides[1] - MARGIN, sides[2] + MARGIN, sides[3] + MARGIN
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2

    def has_ink(left: Edges, top: Edges, right: Edges, bottom: Edges) -> Mask:
        first, last = (np.clip(edge, 0, width).astype(np.int64) for edge in (np.floor(left), np.ceil(right)))
        upper, lower = (np.clip(edge, 0, height).astype(np.int64) for edge in (np.floor(top), np.ceil(bottom)))
        result: Mask = sums[lower, last] - sums[upper, last] - sums[lower, first] + sums[upper, first] > 0
        return result

    is_wide, is_high = sides[2] - sides[0] >= MIN_HALVES, sides[3] - sides[1] >= MIN_HALVES
    across = has_ink(x1, y1, middle_x, y2) & has_ink(middle_x, y1, x2, y2)
    down = has_ink(x1, y1, x2, middle_y) & has_ink(x1, middle_y, x2, y2)
    result: Mask = has_ink(x1, y1, x2, y2) & (across | ~is_wide) & (down | ~is_high)
    return result


@cache
def _is_blank(code: int) -> bool:
    """Whether a character has no ink of its own."""
    if code in (0, _HYPHEN_AT_LINE_END, _SOFT_HYPHEN) or code > _LAST_CODE:
        return False
    return unicodedata.category(chr(code)) in ("Zs", "Zl", "Zp", "Cc", "Cf")


@cache
def _find_code_flaw(code: int) -> str | None:
    """Why a character that is seen can't be taken, by its Unicode alone."""
    if code > _LAST_CODE or code in (0, 0xFFFD) or unicodedata.category(chr(code)) in ("Co", "Cn", "Cs"):
        return "characters without a meaning that the file tells"
    if any(code in block for block in _REORDERED):
        return "a script whose letters the file may hold in another order"
    return "formulas" if any(code in block for block in _MATH) and code not in _MATH_IN_TEXT else None


def find_words(layer: TextLayer, is_seen: Mask) -> list[Word]:
    """The words of what is seen, in the file's order."""
    words: list[Word] = []
    run: list[int] = []
    is_spaced = next_is_spaced = True
    rows = layer.characters.tolist()
    for index, record in enumerate(rows):
        if not is_seen[index]:
            next_is_spaced = True
            continue
        if run and (next_is_spaced or not _goes_on(rows[run[-1]], record)):
            words.append(_make_word(layer, rows, run, is_spaced=is_spaced))
            run = []
        if not run:
            is_spaced = next_is_spaced
        run.append(index)
        next_is_spaced = False
    if run:
        words.append(_make_word(layer, rows, run, is_spaced=is_spaced))
    return words


Record = tuple[int, int, int, float, float, float, float, float, float, float]


def _goes_on(before: Record, record: Record) -> bool:
    size, other = record[9], before[9]
    if abs(record[8] - before[8]) > SHIFT * max(size, other) or min(size, other) < RESIZED * max(size, other):
        return False
    return -OVERLAP * size <= record[3] - before[5] <= GAP * size


def _make_word(layer: TextLayer, rows: Sequence[Record], run: Sequence[int], *, is_spaced: bool) -> Word:
    records = [rows[index] for index in run]
    boxes = tuple((record[3], record[4], record[5], record[6]) for record in records)
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    glyphs = tuple(_make_glyph(layer.fonts, record) for record in records)
    is_mixed = _MIXED_SCRIPTS.search("".join(glyph.text for glyph in glyphs)) is not None
    return Word(
        glyphs=glyphs,
        box=(min(x1), min(y1), max(x2), max(y2)),
        boxes=boxes,
        baseline=float(np.median([record[8] for record in records])),
        size=max(record[9] for record in records),
        first=run[0],
        last=run[-1],
        is_spaced=is_spaced,
        flaw=next(filter(None, map(_find_flaw, records)), "letters of two scripts in a word" if is_mixed else None),
    )


def _find_flaw(record: Record) -> str | None:
    code, flags = record[:2]
    if flags & CharacterFlag.UNMAPPED:
        return "characters without a meaning that the file tells"
    if flags & CharacterFlag.SLANTED or flags >> QUARTERS_SHIFT:
        return "characters that do not stand upright"
    return _find_code_flaw(code)


def _make_glyph(fonts: Sequence[str], record: Record) -> Glyph:
    code, _, font, x1, y1, x2, y2, _, baseline, size = record
    text = "-" if code == _HYPHEN_AT_LINE_END else _LIGATURES.get(code) or chr(min(code, _LAST_CODE))
    shape = (round(32 * (x2 - x1) / size), round(32 * (y2 - y1) / size), round(32 * (y2 - baseline) / size))
    return Glyph(fonts[font], text, shape)
