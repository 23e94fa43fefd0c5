"""Typewriter print among other print, on pages drawn here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from common.geometry import Box
from textlines.detection import Pixels
from textlines.typewriter import find_typewriter

SIZE, PITCH, LETTER = 30, 44, 18
TABLE = (
    "id  owner              weight",
    " 1  Marsk Timber         31.5",
    " 2  Orchard Coop          8.0",
    " 3  Salt and Sons       112.4",
)
PROSE = ("The harbour office opened its new", "weighing room on Monday, and each", "captain has a copy of these rules.")


def draw_page(texts: Sequence[tuple[str, bool]]) -> tuple[Pixels, list[Box]]:
    """Rows of text, each on a grid of letters or as the font sets it, and the boxes of their pieces."""
    image = Image.new("RGB", (1200, 60 + PITCH * len(texts)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(SIZE)
    lines: list[Box] = []
    for row, (text, is_grid) in enumerate(texts):
        top = 30 + PITCH * row
        if not is_grid:
            draw.text((40, top), text, fill="black", font=font)
            lines.append((36, top, 44 + round(font.getlength(text)), top + 40))
            continue
        for column, letter in enumerate(text):
            draw.text((40 + LETTER * column + LETTER / 2, top), letter, fill="black", font=font, anchor="ma")
        start = len(text) - len(text.lstrip())
        lines.append((36 + LETTER * start, top, 44 + LETTER * len(text), top + 40))
    return np.asarray(image), lines


def find(*texts: tuple[str, bool]) -> list[Box]:
    return find_typewriter(*draw_page(texts))


def test_table_set_with_spaces() -> None:
    (box,) = find(*((row, True) for row in TABLE))
    assert box[1] <= 30
    assert box[3] >= 30 + 3 * PITCH + 40


def test_rows_of_a_listing_in_prose() -> None:
    listing = ("port of arrival = 8080", "name of the host = quay", "level of the log = info")
    around = [*((row, False) for row in PROSE), *((row, True) for row in listing), *((row, False) for row in PROSE * 2)]
    (box,) = find(*around)
    assert (box[1], box[3]) == (30 + 3 * PITCH, 30 + 5 * PITCH + 40)


def test_other_print_has_no_grid() -> None:
    assert find(*((row, False) for row in (*PROSE, *TABLE))) == []


def test_typed_letter_is_prose() -> None:
    assert find(*((row, True) for row in PROSE * 2)) == []


TYPED = (
    "The office opened its doors.  Each captain",
    "has a copy of the rules.  They hold from",
    "Monday on.  Who stays over night may use",
    "the bath and the reading room.  The keeper",
    "rings at ten.  Crates that nobody claims",
    "within a week are sold.  Pay at the gate.",
)
SET_WIDE = (
    "The office opened  its doors on Monday, each",
    "captain  has a copy  of the rules that hold,",
    "and who stays  over night  may use the bath,",
    "the reading  room and the  kitchen.  Keepers",
    "ring  a bell at ten,  and crates that nobody",
    "claims within a week are  sold at  the gate.",
)
OPENED = (
    "   The harbour office has a new clerk, who",
    "writes down what each ship brings in.",
    "   The bath is warm from six on, and those",
    "who stay over night need no key for it.",
    "   Crates that nobody claims are sold at",
    "the gate, and half of it goes to crews.",
)
INDENTED = (
    "3.  Weighing of crates",
    "   Each crate that stands on the quay is",
    "   weighed before noon. The clerk who is",
    "   in charge writes it down.",
    "   Where two crates have the same mark,",
    "   the clerk asks both captains and has",
    "   them sign.",
)
FILES = (
    "-rw-r--r-- 1 anna anna    812 May  4 ledger",
    "drwxr-xr-x 2 anna anna   4096 May 11 archive.d",
    "-rw-r--r-- 1 root root 191200 Jun  1 weighing.log",
    "-rwxr-xr-x 1 anna anna    377 Jun  3 run",
)
BESIDE = (
    "The office opened its door       Crews that lie here over",
    "on Monday, and each of the       night may use the bath",
    "captains has a copy of all       and the reading room as",
    "rules that hold from May on      long as they are open.",
    "for crews and their guests.      The keeper rings a bell",
    "Ships without a flag may be      at ten, and at six when",
)
PROGRAM = (
    "def tide(hour):",
    "    level = read(hour)",
    "    if level < 2:",
    "        warn(level, hour, gate)",
    "    return level",
)


@pytest.mark.parametrize("rows", [TYPED, SET_WIDE, OPENED, INDENTED, BESIDE])
def test_spaces_of_typed_prose_mean_nothing(rows: Sequence[str]) -> None:
    """Two behind a full stop, some that set both edges flush, those before paragraphs, and between columns."""
    assert find(*((row, True) for row in rows)) == []


@pytest.mark.parametrize("rows", [PROGRAM, FILES])
def test_indents_and_columns_of_few_rows_mean_something(rows: Sequence[str]) -> None:
    assert len(find(*((row, True) for row in rows))) == 1


def test_brackets_alone_in_their_rows() -> None:
    """Between the parts of a listing, which go on behind a blank row."""
    parts = (
        "void sort(List rows) {",
        "    rows.arrange(1);",
        "}",
        "",
        "int count(List rows) {",
        "    return rows.n;",
        "}",
    )
    (box,) = find(*((row, True) for row in parts))
    assert (box[1], box[3]) == (30, 30 + 6 * PITCH + 40)


def test_short_table_whose_columns_are_pieces() -> None:
    """No piece is long enough to tell the width of a letter, their rows are."""
    rows = [
        [("item", 0), ("no.", 12), ("price", 18)],
        [("Ropes", 0), ("4", 14), ("12.50", 18)],
        [("Sails", 0), ("1", 14), ("98.00", 18)],
        [("Nails", 0), ("200", 12), ("10.05", 18)],
    ]
    image = Image.new("RGB", (600, 60 + PITCH * len(rows)), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(SIZE)
    lines: list[Box] = []
    for top, row in zip(range(30, 30 + PITCH * len(rows), PITCH), rows, strict=True):
        for text, start in row:
            for column, letter in enumerate(text, start):
                draw.text((40 + LETTER * column + LETTER / 2, top), letter, fill="black", font=font, anchor="ma")
            lines.append((36 + LETTER * start, top, 44 + LETTER * (start + len(text)), top + 40))
    assert find_typewriter(np.asarray(image), lines) == [(36, 30, 44 + LETTER * 23, 30 + 3 * PITCH + 40)]
