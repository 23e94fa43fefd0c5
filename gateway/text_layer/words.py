"""Characters of a page's text layer: which of them its picture shows, and the words that those make."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Rectangle, union
from gateway.intake.render.page_source import QUARTERS_SHIFT, CharacterFlag
from gateway.model import Pixels
from gateway.text_layer.characters import Characters, Mask, TextLayer
from gateway.text_layer.drawings import JOINED, DrawingIndex, Drawn, find_drawings
from gateway.text_layer.signs import is_plain

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
_UNMAPPED = "characters without a meaning that the file tells"
_DRAWN_BLANK = "white space that is drawn"
_OVERLAID = "characters in one place"
_UNCLAIMED = "print without a character"
_AROUND, _MIN_UNCLAIMED = 2, 2
"""Pixels around a character's box that are its own, and sides of a spot outside of all from which it is print. On 60
real files there is no pixel outside, but where letters are drawn with an outline of their own, which is a pixel wide.
"""
_MAX_SHARED = 0.5
"""Of a character's box, that the next one's may cover."""
_JOINED = frozenset(["ff", "fi", "fl", "fj", "fb", "fh", "fk", "ft", "tf", "ti", "tt", "st", "ct", "Th", "ij", "IJ"])
"""Neighbours in ligatures, of which PDFium makes letters in one place; other letters in one place are two."""
_OTHERS_SHIFT = 16
"""Above the number of a drawing: what else is drawn around it."""
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}

Edges = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Of each character of a layer, shape (n,). `is_seen`: the picture shows it whole, and large enough. `is_hidden`:
    it does not, in a place or in a way that somebody chose. Neither: white space. White space that is seen is a letter
    that the file calls so."""

    is_seen: Mask
    is_hidden: Mask


class Glyph(NamedTuple):
    """A character as one font draws it. `shape`: the sides of its box and its depth below the baseline, in ems: another
    letter that passes for it is of another shape, nearly always. `drawing`: which of the document's drawings of the
    character it is, and among which other things drawn; or `JOINED`. `is_plain`: no letter, but a sign that its outline
    alone tells."""

    font: str
    text: str
    shape: tuple[int, int, int]
    drawing: int = 0
    is_plain: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """What stands together in the file and on the page. `first` and `last`: places of its characters in the layer;
    `is_spaced`: white space stands before it in the file. Lengths in pixels; `size` is the em.

    `flaw`: why its characters are not to be taken; `raised`: how it is written where it stands raised in its row.
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
    raised: str | None = None

    @property
    def text(self) -> str:
        return self.raised or "".join(glyph.text for glyph in self.glyphs)


def find_visible(layer: TextLayer) -> Visibility:
    characters = layer.characters
    height, width = layer.ink.shape
    blank_codes = [code for code in np.unique(characters["code"]).tolist() if _is_blank(code)]
    is_blank = (characters["flags"] & CharacterFlag.SPACE > 0) | np.isin(characters["code"], blank_codes)
    is_painted = characters["flags"] & CharacterFlag.UNPAINTED == 0
    is_inside = (
        (characters["x2"] > 0) & (characters["x1"] < width) & (characters["y2"] > 0) & (characters["y1"] < height)
    )
    sides = [characters[name].astype(np.float64) for name in ("x1", "y1", "x2", "y2")]
    is_painted &= is_inside & (characters["size"] >= MIN_EM)
    # White space has a box without a height, unless the file calls a letter so.
    is_seen = is_painted & _has_ink(layer, sides) & ~(is_blank & (sides[3] - sides[1] < MARGIN))
    return Visibility(is_seen, ~is_blank & ~is_seen)


def _has_ink(layer: TextLayer, sides: Sequence[Edges]) -> Mask:
    """Whether each box holds ink of the text, in all halves of it."""
    height, width = layer.ink.shape
    sums = cv2.integral(layer.ink.view(np.uint8))
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
    if _is_blank(code):
        return _DRAWN_BLANK
    if code > _LAST_CODE or code in (0, 0xFFFD) or unicodedata.category(chr(code)) in ("Co", "Cn", "Cs"):
        return _UNMAPPED
    if any(code in block for block in _REORDERED):
        return "a script whose letters the file may hold in another order"
    return "formulas" if any(code in block for block in _MATH) and code not in _MATH_IN_TEXT else None


def find_words(layer: TextLayer, is_seen: Mask, pixels: Pixels, index: DrawingIndex) -> list[Word]:
    """The words of what is seen, in the file's order. `index`: of the document's drawings."""
    places = np.flatnonzero(is_seen)
    if not len(places):
        return []
    characters = layer.characters[places]
    is_spaced = np.append(True, np.diff(places) > 1)
    is_joined = _find_joined(characters)
    starts = np.flatnonzero(is_spaced | ~_goes_on(characters, is_joined)).tolist()
    drawn = find_drawings(pixels, layer, characters)
    glyphs = _make_glyphs(layer.fonts, characters, is_joined, drawn, index)
    boxes = list(zip(*(characters[name].tolist() for name in ("x1", "y1", "x2", "y2")), strict=True))
    baselines, sizes = characters["y"].tolist(), characters["size"].tolist()
    flaws = _find_flaws(characters, is_joined)
    first, spaced = places.tolist(), is_spaced.tolist()
    return [
        Word(
            glyphs=tuple(glyphs[start:end]),
            box=union(boxes[start:end]),
            boxes=tuple(boxes[start:end]),
            baseline=median(baselines[start:end]),
            size=max(sizes[start:end]),
            first=first[start],
            last=first[end - 1],
            is_spaced=spaced[start],
            flaw=next(filter(None, flaws[start:end]), None) or _find_word_flaw(glyphs[start:end]),
        )
        for start, end in pairwise([*starts, len(places)])
    ]


def find_unclaimed(layer: TextLayer, visibility: Visibility) -> list[Word]:
    """The text's ink for which the layer has no character at all, as words with a flaw."""
    characters = layer.characters[visibility.is_seen | visibility.is_hidden]
    left, top, right, bottom = (characters[name].astype(np.int64) for name in ("x1", "y1", "x2", "y2"))
    corners = np.stack([left - _AROUND, top - _AROUND, right + _AROUND, bottom + _AROUND], 1).tolist()
    spots = layer.ink.astype(np.uint8)
    for x1, y1, x2, y2 in corners:
        cv2.rectangle(spots, (x1, y1), (x2, y2), 0, cv2.FILLED)
    if not cv2.countNonZero(spots):
        return []
    _, _, found, _ = cv2.connectedComponentsWithStats(spots)
    boxes = [(x, y, x + w, y + h) for x, y, w, h, _ in found[1:].tolist() if min(w, h) >= _MIN_UNCLAIMED]
    size = float(np.median(characters["size"])) if len(characters) else MIN_EM
    return [Word((), box, (), box[3], size, -1, -1, is_spaced=True, flaw=_UNCLAIMED) for box in boxes]


def _find_joined(characters: Characters) -> Mask:
    """Whether each character has one box with the next, as those of a ligature."""
    left, right, font = (characters[name].astype(np.float64) for name in ("x1", "x2", "font"))
    is_joined = np.append((np.diff(left) == 0) & (np.diff(right) == 0) & (np.diff(font) == 0), False)
    for at in np.flatnonzero(is_joined).tolist():
        is_joined[at] = "".join(map(_find_text, characters["code"][at : at + 2].tolist())) in _JOINED
    return is_joined


def _goes_on(characters: Characters, is_joined: Mask) -> Mask:
    """Whether each character stands where the word of the one before it goes on; the first does not."""
    size, baseline, left, right = (characters[name].astype(np.float64) for name in ("size", "y", "x1", "x2"))
    larger, smaller = np.maximum(size[1:], size[:-1]), np.minimum(size[1:], size[:-1])
    gap = left[1:] - right[:-1]
    is_level = (np.abs(np.diff(baseline)) <= SHIFT * larger) & (smaller >= RESIZED * larger)
    is_next = (gap >= -OVERLAP * size[1:]) & (gap <= GAP * size[1:])
    return np.append(False, is_level & (is_next | is_joined[:-1]))


def _find_overlaid(characters: Characters, is_joined: Mask) -> Mask:
    """Whether most of a character's box is the next one's, or the other way round, and the two are no ligature: a bar
    through a dash is a plus."""
    x1, y1, x2, y2 = (characters[name].astype(np.float64) for name in ("x1", "y1", "x2", "y2"))
    areas = np.maximum((x2 - x1) * (y2 - y1), 1e-3)
    across = np.minimum(x2[1:], x2[:-1]) - np.maximum(x1[1:], x1[:-1])
    down = np.minimum(y2[1:], y2[:-1]) - np.maximum(y1[1:], y1[:-1])
    shared = np.maximum(across, 0) * np.maximum(down, 0) / np.minimum(areas[1:], areas[:-1])
    return np.append((shared > _MAX_SHARED) & ~is_joined[:-1], False)


def _make_glyphs(
    fonts: Sequence[str], characters: Characters, is_joined: Mask, drawn: Drawn, index: DrawingIndex
) -> list[Glyph]:
    x1, y1, x2, y2, baseline, size = (
        characters[name].astype(np.float64) for name in ("x1", "y1", "x2", "y2", "y", "size")
    )
    sides = np.rint(32 * np.stack([x2 - x1, y2 - y1, y2 - baseline]) / size).astype(np.int64)
    shapes = list(zip(*sides.tolist(), strict=True))
    names = [fonts[at] for at in characters["font"].tolist()]
    texts = list(map(_find_text, characters["code"].tolist()))
    others = drawn.others.tolist()
    numbers = index.number(list(zip(names, texts, others, strict=True)), drawn)
    numbers = [number | other << _OTHERS_SHIFT for number, other in zip(numbers, others, strict=True)]
    for at in np.flatnonzero(is_joined).tolist():
        numbers[at] = numbers[at + 1] = JOINED
    plain = [
        not (text.isalnum() or others[at]) and is_plain(text, shapes[at], drawn.cells[at], drawn.filled[at])
        for at, text in enumerate(texts)
    ]
    return list(map(Glyph, names, texts, shapes, numbers, plain))


@cache
def _find_text(code: int) -> str:
    return "-" if code == _HYPHEN_AT_LINE_END else _LIGATURES.get(code) or chr(min(code, _LAST_CODE))


def _find_word_flaw(glyphs: Sequence[Glyph]) -> str | None:
    is_mixed = _MIXED_SCRIPTS.search("".join(glyph.text for glyph in glyphs))
    return "letters of two scripts in a word" if is_mixed else None


def _find_flaws(characters: Characters, is_joined: Mask) -> list[str | None]:
    """Why each character that is seen can't be taken; None: it can."""
    flaws = list(map(_find_code_flaw, characters["code"].tolist()))
    for at in np.flatnonzero(_find_overlaid(characters, is_joined)).tolist():
        flaws[at] = flaws[at + 1] = _OVERLAID
    flags = characters["flags"].astype(np.int64)
    is_odd = (flags & (CharacterFlag.UNMAPPED | CharacterFlag.SLANTED) > 0) | (flags >> QUARTERS_SHIFT > 0)
    for at in np.flatnonzero(is_odd).tolist():
        is_unmapped = flags[at] & CharacterFlag.UNMAPPED
        flaws[at] = _UNMAPPED if is_unmapped else "characters that do not stand upright"
    return flaws
