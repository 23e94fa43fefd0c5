"""Kinds of tables with random texts: what stands in their cells, and how."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Literal

PADDING = 14
DENSE, CLOSE = 2, 8
"""Of a cell's sides, pixels: in rows as close as the lines of a cell, and nearly so."""
WORDS = (
    *("harbour", "dues", "tonnage", "berth", "pilot", "crane", "cargo", "storage", "weight", "customs", "daily", "fee"),
    *("vessel", "length", "draught", "arrival", "permit", "levy", "quay", "lighter", "ballast", "survey", "anchor"),
)
Align = Literal["top", "middle", "bottom"]


@dataclass(frozen=True, slots=True)
class Cell:
    """`lines`: its text as it stands; more columns or rows where it spans them."""

    lines: tuple[str, ...]
    columns: int = 1
    rows: int = 1


Rows = Sequence[Sequence[Cell]]
"""Cells of each row that begin in it, from the left."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table's cells; where their texts stand in them, `head`: those of the first row; white above and below a text
    in pixels, `breaks`: rows above which more is left."""

    rows: Rows
    align: Align = "middle"
    head: Align = "middle"
    padding: int = PADDING
    breaks: frozenset[int] = frozenset()


def numbers(source: random.Random) -> Sheet:
    rows = [[Cell((_text(source, 2),)), *(Cell((_number(source),)) for _ in range(5))] for _ in range(9)]
    return Sheet([_head(source, 6), *rows])


def words(source: random.Random) -> Sheet:
    rows = ([Cell((_text(source, 1 + column % 3),)) for column in range(4)] for _ in range(6))
    return Sheet([_head(source, 4), *rows])


def lines(source: random.Random) -> Sheet:
    """Cells of one to three lines."""
    rows = []
    for _ in range(5):
        texts = [tuple(_text(source, 2) for _ in range(source.randint(1, 3))) for _ in range(2)]
        rows.append([Cell((_text(source, 1),)), *(Cell(text) for text in texts), Cell((_number(source),))])
    return Sheet([_head(source, 4), *rows])


def gaps(source: random.Random) -> Sheet:
    """A third of the cells is empty."""

    def cell() -> Cell:
        return Cell(() if source.random() < 1 / 3 else (_number(source),))

    return Sheet([_head(source, 5), *([Cell((_text(source, 2),)), *(cell() for _ in range(4))] for _ in range(7))])


def heads(source: random.Random) -> Sheet:
    """A head of two rows, whose first spans pairs of columns."""
    first = [Cell((_text(source, 1),), rows=2), *(Cell((_text(source, 2),), columns=2) for _ in range(3))]
    rows = [[Cell((_text(source, 1),)), *(Cell((_number(source),)) for _ in range(6))] for _ in range(6)]
    return Sheet([first, _head(source, 6), *rows])


def groups(source: random.Random) -> Sheet:
    """Rows in groups of two or three, named once."""
    rows: list[list[Cell]] = [_head(source, 4)]
    for size in (2, 3, 2):
        for place in range(size):
            name = [Cell((_text(source, 1),), rows=size)] if place == 0 else []
            rows.append([*name, Cell((_text(source, 2),)), Cell((_number(source),)), Cell((_number(source),))])
    return Sheet(rows)


def prose(source: random.Random) -> Sheet:
    """Sentences set in narrow columns, all cells from the top."""
    rows = [
        [Cell((_text(source, 1),)), *(_wrapped(source, 14, 3, 12) for _ in range(2)), Cell((_number(source),))]
        for _ in range(6)
    ]
    return Sheet([_head(source, 4), *rows], align="top", padding=CLOSE)


def statement(source: random.Random) -> Sheet:
    """Names of one to three lines, with a code and amounts beside the last one."""
    rows = [
        [_wrapped(source, 18, 1, 7), Cell((str(code),)), *(Cell((_amount(source),)) for _ in range(2))]
        for code in range(2110, 2200, 10)
    ]
    return Sheet([_head(source, 4), *rows], align="bottom", head="bottom", padding=CLOSE)


def tall_head(source: random.Random) -> Sheet:
    """Names of columns in one to three lines, over rows as close as these."""
    head = [Cell(tuple(_text(source, 1) for _ in range(1 + column % 3))) for column in range(6)]
    rows = [[Cell((_text(source, 2),)), *(Cell((_number(source),)) for _ in range(5))] for _ in range(8)]
    return Sheet([head, *rows], head="bottom", padding=DENSE, breaks=frozenset({1}))


def dense(source: random.Random) -> Sheet:
    """Rows as close as the lines of a cell, in threes; a fifth of the cells is empty."""

    def cell(words: int) -> Cell:
        return Cell(() if source.random() < 1 / 5 else (_text(source, words),))

    rows = [[Cell((_text(source, 2),)), *(cell(1 + column % 2) for column in range(4))] for _ in range(12)]
    return Sheet([_head(source, 5), *rows], padding=DENSE, breaks=frozenset({1, 4, 7, 10}))


def long_names(source: random.Random) -> Sheet:
    """Groups of two to four single rows, named in two lines."""
    rows: list[list[Cell]] = [_head(source, 4)]
    for size in (3, 2, 4):
        for place in range(size):
            name = [Cell((_text(source, 1), _text(source, 1)), rows=size)] if place == 0 else []
            rows.append([*name, Cell((_text(source, 2),)), Cell((_text(source, 1),)), Cell((_number(source),))])
    return Sheet(rows)


KINDS: dict[str, Callable[[random.Random], Sheet]] = {
    "numbers": numbers,
    "words": words,
    "lines": lines,
    "gaps": gaps,
    "heads": heads,
    "groups": groups,
    "prose": prose,
    "statement": statement,
    "tall head": tall_head,
    "dense": dense,
    "long names": long_names,
}


def _text(source: random.Random, words: int) -> str:
    return " ".join(source.choice(WORDS) for _ in range(words)).capitalize()


def _wrapped(source: random.Random, width: int, least: int, most: int) -> Cell:
    """A sentence of `least` to `most` words in lines of `width` characters."""
    return Cell(tuple(wrap(_text(source, source.randint(least, most)), width)))


def _number(source: random.Random) -> str:
    return f"{source.randint(2, 99_999) / 10:,.1f}"


def _amount(source: random.Random) -> str:
    """Of a financial statement: losses stand in brackets, a dash is nothing."""
    number = f"{source.randint(100, 99_999):,}"
    return source.choice([number, number, f"({number})", "–"])


def _head(source: random.Random, columns: int) -> list[Cell]:
    return [Cell((_text(source, 1),)) for _ in range(columns)]
