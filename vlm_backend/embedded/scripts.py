"""Tells lines of Cyrillic text by what the bundled recogniser makes of them, and has them read by one that knows it.

PP-OCRv6 has no Cyrillic letters: of a Russian line it gives punctuation and digits, far too few for its width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from functools import cache
from itertools import pairwise

from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import LineRecognizer, LineText

SPARSE = 0.6  # letters and digits per line height of width; Chinese print has about 1, Latin about 2
DOUBTFUL = 0.99  # among Cyrillic lines, words like "Copr" (Сорт) are read as Latin look-alikes, with less than this
ACCEPTED = 0.5  # least confidence of a Cyrillic reading
TWINS = frozenset("ABCEHKMOPTXaceopxy")  # Latin letters that look like Cyrillic ones, so that confidence says nothing
MIN_LETTERS = 2  # one letter alone is no evidence: a digit, a bullet and a cut word look like one ...
SURE = 0.9  # ... and is believed by itself with so much confidence, where the main model has read nothing
FIGURE, WORD = 0.6, 2.2  # width of a figure in line heights; room for a word beside figures, in their widths
SURE_WORDS = 0.8  # confidence of a reading that adds words to figures
PLAIN = frozenset("АВГЕЗІЈКМНОПРСТУХЬагезіјкмнопрстухь")  # not these: they look like Latin letters, digits and strokes
TWIN_WORD = (
    0.93  # confidence of a reading of letters that are all alike: of Latin words it has less, but for short ones
)
SHORT_CAPITALS, TWIN_CAPITALS = 4, 0.95  # so few capitals may be an abbreviation: the same for them
LONG_WORD = 0.8  # confidence of a reading of more letters than that, beside Cyrillic text
VOWELS = frozenset("аеёиіоуыэюяАЕЁИІОУЫЭЮЯ")  # without one it is no word but an abbreviation, in either script: HP, XX
UNSURE, MIXED_SHARE, MIXED_LETTERS = (
    0.97,
    0.5,
    16,
)  # less confidence, share of twins, and letters of a look-alike ...
UNSURE_WORD = 0.8  # ... that is no twin, and confidence of its Cyrillic reading
LATIN_SURE = 0.99  # confidence of a line with other letters than twins that tells of a Latin text
EVIDENCE = 0.3  # share of a crop's lines with letters that must be Cyrillic before look-alikes are doubted


def read_cyrillic(
    lines: Sequence[Pixels],
    texts: Sequence[LineText],
    recognizer: LineRecognizer,
    suspects: Set[int],
    sure: bool,
    check: Callable[[], None],
) -> list[LineText]:
    """`texts` of a crop's `lines`, with those replaced that turn out to be Cyrillic. Those that would be on a page of
    Cyrillic text, of which the crop shows nothing, tell so in `LineText.cyrillic`.

    `suspects` are the places of lines whose strokes look Cyrillic, however the main model reads them.
    `check` is called before each reading, and may raise to end it all.
    """

    @cache
    def read(index: int) -> LineText:
        check()
        return recognizer(lines[index])

    result = list(texts)
    single: dict[int, LineText] = {}
    for index in (i for i, line in enumerate(lines) if i not in suspects and _lacks_words(line, texts[i])):
        result[index] = _add_words(texts[index], read(index))
    left = [i for i, text in enumerate(result) if text is texts[i]]
    for index in (i for i in left if i in suspects or _is_sparse(lines[i], texts[i])):
        second = read(index)
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
            second = read(index)
            is_sure = texts[index].confidence >= DOUBTFUL and not _is_long_word(second)
            result[index] = _better(result[index], second) if not is_sure or _is_word(second) else result[index]
    elif not any(map(_is_latin, result)):
        for index in (i for i, text in enumerate(result) if text is texts[i] and i not in suspects):
            if _may_be_mistaken(texts[index]) and _is_believed(texts[index], second := read(index)):
                result[index] = replace(texts[index], cyrillic=second.text)
    return result


def _may_be_mistaken(text: LineText) -> bool:
    """Whether a line may be Cyrillic although its crop shows no other sign of it: by its letters, or most of them."""
    letters = [character for character in text.text if character.isalpha()]
    if not MIN_LETTERS <= len(letters) <= MIXED_LETTERS:
        return False
    twins = sum(letter in TWINS for letter in letters)
    return twins == len(letters) or (text.confidence < DOUBTFUL and twins >= MIXED_SHARE * len(letters))


def _is_believed(first: LineText, second: LineText) -> bool:
    """Whether the Cyrillic reading of what may be a look-alike is as good as the Latin one."""
    if not _is_cyrillic(second.text):
        return False
    return _is_word(second) or (first.confidence < UNSURE and second.confidence >= UNSURE_WORD)


def _is_word(text: LineText) -> bool:
    letters = [character for character in text.text if character.isalpha()]
    is_short = len(letters) <= SHORT_CAPITALS and all(map(str.isupper, letters))
    least = TWIN_CAPITALS if is_short else TWIN_WORD
    return text.confidence >= least and any(letter in VOWELS for letter in letters)


def _is_long_word(text: LineText) -> bool:
    """Of letters that all have twins: in a crop of Cyrillic text hardly a Latin one."""
    longest = max((part for part in re.split(r"[\W\d_]+", text.text)), key=len)
    has_vowel = any(letter in VOWELS for letter in longest)
    return len(longest) > SHORT_CAPITALS and has_vowel and text.confidence >= LONG_WORD


def _is_latin(text: LineText) -> bool:
    letters = {character for character in text.text if character.isalpha()}
    return (
        text.confidence >= LATIN_SURE and len(letters) >= MIN_LETTERS and not letters <= TWINS and text.text.isascii()
    )


def _lacks_words(line: Pixels, text: LineText) -> bool:
    """Whether a text of figures alone leaves room for a word on a side, or between them."""
    if not text.middles or not text.text.strip() or any(character.isalpha() for character in text.text):
        return False
    height, width = line.shape[:2]
    middles = [middle for middle, character in zip(text.middles, text.text, strict=True) if not character.isspace()]
    steps = [after - before for before, after in pairwise(middles)]
    usual = min([*steps, FIGURE * height / width])
    return bool(max(middles[0], 1 - middles[-1], *steps) > WORD * max(usual, 1 / width))


def _add_words(first: LineText, second: LineText) -> LineText:
    """The words of the second reading, with the figures of the first, which reads those better."""
    if _count_letters(second) < MIN_LETTERS or second.confidence < ACCEPTED or not _is_cyrillic(second.text):
        return first
    words, figures = second.text.split(), [word for word in first.text.split() if _list_digits(word)]
    places = [place for place, word in enumerate(words) if _list_digits(word) and not any(map(str.isalpha, word))]
    # With the same figures it has seen the same line, however doubtful its words are to it.
    is_same = bool(figures) and _list_digits(first.text) == _list_digits(second.text)
    if not is_same and (len(places) != len(figures) or second.confidence < SURE_WORDS):
        return first
    for place, word in zip(places, figures, strict=False) if len(places) == len(figures) else ():
        words[place] = word if len(word) == len(words[place]) else words[place]
    text = " ".join(words)
    return LineText(text, (min(first.confidence, second.confidence),) * len(text))


def _list_digits(text: str) -> list[str]:
    return [character for character in text if character.isdigit()]


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
    """№ counts as a letter: the main model does not know it, and no Latin text has it."""
    letters = [character for character in text if character.isalpha() or character == "№"]
    return (
        bool(letters) and sum("\u0400" <= letter <= "\u052f" or letter == "№" for letter in letters) >= len(letters) / 2
    )
