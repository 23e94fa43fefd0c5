"""Tells lines of Cyrillic text by what the bundled recogniser makes of them, and has them read by one that knows it.

PP-OCRv6 has no Cyrillic letters: of a Russian line it gives punctuation and digits, far too few for its width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import LineRecognizer, LineText

SPARSE = 0.6  # letters and digits per line height of width; Chinese print has about 1, Latin about 2
DOUBTFUL = 0.99  # among Cyrillic lines, words like "Copr" (Сорт) are read as Latin look-alikes, with less than this
ACCEPTED = 0.5  # least confidence of a Cyrillic reading
TWINS = frozenset("ABCEHKMOPTXaceopxy")  # Latin letters that look like Cyrillic ones, so that confidence says nothing
MIN_LETTERS = 2  # one letter alone is no evidence: a digit, a bullet and a cut word look like one ...
SURE = 0.9  # ... and is believed by itself with so much confidence, where the main model has read nothing
PLAIN = frozenset("АВГЕЗІЈКМНОПРСТУХЬагезіјкмнопрстухь")  # not these: they look like Latin letters, digits and strokes
EVIDENCE = 0.3  # share of a crop's lines with letters that must be Cyrillic before look-alikes are doubted


def read_cyrillic(
    lines: Sequence[Pixels],
    texts: Sequence[LineText],
    recognizer: LineRecognizer,
    suspects: Set[int],
    sure: bool,
    check: Callable[[], None],
) -> list[LineText]:
    """`texts` of a crop's `lines`, with those replaced that turn out to be Cyrillic.

    `suspects` are the places of lines whose strokes look Cyrillic, however the main model reads them.
    `check` is called before each reading, and may raise to end it all.
    """
    result = list(texts)
    single: dict[int, LineText] = {}
    for index in (i for i, line in enumerate(lines) if i in suspects or _is_sparse(line, texts[i])):
        check()
        second = recognizer(lines[index])
        if _count_letters(second) >= MIN_LETTERS:
            result[index] = _better(result[index], second)
        elif _better(texts[index], second) is second:
            single[index] = second
    found = sum(_is_cyrillic(text.text) for text in result)
    worded = sum(_count_letters(text) > 0 for text in result)
    is_proven = bool(found) and (sure or found >= EVIDENCE * worded)
    for index, second in single.items():
        if _is_letter(texts[index], second, is_expected=sure or is_proven):
            result[index] = second
    if is_proven:
        for index in (i for i, text in enumerate(result) if text is texts[i] and _may_be_look_alike(text)):
            check()
            result[index] = _better(result[index], recognizer(lines[index]))
    return result


def _is_letter(first: LineText, second: LineText, *, is_expected: bool) -> bool:
    """Whether a reading of one letter is believed: the heading of a part of an index, an initial."""
    if is_expected:
        return second.confidence > first.confidence
    is_plain = any(letter in PLAIN for letter in second.text)
    return first.confidence < ACCEPTED and second.confidence >= SURE and not is_plain


def _is_sparse(line: Pixels, text: LineText) -> bool:
    height, width = line.shape[:2]
    return bool(sum(character.isalnum() for character in text.text) < SPARSE * width / height)


def _may_be_look_alike(text: LineText) -> bool:
    letters = {character for character in text.text if character.isalpha()}
    return bool(letters) and (text.confidence < DOUBTFUL or letters <= TWINS)


def _count_letters(text: LineText) -> int:
    return sum(character.isalpha() for character in text.text)


def _better(first: LineText, second: LineText) -> LineText:
    return second if second.confidence >= ACCEPTED and _is_cyrillic(second.text) else first


def _is_cyrillic(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return bool(letters) and sum("\u0400" <= letter <= "\u052f" for letter in letters) >= len(letters) / 2
