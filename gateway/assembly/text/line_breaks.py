"""Which line breaks of a text the page means: those of addresses, lists and verse, not those where prose is wrapped.

Prose is wrapped where the next word has no room: a line that had room for it was ended on purpose. What is set in
short lines throughout (an address) looks like a narrow column of prose then, but stands in more room than it takes, and
none of its lines begins with a small letter.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

WIDE_ROOM = 1.4
"""Room for a line, as a multiple of the longest one, from which all lines were ended on purpose."""
TWICE_THE_ROOM, FEW_CONTINUED = 2.0, 0.34
"""Room from which on no item of a list goes on in the next line, where there was room before most breaks, and the share
of the lines that may look as if they went on."""
SLACK, SLACK_INDENTED = 0.06, 0.15
"""Share of the longest line by which widths are wrong; the second has room for a first line's indentation too."""
NEAR = 3
"""Lines above and below that tell how long lines are: beside a picture they are shorter."""
UNIFORM = 0.9
UNIFORM_LINES = 4
"""So many lines, of which all but the last are longer than that share of the longest, are a column of prose; one line
less where the script has no small letters to tell."""
NEARLY_ALL_LOOSE, MOSTLY_LOOSE, SOMETIMES_LOOSE = 0.7, 0.5, 0.3
"""Share of the breaks before which there was room, from which on all lines are meant; all but those that go on in the
next one; the same in wide room."""
MIN_BREAKS, FEW_BREAKS = 3, 2
KEY_SHARE = 0.65
"""Share of the lines that begin with a key and a colon in a list of keys and values."""
MIN_CAPITALS = 5
"""So many lines, none of which begins with a small letter, are no prose in a script that has small letters, or one line
less where there was room before most breaks, or before one behind a mark, as where a verse ends ..."""
CASED = 0.3
"""... as so many of its letters are."""
VERSE_LINES, VERSE, VERSE_WIDTH = 4, 0.75, 32.0
"""So many lines, that share of which ends with a mark, are verse; all of them where they are as long as in prose. None
is wider than that many line heights, some 60 letters."""
MAX_METRE = 12
"""Signs of a line of Chinese verse, which all have as many, the last one too, in more room than they take."""
ROWS = 0.75
"""Share of the lines that hold a gap of three spaces or more, from which on they are rows."""
MAX_CHARACTERS = 4096
"""Different ones of which the widths are remembered."""
MIN_SLACK_WIDE = 3.0
"""Slack in Chinese and Japanese, in characters: punctuation is pushed over."""

_KEY = re.compile(r"[^\s:：][^:：]{0,30}[:：](?:\s|$)")
_LEADER = re.compile(r"[.·…_‥]\s?[.·…_‥]\s?[.·…_‥]\s*\S{1,8}$")
"""The last three dots of a leader, and a number: any more would be looked for from each dot on."""
_FORMULA = re.compile(r"\$\$?[^$]+\$\$?")
_COMMAND = re.compile(r"\\[A-Za-z]+|\\.")
_MARKS = re.compile(r"[{}^_$\s]")
_MARKS_AT_END = (".", ",", ";", ":", "!", "?")
_GAP = re.compile(r"\S {3,}\S")
_VERSE_MARKS = (*_MARKS_AT_END, "，", "。", "；", "：", "！", "？", "、", "—", "–", "…")
_ADDRESS = re.compile(
    r"""https?://|www\.|[\w.+-]{1,64}@[\w-]|\w[\w.-]{0,14}:\s
    | (?:ул|пер|пр|просп|пр-т|наб|пл|пос|обл|г|д|кв|оф|стр|корп|тел|факс|моб|ul|nám|tel|fax|mob|str)\.:?\s*[\d(+]
    | (?:ул|пер|пр|просп|пр-т|наб|пл|пос|обл|г|ul|nám|str)\.\s*[A-ZА-ЯЁÀ-ŽČŘŠŽ]
    | c/o\s|z\.\s?h(?:d|\.)""",
    re.VERBOSE,
)
"""What may begin with a small letter: addresses of the web, of mail and of the post, and keys."""
_POSTCODE = re.compile(r"(?:\d{5,6}|\d{3}\s\d{2}),?\s+(?:г\.\s*)?[^\W\d_a-zа-яё]")
_AMOUNT = re.compile(r"\D\d{1,9}(?:[.,]\d{2}|(?:[.,]\d{2})?\s?(?:[€$£₽%]|руб\.?|р\.|Kč|zł|EUR|USD|CHF|元|円))$")
_HYPHENS = ("-", "\u2010", "\u00ad")
_OPENING = "\"'“‘«„([{*"
_WIDE_KINDS, _WIDE_AMONG_WIDE = ("W", "F"), ("W", "F", "A")
_NARROW, _WIDE = frozenset("iljtfrI.,:;'|!()[]- "), frozenset("mwMW@%—…")


def find_hard_breaks(lines: Sequence[str], room: float = 1.0) -> list[bool]:
    """For each line but the last, whether the page ends it on purpose. `lines`: without blank ones, stripped.

    `room`: what there is for a line on the page, as a multiple of the longest one.
    """
    breaks, widths = list(pairwise(lines)), array("d", map(text_width, lines))
    loose, continued = _loose_breaks(lines, widths), [_continues(*pair) for pair in breaks]
    is_column = _is_column(lines, widths)
    is_verse = _is_verse(lines, is_column=is_column) and max(widths) <= VERSE_WIDTH
    is_set = is_verse or (room >= WIDE_ROOM and _is_even(lines)) or _are_figures(lines) or _are_amounts(lines)
    if is_set or _are_rows(lines) or _are_keyed(lines):
        return [True] * len(breaks)
    ends_phrase = any(is_loose and line.endswith(_MARKS_AT_END) for is_loose, line in zip(loose, lines, strict=False))
    share = 0.0 if is_column else sum(loose) / max(len(loose), 1)
    if not is_column and _are_all_meant(lines, share, continued, room, ends_phrase=ends_phrase):
        return [not _is_hyphenated(line) for line, _ in breaks]
    is_list = share >= MOSTLY_LOOSE and sum(continued) <= FEW_CONTINUED * len(breaks)
    if len(breaks) >= MIN_BREAKS and is_list and room >= TWICE_THE_ROOM:
        return [not _is_hyphenated(line) for line, _ in breaks]
    if len(breaks) >= MIN_BREAKS and share >= (SOMETIMES_LOOSE if room >= WIDE_ROOM else MOSTLY_LOOSE):
        joined = [goes_on or _is_wide(following[0]) for goes_on, (_, following) in zip(continued, breaks, strict=True)]
        return [is_loose or not is_joined for is_loose, is_joined in zip(loose, joined, strict=True)]
    is_short = len(breaks) <= FEW_BREAKS and room >= TWICE_THE_ROOM
    return [
        bool(_LEADER.search(line)) or (is_loose and (is_short or not goes_on))
        for (line, _), is_loose, goes_on in zip(breaks, loose, continued, strict=True)
    ]


def is_wrapped(lines: Sequence[str]) -> bool:
    """Whether some line goes on in the next one, as in prose."""
    return any(_continues(line, following) for line, following in pairwise(lines))


def text_width(text: str) -> float:
    """Width in print, in line heights or so: letters are told apart roughly, LaTeX counts as what it shows."""
    shown = _FORMULA.sub(lambda formula: _MARKS.sub("", _COMMAND.sub("x", formula[0])), text)
    is_wide = not shown.isascii() and sum(map(_is_wide, shown)) > len(shown) / 2
    kinds = _WIDE_AMONG_WIDE if is_wide else _WIDE_KINDS
    return sum(count * _advance(character, kinds) for character, count in Counter(shown).items())


@lru_cache(MAX_CHARACTERS)
def _advance(character: str, wide: tuple[str, ...] = _WIDE_KINDS) -> float:
    if unicodedata.east_asian_width(character) in wide:
        return 1.0
    if character in _NARROW:
        return 0.29
    if character in _WIDE:
        return 0.85
    return 0.66 if character.isupper() else 0.53


def _are_all_meant(
    lines: Sequence[str], loose: float, continued: Sequence[bool], room: float, *, ends_phrase: bool
) -> bool:
    """`lines`: of what is no column of prose. `loose`: share of the breaks before which there was room. `ends_phrase`:
    whether a mark stands before one of these."""
    if len(lines) > MIN_BREAKS and loose >= NEARLY_ALL_LOOSE:
        return True
    if any(continued):
        return False
    if any(map(_POSTCODE.match, lines[1:])):
        return True
    keys = sum(bool(_KEY.match(line)) for line in lines)
    if len(lines) > MIN_BREAKS and keys >= KEY_SHARE * len(lines):
        return True
    is_enough = len(lines) >= MIN_CAPITALS or (len(lines) > MIN_BREAKS and (loose >= MOSTLY_LOOSE or ends_phrase))
    return room >= WIDE_ROOM or (is_enough and _has_case(lines))


def _has_case(lines: Sequence[str]) -> bool:
    letters = [character for line in lines for character in line if character.isalpha()]
    return sum(character.islower() for character in letters) > CASED * len(letters)


def _is_column(lines: Sequence[str], widths: Sequence[float]) -> bool:
    if len(lines) < UNIFORM_LINES - 1 or min(widths[:-1]) < UNIFORM * max(widths):
        return False
    return len(lines) >= UNIFORM_LINES or not _has_case(lines)


def _are_rows(lines: Sequence[str]) -> bool:
    """Whether white space parts nearly all lines in columns, as on a till receipt in typewriter print."""
    return len(lines) > 1 and sum(bool(_GAP.search(line)) for line in lines) >= ROWS * len(lines)


def _are_figures(lines: Sequence[str]) -> bool:
    """Whether no line has a letter: a column of figures."""
    return not any(character.isalpha() for line in lines for character in line)


def _are_amounts(lines: Sequence[str]) -> bool:
    """Whether nearly all lines end with an amount: those of a menu or a bill; all of them where they are few."""
    share = ROWS if len(lines) > MIN_BREAKS else 1.0
    return len(lines) > 1 and sum(bool(_AMOUNT.search(line)) for line in lines) >= share * len(lines)


def _are_keyed(lines: Sequence[str]) -> bool:
    """Whether each line begins with a key, however long they are."""
    return len(lines) > 1 and all(map(_KEY.match, lines))


def _is_even(lines: Sequence[str]) -> bool:
    """Whether lines of signs are all as long, as in Chinese verse: of prose the last one is shorter."""
    counts = {len(line) for line in lines}
    return len(lines) >= VERSE_LINES and len(counts) == 1 and max(counts) <= MAX_METRE and all(map(_is_wide, lines[0]))


def _is_verse(lines: Sequence[str], *, is_column: bool) -> bool:
    marked = sum(line.endswith(_VERSE_MARKS) for line in lines)
    is_divided = any(map(_is_hyphenated, lines))
    return len(lines) >= VERSE_LINES and not is_divided and marked >= (1.0 if is_column else VERSE) * len(lines)


def _loose_breaks(lines: Sequence[str], widths: Sequence[float]) -> list[bool]:
    """For each line but the last, whether the first word of the next one had room behind it."""
    loose: list[bool] = []
    for index, following in enumerate(lines[1:]):
        longest = max(widths[max(0, index - NEAR) : index + NEAR + 1])
        is_first = index == 0 or loose[-1]
        slack = max(
            (SLACK_INDENTED if is_first else SLACK) * longest, MIN_SLACK_WIDE if _is_wide(following[0]) else 0.0
        )
        needed = widths[index] + _advance(" ") + text_width(_first_word(following))
        loose.append(needed < longest - slack and not _is_hyphenated(lines[index]))
    return loose


def _first_word(line: str) -> str:
    return line[0] if _is_wide(line[0]) else line.split(maxsplit=1)[0]


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in _WIDE_KINDS


def _is_hyphenated(line: str) -> bool:
    return line.endswith(_HYPHENS) and line[-2:-1].isalnum()


def _continues(line: str, following: str) -> bool:
    """Whether the next line goes on with the same sentence, by its first letter or a divided word."""
    return _is_hyphenated(line) or (following.lstrip(_OPENING)[:1].islower() and not _ADDRESS.match(following))
