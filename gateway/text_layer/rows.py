"""Printed rows of a text layer's words, with what stands raised in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from common.geometry import Rectangle, union
from gateway.model import BBox
from gateway.text_layer.words import Glyph, Word
from textlines.paragraphs import rows as find_rows

ASCENT, DESCENT = 0.75, 0.2
"""Of a line above and below its baseline, in ems."""
LETTER_GAP = 0.15
"""White space, in ems, that divides words which do not follow each other in the file."""
MAX_SPACES, WIDE_GAP = 3, 1.0
"""Characters from one word to the next that follows it in the file; white space, in ems, that divides those in any
case: PDFium finds narrower spaces itself."""
SCRIPT_SIZE, SCRIPT_SHIFT = 0.85, 0.1
"""A word smaller than that share of its row, or shifted by more of its em, is an index or an exponent."""
MAX_RAISE = 0.7
"""Of a row's em, by which a mark stands above the baseline at most."""
_MARK = re.compile(r"[0-9]{1,3}(?:[,;–-][0-9]{1,3})*[,;)]?")
"""The number of a note or of a source."""
_FRACTION = ("/", "⁄")
"""What stands between two numbers of which the first is no note's."""
_BEFORE_MARK = re.compile(r"""(?:[^\W\d_]{2}|[^\w+*/=<>^(\[{-]|^[mм])$""")
"""A word, or its punctuation, or a unit of length; what follows a number or a lone letter is an exponent."""
_ENDING = re.compile(r"[^\W\d_]{2,3}")
"""Of an ordinal number: 19th."""
_RAISED = str.maketrans("0123456789)", "⁰¹²³⁴⁵⁶⁷⁸⁹⁾")


@dataclass(frozen=True, slots=True)
class Row:
    """Words of one printed line, from left to right, and what stands between them."""

    words: tuple[Word, ...]
    spaces: tuple[str, ...]
    """Before each word."""

    @property
    def text(self) -> str:
        return "".join(space + word.text for space, word in zip(self.spaces, self.words, strict=True))

    @property
    def glyphs(self) -> Iterator[Glyph]:
        """Of what does not stand raised."""
        return (glyph for word in self.words if not word.raised for glyph in word.glyphs)

    @property
    def raised(self) -> Iterator[Glyph]:
        return (glyph for word in self.words if word.raised for glyph in word.glyphs)

    @property
    def box(self) -> Rectangle:
        return union([word.box for word in self.words])

    @property
    def size(self) -> float:
        return max(word.size for word in self.words)


def make_rows(words: Sequence[Word]) -> list[Row]:
    """The printed rows of words, from top to bottom; the numbers of notes are written as raised digits."""
    places = [round_box(line_box([word])) for word in words]
    return [_make_row([words[at] for at in row]) for row in find_rows(places)]


def _make_row(words: Sequence[Word]) -> Row:
    ordered = _raise_marks(sorted(words, key=lambda word: word.box[0]))
    return Row(ordered, ("", *(" " if _is_space_between(*pair) else "" for pair in pairwise(ordered))))


def _is_space_between(left: Word, right: Word) -> bool:
    gap, size = right.box[0] - left.box[2], max(left.size, right.size)
    if left.raised or right.raised:  # spaces of the file are PDFium's guess there; two numbers are not one
        return gap > LETTER_GAP * size
    if 0 < right.first - left.last <= MAX_SPACES:
        return right.is_spaced or gap > WIDE_GAP * size
    return gap > LETTER_GAP * size


def _raise_marks(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words of a row, with what is to be written where one is the raised number of a note, or the ending of an
    ordinal."""
    if _is_plain(words):
        return tuple(words)
    size, baseline = _measure_row(words)
    done: list[Word] = []
    plain: Word | None = None
    for word, following in zip(words, [*words[1:], None], strict=True):
        is_raised = word.size < SCRIPT_SIZE * size and SCRIPT_SHIFT * size < baseline - word.baseline < MAX_RAISE * size
        is_part = following is not None and following.text.startswith(_FRACTION)
        done.append(replace(word, raised=_write_mark(word, plain)) if is_raised and not is_part else word)
        if done[-1].raised is None:
            plain = word
    return tuple(done)


def _write_mark(word: Word, before: Word | None) -> str | None:
    """A raised word as it is written behind another; None: it is no mark."""
    if before and before.text[-1].isdecimal() and _ENDING.fullmatch(word.text):
        return word.text
    is_behind = before is None or _BEFORE_MARK.search(before.text)
    return word.text.translate(_RAISED) if is_behind and _MARK.fullmatch(word.text) else None


def has_script(row: Row) -> bool:
    """Whether characters stand raised or lowered that no line of text can show."""
    if _is_plain(row.words):
        return False
    size, baseline = _measure_row(row.words)
    return any(abs(word.baseline - baseline) > SCRIPT_SHIFT * size for word in row.words if word.raised is None)


def _is_plain(words: Sequence[Word]) -> bool:
    """Whether all words are of one size and on one baseline, as in nearly all rows: to measure one costs 0.1 ms."""
    first = words[0]
    return all(word.size == first.size and abs(word.baseline - first.baseline) < 1e-3 * first.size for word in words)


def _measure_row(words: Sequence[Word]) -> tuple[float, float]:
    """Em and baseline of what is neither raised nor lowered."""
    usual = float(np.median(np.repeat([word.size for word in words], [len(word.glyphs) for word in words])))
    main = [word.baseline for word in words if word.size >= SCRIPT_SIZE * usual]
    return usual, float(np.median(main)) if main else words[0].baseline


def line_box(words: Sequence[Word]) -> Rectangle:
    """The place of words in their line, whatever letters they have."""
    return union(
        [
            (word.box[0], word.baseline - ASCENT * word.size, word.box[2], word.baseline + DESCENT * word.size)
            for word in words
        ]
    )


def round_box(box: Rectangle) -> BBox:
    x1, y1, x2, y2 = map(round, box)
    return x1, y1, x2, y2
