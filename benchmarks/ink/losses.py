"""What is taken from the engine's readings of a page: a line, a column, a caption."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from common.geometry import Rectangle
from gateway.model import Reading, TextLine

MIN_LINES = 2
"""A region with fewer lines would be read as empty, which is told anyway."""
MIN_COLUMN = 4
"""Lines beside the middle of the page, on either side, that make columns of it."""
MAX_CAPTION, MIN_CAPTION = 2, 8
"""Most lines of a region that is taken for a caption or another short text of its own, and its fewest characters: a
page's number is none."""


@dataclass(frozen=True, slots=True)
class Loss:
    """`readings`: what is left of those that it changes, by the keys of their crops. `places`: of the lines that go."""

    kind: str
    readings: Mapping[str, Reading]
    places: Sequence[Rectangle]


Readings = Mapping[str, Reading]


def make_losses(readings: Readings, width: int, dice: random.Random) -> list[Loss]:
    """The losses that the page's readings allow, one of each kind. `width`: the page's."""
    makers: Sequence[Callable[[Readings, int, random.Random], Loss | None]] = (_lose_line, _lose_column, _lose_caption)
    return [loss for make in makers if (loss := make(readings, width, dice))]


def _lose_line(readings: Readings, _width: int, dice: random.Random) -> Loss | None:
    """One of a text; of a table's cells a row."""
    wholes = [key for key, reading in readings.items() if len(_lines(reading)) >= MIN_LINES and not _is_table(reading)]
    if not wholes:
        return None
    key = dice.choice(wholes)
    line = dice.choice(_lines(readings[key]))
    return Loss("line", {key: _without(readings[key], [line])}, [line.bbox])


def _lose_column(readings: Readings, width: int, _dice: random.Random) -> Loss | None:
    texts = {key: reading for key, reading in readings.items() if not _is_table(reading)}
    lines = [line for reading in texts.values() for line in _lines(reading)]
    left = [line for line in lines if line.bbox[2] <= 0.55 * width]
    right = [line for line in lines if line.bbox[0] >= 0.45 * width]
    if min(len(left), len(right)) < MIN_COLUMN:
        return None
    gone = {id(line) for line in right}
    changed = {
        key: _without(reading, own)
        for key, reading in texts.items()
        if (own := [line for line in _lines(reading) if id(line) in gone])
    }
    return Loss("column", changed, [line.bbox for line in right])


def _lose_caption(readings: Readings, _width: int, dice: random.Random) -> Loss | None:
    short = [
        key
        for key, reading in readings.items()
        if 1 <= len(_lines(reading)) <= MAX_CAPTION and len(reading.text) >= MIN_CAPTION
    ]
    if not short:
        return None
    key = dice.choice(short)
    gone = _lines(readings[key])
    return Loss("caption", {key: _without(readings[key], gone)}, [line.bbox for line in gone])


def _is_table(reading: Reading) -> bool:
    return "<fcel>" in reading.text or "<nl>" in reading.text


def _lines(reading: Reading) -> Sequence[TextLine]:
    return reading.lines or ()


def _without(reading: Reading, gone: Sequence[TextLine]) -> Reading:
    text = reading.text
    for line in gone:
        before, _, after = text.partition(line.text)
        text = f"{before.rstrip()}\n{after.lstrip()}" if line.text in text else text
    kept = tuple(line for line in _lines(reading) if line not in gone)
    return replace(reading, text=text.strip(), lines=kept)
