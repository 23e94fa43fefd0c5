"""Tells lines of Cyrillic text by what the bundled recogniser makes of them, and has them read by one that knows it.

PP-OCRv6 has no Cyrillic letters: of a Russian line it gives punctuation and digits, far too few for its width.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from difflib import SequenceMatcher
from functools import cache
from itertools import pairwise

import numpy as np

from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import CYRILLIC_TWINS, LineRecognizer, LineText
from vlm_backend.embedded.unread import ScriptGuess

SPARSE = 0.6  # letters and digits per line height of width; Chinese print has about 1, Latin about 2
DOUBTFUL = 0.99  # among Cyrillic lines, words like "Copr" (Сорт) are read as Latin look-alikes, with less than this
ACCEPTED = 0.5  # least confidence of a Cyrillic reading
TWINS = frozenset("ABCEHKMOPTXaceopxy")  # Latin letters that look like Cyrillic ones, so that confidence says nothing
SPECKS = frozenset("`´‘’'|")  # what a recogniser makes of specks beside a line
BRACKETS = frozenset("「」『』")  # of Chinese script: "г" looks so behind a number
MIN_LETTERS = 2  # one letter alone is no evidence: a digit, a bullet and a cut word look like one ...
SURE = 0.9  # ... and is believed by itself with so much confidence, where the main model has read nothing
FIGURE, WORD = 0.6, 2.2  # width of a figure in line heights; room for a word beside figures, in their widths
SURE_WORDS = 0.8  # confidence of a reading that adds words to figures, or beside Latin ones ...
SAME_DIGITS = 0.8  # ... and how alike the digits of both readings are at least
SURE_TOKEN, SAME_TOKEN, MIN_TOKEN = 0.97, 0.7, 3  # confidence, likeness and length of a Latin word read by both models
MIN_LABELS = 3  # so few short lines tell by their confidences together which script they are in
SIBLING, SURE_SIBLING = "Greek", 0.9  # what looks like this script is Cyrillic if it is read so with such confidence
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
        return _strip_specks(recognizer(lines[index]), texts[index])

    result = list(texts)
    single: dict[int, LineText] = {}

    def add_words(*, is_expected: bool) -> None:
        left = [i for i, text in enumerate(result) if text is texts[i] and i not in suspects]
        for index in left:
            if _lacks_words(lines[index], texts[index], is_expected=is_expected):
                result[index] = _add_words(texts[index], read(index))

    add_words(is_expected=sure)
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
    if not found and _are_read_better(texts, read):
        return [_better(text, read(index)) if _count_letters(text) else text for index, text in enumerate(texts)]
    for index, second in single.items():
        if _is_letter(texts[index], second, is_expected=sure or is_proven):
            result[index] = second
    if is_proven:
        add_words(is_expected=True)
        for index in (i for i, text in enumerate(result) if text is texts[i] and _may_be_look_alike(text)):
            second = read(index)
            is_sure = texts[index].confidence >= DOUBTFUL and BRACKETS.isdisjoint(texts[index].text)
            is_sure = is_sure and not _is_long_word(second)
            if not _is_cyrillic(second.text):
                result[index] = _mix_words(result[index], second)
            elif not is_sure or _is_word(second):
                result[index] = _better(result[index], second)
    elif not any(map(_is_latin, result)):
        for index in (i for i, text in enumerate(result) if text is texts[i] and i not in suspects):
            if _may_be_mistaken(texts[index]) and _is_believed(texts[index], second := read(index)):
                result[index] = replace(texts[index], cyrillic=second.text)
    return result


def _strip_specks(second: LineText, first: LineText) -> LineText:
    """The Cyrillic reading without small marks at its ends of which the main model has seen none: the end of a rule, a
    speck."""
    if not SPECKS.isdisjoint(first.text):
        return second
    marks = f"{''.join(SPECKS)} "
    start, end = len(second.text) - len(second.text.lstrip(marks)), len(second.text.rstrip(marks))
    return replace(second, text=second.text[start:end], confidences=second.confidences[start:end])


def _are_read_better(texts: Sequence[LineText], read: Callable[[int], LineText]) -> bool:
    """Whether all lines with letters are short and read with doubt, and are words with less of it in Cyrillic: the days
    of a calendar, whose letters are too few to tell it one by one."""
    worded = [index for index, text in enumerate(texts) if _count_letters(text)]
    is_short = all(len(texts[index].text) <= SHORT_CAPITALS for index in worded)
    doubtful = [texts[index].confidence for index in worded if texts[index].confidence < DOUBTFUL]
    if len(worded) < MIN_LABELS or not is_short or 2 * len(doubtful) <= len(worded):
        return False
    seconds = [read(index) for index in worded]
    is_cyrillic = sum(_is_cyrillic(second.text) for second in seconds) >= SURE * len(seconds)
    gain = sum(second.confidence for second in seconds) - sum(texts[index].confidence for index in worded)
    return is_cyrillic and gain > 0


def drop_siblings(
    guesses: Sequence[ScriptGuess | None],
    lines: Sequence[Pixels],
    recognizer: LineRecognizer,
    check: Callable[[], None],
) -> list[ScriptGuess | None]:
    """The guesses without those of Cyrillic lines that look Greek: their capitals are alike, but the model for Cyrillic
    reads Greek words with doubt. `check` is called before each reading."""

    def is_cyrillic(line: Pixels) -> bool:
        check()
        text = recognizer(line)
        return text.confidence >= SURE_SIBLING and _is_cyrillic(text.text)

    return [
        None if guess and guess.likeliest == SIBLING and is_cyrillic(line) else guess
        for guess, line in zip(guesses, lines, strict=True)
    ]


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


def _lacks_words(line: Pixels, text: LineText, *, is_expected: bool) -> bool:
    """Whether a text leaves room for a word on a side, or between its characters: figures, and a few letters that look
    alike, are all that is read of many Cyrillic lines.

    Beside letters white space is no room unless Cyrillic `is_expected`: in justified lines it is as wide as a word.
    """
    if not text.middles or not text.text.strip():
        return False
    height, width = line.shape[:2]
    places = [place for place, character in enumerate(text.text) if not character.isspace()]
    middles = [text.middles[place] for place in places]
    steps = [after - before for before, after in pairwise(middles)]
    if _count_letters(text):
        if not is_expected and _is_latin(text):
            return False
        within = [step for step, (i, j) in zip(steps, pairwise(places), strict=True) if is_expected or j == i + 1]
        return bool(within) and max(within) > WORD * float(np.median(steps))
    # Figures are alike in width; a point is narrower.
    figures = [text.middles[place] for place in places if text.text[place].isdigit()]
    usual = min([*(after - before for before, after in pairwise(figures)), FIGURE * height / width])
    return bool(max(middles[0], 1 - middles[-1], *steps) > WORD * max(usual, 1 / width))


def _add_words(first: LineText, second: LineText) -> LineText:
    """The words of the second reading, with the figures of the first, which reads those better."""
    gained = _count_letters(second) - _count_letters(first)
    digits, others = (re.sub(r"\D", "", text.text) for text in (first, second))
    # With the same figures it has seen the same line, however doubtful its words are to it.
    least = ACCEPTED if digits and digits == others else SURE_WORDS
    if second.confidence < least or gained < MIN_LETTERS or not _is_cyrillic(second.text):
        return first
    if _count_letters(first) and not any(map(_is_cyrillic_alone, second.text)):
        return first
    text = _put_figures(second.text, first.text) or _put_digits(second.text, first.text)
    if text is None and _holds_digits(second.text, first.text):
        text = second.text  # the main model may lose figures too, beside words that it can't read
    return _make_line(text.split(), first, second) if text else first


def _put_figures(text: str, source: str) -> str | None:
    """The text with the figures of the source in the places of its own; None where it has not as many."""
    words, figures = text.split(), list(filter(_has_digit, source.split()))
    places = [place for place, word in enumerate(words) if _has_digit(word) and not any(map(str.isalpha, word))]
    if len(places) != len(figures):
        return None
    for place, word in zip(places, figures, strict=True):
        words[place] = word if len(word) == len(words[place]) else words[place]
    return " ".join(words)


def _put_digits(text: str, source: str) -> str | None:
    """The text with the digits of the source, where it has as many; as it is, where they are nearly the same."""
    own, others = (re.sub(r"\D", "", one) for one in (text, source))
    if len(own) == len(others):
        digits = iter(others)
        return re.sub(r"\d", lambda _: next(digits), text)
    return text if SequenceMatcher(None, own, others, autojunk=False).ratio() >= SAME_DIGITS else None


def _has_digit(word: str) -> bool:
    return any(map(str.isdigit, word))


def _holds_digits(text: str, other: str) -> bool:
    """Whether the text has the digits of the other one, in their order."""
    digits = iter(filter(str.isdigit, text))
    return all(digit in digits for digit in other if digit.isdigit())


def _make_line(words: Sequence[str], first: LineText, second: LineText) -> LineText:
    text = " ".join(words)
    return LineText(text, (min(first.confidence, second.confidence),) * len(text))


def _mix_words(first: LineText, second: LineText) -> LineText:
    """The second reading, of Cyrillic words beside more Latin ones, with the Latin words of which the first is sure."""
    if second.confidence < SURE_WORDS or first.least_confidence >= SURE_TOKEN or not _holds_word(second.text):
        return first
    words = second.text.split()
    for token in _list_sure_tokens(first):
        ratios = [0.0 if _holds_cyrillic(word) else SequenceMatcher(None, word, token).ratio() for word in words]
        best = max(range(len(words)), key=ratios.__getitem__)
        if ratios[best] >= SAME_TOKEN:
            words[best] = token
    return _make_line(words, first, second)


def _list_sure_tokens(text: LineText) -> list[str]:
    spans = [match.span() for match in re.finditer(r"\S+", text.text)]
    return [
        text.text[start:end]
        for start, end in spans
        if end - start >= MIN_TOKEN and sum(text.confidences[start:end]) >= SURE_TOKEN * (end - start)
    ]


def _holds_word(text: str) -> bool:
    """Whether it has a word that can only be Cyrillic."""
    return any(
        len(word) >= MIN_TOKEN and all(map(_holds_cyrillic, word)) and not CYRILLIC_TWINS.issuperset(word)
        for word in re.split(r"[\W\d_]+", text)
    )


def _holds_cyrillic(text: str) -> bool:
    return any("\u0400" <= character <= "\u052f" for character in text)


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
    if not BRACKETS.isdisjoint(text.text):
        return True
    letters = {character for character in text.text if character.isalpha()}
    return bool(letters) and (text.confidence < DOUBTFUL or letters <= TWINS)


def _count_letters(text: LineText) -> int:
    return sum(character.isalpha() for character in text.text)


def _better(first: LineText, second: LineText) -> LineText:
    return second if second.confidence >= ACCEPTED and _is_cyrillic(second.text) else first


def _is_cyrillic_alone(character: str) -> bool:
    """Whether it is a letter of a form that no Latin one has."""
    return "\u0400" <= character <= "\u052f" and character not in CYRILLIC_TWINS


def _is_cyrillic(text: str) -> bool:
    """№ counts as a letter: the main model does not know it, and no Latin text has it."""
    letters = [character for character in text if character.isalpha() or character == "№"]
    return (
        bool(letters) and sum("\u0400" <= letter <= "\u052f" or letter == "№" for letter in letters) >= len(letters) / 2
    )
