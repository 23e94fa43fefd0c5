"""Lines whose letters look alike in Latin and Cyrillic script, such as "AKT", settled by the page they stand on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.model import Reading, TextLine

MIN_LETTERS = 10
"""Cyrillic letters on a page that tell of its script."""


def settle_look_alikes(readings: Sequence[Reading]) -> list[Reading]:
    """The readings of a page, with the lines in Cyrillic that may be, where most of the page's other letters are."""
    if not any(any(reading.look_alikes) for reading in readings) or not _is_cyrillic(readings):
        return list(readings)
    return [_settle(reading) if any(reading.look_alikes) else reading for reading in readings]


def _is_cyrillic(readings: Iterable[Reading]) -> bool:
    text = "".join(part for reading in readings for part in _list_certain(reading))
    cyrillic = sum("\u0400" <= character <= "\u052f" for character in text)
    return cyrillic >= MIN_LETTERS and 2 * cyrillic > sum(map(str.isalpha, text))


def _list_certain(reading: Reading) -> list[str]:
    """The texts of which nothing is to be settled."""
    if not any(reading.look_alikes):
        return [reading.text]
    others = [*reading.look_alikes, *(None,) * len(reading.lines or ())]
    return [line.text for line, other in zip(reading.lines or (), others, strict=False) if not other]


def _settle(reading: Reading) -> Reading:
    text, at, lines = reading.text, 0, list(reading.lines or ())
    for index, (line, other) in enumerate(zip(lines, reading.look_alikes, strict=False)):
        start = text.find(line.text, at)
        if start < 0:
            continue
        if other:
            text = text[:start] + other + text[start + len(line.text) :]
            lines[index] = _rewrite(line, other)
        at = start + len(other or line.text)
    return replace(reading, text=text, lines=tuple(lines), look_alikes=())


def _rewrite(line: TextLine, text: str) -> TextLine:
    """The line with another text, its words too where they are as many."""
    words = text.split()
    if len(words) != len(line.words):
        return line.model_copy(update={"text": text, "words": []})
    renamed = [old.model_copy(update={"text": new}) for old, new in zip(line.words, words, strict=True)]
    return line.model_copy(update={"text": text, "words": renamed})
