"""Whether the characters that fonts tell are those that they draw.

A font's table of characters can be wrong and look right: each letter is a letter, only another one than the page shows.
So some lines of a document are read by the engine, and each glyph (a font's character of one shape) is believed when it
was read as the character that the font tells. What no reading has shown is not believed, however few they are, but for
signs of a script with thousands of them, whose font is believed as a whole.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import islice, pairwise

from rapidfuzz.distance import Levenshtein

from gateway.text_layer.region_text import RegionText
from gateway.text_layer.rows import Row
from gateway.text_layer.signs import PLAIN_SIGNS
from gateway.text_layer.words import Glyph

PART_LETTERS, MARGIN_LETTERS, BESIDE_RAISED = 16, 4, 6
"""A line's part has so many letters at least: engines take small letters that stand alone for capitals of another size.
A part takes the time of so many letters more than it has. Beside what stands raised it may have so few."""
MAX_PARTS = 32
"""Parts of lines read at once: they show nearly all letters that a page's fonts have."""
NEAR_EDIT = 2
"""So many letters before and after one that is missing or too many, a reading may be aligned in several ways."""
MIN_AGREEMENT = 0.8
"""Of what was read of a font; of one that lies some letters are right by chance."""
MIN_SIGNS, MIN_SIGN_AGREEMENT = 30, 0.9
"""So many signs of a script with thousands of them, and so many of them right, prove the others."""
TALLER = 1.1
"""A letter with an accent is so many times as high as without, which engines leave out; or reaches lower by ..."""
LOWER = 3
"""... so many parts of 32 of the em."""
SMALL_PRINT = 3
"""Parts of 32 of the em by which the shapes of a glyph in two sizes differ: small figures are often set wider."""
MAX_CHARACTERS = 4000
"""Of a reading that are compared."""
_LOOK_ALIKE = (
    "oO0оОοΟø",
    "lI1|іІӏł",
    "cCсС",
    "sSѕ",
    "vVνѵ",
    "wWѡ",
    "xXхХχΧ",
    "zZΖ",
    "kKкКκΚ",
    "pPрРρΡ",
    "uUυ",
    "aа",
    "eе",
    "yYуУ",
    "AАΑ",
    "BВΒ",
    "EЕΕ",
    "HНΗ",
    "MМΜ",
    "TТтΤ",
    "NΝ",
    "3ЗзЭ",
    "6б",
    "đd",
    "ıi",
)
_CANONICAL = {character: group[0] for group in _LOOK_ALIKE for character in group}


MIN_DECIDED = 20
"""Letters of a font on which readings have decided, from which on no other reading makes up for what they differ in."""


class FontEvidence:
    """What readings have said of a document's fonts, so far."""

    def __init__(self) -> None:
        self._agreed: Counter[Glyph] = Counter()
        self._differed: Counter[Glyph] = Counter()
        self._heights: dict[tuple[str, str], int] = {}
        self._agreed_of_font: Counter[str] = Counter()
        self._differed_of_font: Counter[str] = Counter()
        self._signs_of_font: Counter[str] = Counter()

    def compare(self, rows: Sequence[Row], read: str) -> list[tuple[Glyph, bool]]:
        """Glyphs of the rows on which a reading decides, and whether it agrees. Blocks, some 3 ms of CPU.

        `read`: the engine's text of these rows, in their order.
        """
        glyphs = [glyph for row in rows for glyph in row.glyphs]
        left_out = PLAIN_SIGNS - {glyph.text for glyph in glyphs if _is_counted(glyph)}
        expected = [glyph for glyph in glyphs if glyph.text not in left_out][:MAX_CHARACTERS]
        read_signs = (character for character in _normalize(read) if not character.isspace())
        seen = [character for character in read_signs if character not in left_out][:MAX_CHARACTERS]
        self._note_heights(expected)
        verdicts = ((glyph, self._compare_glyph(glyph, character)) for glyph, character in _align(expected, seen))
        return [(glyph, verdict) for glyph, verdict in verdicts if verdict is not None]

    def add(self, verdicts: Iterable[tuple[Glyph, bool]]) -> None:
        """Counts what `compare` gave. Not in a thread beside `is_proved`, which would judge by a part of a reading."""
        for glyph, verdict in verdicts:
            (self._agreed if verdict else self._differed)[glyph] += 1
            (self._agreed_of_font if verdict else self._differed_of_font)[glyph.font] += 1
            if verdict and _is_sign(glyph.text):
                self._signs_of_font[glyph.font] += 1

    def is_proved(self, text: RegionText) -> bool:
        """Whether all characters of the text may be taken for what their fonts say."""
        counted = [glyph for glyph in text.glyphs if _is_counted(glyph)]
        if not counted or any(self._is_refuted(glyph) or not self._is_proved_glyph(glyph) for glyph in counted):
            return False
        return all(map(self._is_proved_raised, text.raised))

    def choose_rows(self, texts: Iterable[RegionText], among: Sequence[Row] | None = None, looks: int = 1) -> list[Row]:
        """At most `MAX_PARTS` parts of lines that show most of what these texts, all without a flaw, still need to be
        proved, `looks` times where they can, for the least to read; of all their lines or of `among`. In the order of
        the lines.

        Blocks: some 10 ms of CPU for a page of 12,000 characters.
        """
        unproved = [text for text in texts if not self.is_proved(text)]
        needed = {glyph for text in unproved for glyph in text.glyphs if self._is_open(glyph)}
        parts = list(among or ())
        if among is None:
            parts = [part for text in unproved for row in text.rows for part in _split_row(row)]
        bits = {glyph: 1 << at for at, glyph in enumerate(needed)}
        shown = [sum({bits[glyph] for glyph in part.glyphs if glyph in bits}) for part in parts]
        costs = [len(part.text) + MARGIN_LETTERS for part in parts]
        return [parts[at] for at in sorted(_cover(shown, costs, looks))]

    def _compare_glyph(self, glyph: Glyph, read: str) -> bool | None:
        """None: the two look alike, and the reading may be wrong as well as the font."""
        told = unicodedata.normalize("NFKC", glyph.text)
        if read == told:
            return True
        if _strip_accents(told) == _strip_accents(read):
            return True if read == _strip_accents(told) and self._is_accented(glyph, read) else None
        return None if _fold(read) == _fold(told) else False

    def _is_accented(self, glyph: Glyph, base: str) -> bool:
        """Whether the glyph's box has room for the accent that it is to have, as that of the letter alone has not."""
        height = self._heights.get((glyph.font, base))
        return height is not None and (glyph.shape[1] >= TALLER * height or glyph.shape[2] >= LOWER)

    def _note_heights(self, glyphs: Iterable[Glyph]) -> None:
        for glyph in glyphs:
            self._heights.setdefault((glyph.font, glyph.text), glyph.shape[1])

    def _is_refuted(self, glyph: Glyph) -> bool:
        agreed, differed = self._agreed[glyph], self._differed[glyph]
        return differed > agreed or not self._is_credible(glyph.font)

    def _is_credible(self, font: str) -> bool:
        agreed, differed = self._agreed_of_font[font], self._differed_of_font[font]
        return agreed >= MIN_AGREEMENT * (agreed + differed)

    def _is_proved_glyph(self, glyph: Glyph) -> bool:
        if self._agreed[glyph] > self._differed[glyph]:
            return True
        if not _is_sign(glyph.text) or self._signs_of_font[glyph.font] < MIN_SIGNS:
            return False
        agreed, differed = self._agreed_of_font[glyph.font], self._differed_of_font[glyph.font]
        return agreed >= MIN_SIGN_AGREEMENT * (agreed + differed)

    def _is_proved_raised(self, glyph: Glyph) -> bool:
        """Of a glyph in small print: whether the same in the line's size is proved."""
        if not _is_counted(glyph):
            return True
        alike = (
            other
            for other in self._agreed
            if other[:2] == glyph[:2] and other.drawing == glyph.drawing and _are_near(other.shape, glyph.shape)
        )
        return any(self._is_proved_glyph(other) and not self._is_refuted(other) for other in alike)

    def _is_open(self, glyph: Glyph) -> bool:
        """Whether one more look may decide."""
        decided = self._agreed_of_font[glyph.font] + self._differed_of_font[glyph.font]
        is_lost = decided >= MIN_DECIDED and not self._is_credible(glyph.font)
        is_refuted = is_lost or (self._is_refuted(glyph) and self._differed[glyph] > 1)
        return _is_counted(glyph) and not self._is_proved_glyph(glyph) and not is_refuted


def _are_near(one: Sequence[int], other: Sequence[int]) -> bool:
    return all(abs(a - b) <= SMALL_PRINT for a, b in zip(one, other, strict=True))


def _cover(shown: Sequence[int], costs: Sequence[int], looks: int) -> list[int]:
    """Places of parts that show, for the least cost, all that any of them does, `looks` times where they can. `shown`:
    bits."""
    left, chosen = dict(enumerate(shown)), list[int]()
    seen = [0] * looks  # what has been shown once, twice and so on
    for look in range(looks):
        while len(chosen) < MAX_PARTS:
            gains = {at: (bits & ~seen[look]).bit_count() / costs[at] for at, bits in left.items()}
            best = max(gains, key=gains.__getitem__, default=None)
            if best is None or not gains[best]:
                break
            bits = left.pop(best)
            for at, before in enumerate(seen):
                seen[at], bits = before | bits, before & bits
            chosen.append(best)
    return chosen


def _split_row(row: Row) -> Iterator[Row]:
    """The parts of a row, each of whole words, without what stands raised, which engines leave out or misread."""
    marks = [at for at, word in enumerate(row.words) if word.raised]
    for before, after in pairwise([-1, *marks, len(row.words)]):
        spaces = ("", *row.spaces[before + 2 : after])
        part = Row(row.words[before + 1 : after], spaces)
        if not marks or sum(len(word.glyphs) for word in part.words) >= BESIDE_RAISED:
            yield from _split_run(part)


def _split_run(row: Row) -> list[Row]:
    parts, letters = list[list[int]](), PART_LETTERS
    for at, word in enumerate(row.words):
        if letters >= PART_LETTERS:
            parts.append([])
            letters = 0
        parts[-1].append(at)
        letters += len(word.glyphs)
    if letters < PART_LETTERS and len(parts) > 1:
        last = parts.pop()
        parts[-1] += last
    return [Row(row.words[part[0] : part[-1] + 1], ("", *row.spaces[part[0] + 1 : part[-1] + 1])) for part in parts]


def _align(expected: Sequence[Glyph], seen: Sequence[str]) -> Iterator[tuple[Glyph, str]]:
    """Glyphs with what was read in their places, but for those whose places are not sure."""
    texts = [_fold(glyph.text) for glyph in expected]
    operations = Levenshtein.opcodes("".join(texts), "".join(map(_fold, seen)))
    edits = [part.src_start for part in operations if part.tag in ("insert", "delete")]
    edits += [part.src_end for part in operations if part.tag == "delete"]
    unsure = {place + offset for place in edits for offset in range(-NEAR_EDIT, NEAR_EDIT)}
    places = {
        part.src_start + offset: part.dest_start + offset
        for part in operations
        if part.tag in ("equal", "replace")
        for offset in range(part.src_end - part.src_start)
    }
    start = 0
    for glyph, text in zip(expected, texts, strict=True):
        own = range(start, start + len(text))
        start += len(text)
        if all(place in places and place not in unsure for place in own):
            yield glyph, "".join(seen[places[place]] for place in own)


def _is_counted(glyph: Glyph) -> bool:
    """Whether a reading has to show it."""
    return not glyph.is_plain and not glyph.text.isspace()


@cache
def _is_sign(text: str) -> bool:
    """Chinese, Japanese and Korean, which have more signs than a few lines can show."""
    return text[0] >= "\u2e80" and unicodedata.category(text[0]) == "Lo"


def _normalize(text: str) -> Iterator[str]:
    return islice(unicodedata.normalize("NFKC", text), 2 * MAX_CHARACTERS)


@cache
def _fold(text: str) -> str:
    """Without accents, and one sign for all that look alike."""
    return "".join(
        _CANONICAL.get(character, character) for character in _strip_accents(unicodedata.normalize("NFKC", text))
    )


@cache
def _strip_accents(text: str) -> str:
    return "".join(part for part in unicodedata.normalize("NFD", text) if not unicodedata.combining(part)) or text
