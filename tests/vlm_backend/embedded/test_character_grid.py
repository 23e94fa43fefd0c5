"""Columns of typewriter print."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest

from common.geometry import Box
from textlines.detection import TextLine, upright_line
from vlm_backend.embedded.character_grid import find_grid
from vlm_backend.embedded.line_order import join_paragraphs, order_lines
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText

PROGRAM = ["def tide(hour):", "    level = read(hour)", "    if level < 2:", "        warn(level)", "    return level"]


def pieces(lines: list[str], pitch: float = 14.0) -> list[tuple[Box, str]]:
    """Boxes of lines in typewriter print, 40 pixels from row to row."""
    return [
        ((round(50 + pitch * (len(line) - len(line.lstrip()))), 40 * row, round(50 + pitch * len(line)), 40 * row + 28),
         line.strip())
        for row, line in enumerate(lines)
    ]  # fmt: skip


def text(given: list[tuple[Box, str]]) -> str:
    lines = [ReadLine(box, LineText(words, (0.9,) * len(words))) for box, words in given]
    return "".join(piece.text for piece in join_paragraphs(order_lines(lines)))


def test_indentation_is_kept() -> None:
    assert text(pieces(PROGRAM)) == "\n".join(PROGRAM)


def test_spaces_between_pieces_are_kept() -> None:
    numbered = pieces([f"   {line}" for line in PROGRAM])
    numbers: list[tuple[Box, str]] = [((50, 40 * row, 64, 40 * row + 28), str(row + 1)) for row in range(len(PROGRAM))]
    assert text([*numbered, *numbers]).splitlines()[1] == "2      level = read(hour)"


def test_columns_of_a_table_stay_in_their_rows() -> None:
    """As a terminal shows it: three texts side by side by their places."""
    rows = ["name         size  owner", "ledger.txt    812  clerk", "weigh.log    9120  harbour"]
    cells = [
        ((50 + 14 * start, 40 * row, 50 + 14 * end, 40 * row + 28), line[start:end].strip())
        for row, line in enumerate(rows)
        for start, end in ((0, len(line.split()[0])), (18 - len(line.split()[1]) - 1, 17), (19, len(line)))
    ]
    read = [line.split() for line in text(cells).splitlines()]
    assert read == [line.split() for line in rows]


def test_loose_boxes_of_narrow_print() -> None:
    """Each is up to 6 pixels wider than its letters, which are 12 wide and 32 high."""
    lines = [
        "int main(void) {",
        "    int crates = 0;",
        "    while (read(&crates) == 1) {",
        "        return 1;",
        "    }",
    ]
    loose = (8, 16, 4, 15, 3)
    given = [
        ((x1, 40 * row, x2 + extra, 40 * row + 32), words)
        for row, (((x1, _, x2, _), words), extra) in enumerate(zip(pieces(lines, 12.0), loose, strict=True))
    ]
    assert text(given) == "\n".join(lines)


def test_prose_in_book_print_has_no_columns() -> None:
    """Lines of 40 letters or so, whose widths differ by their letters."""
    prose = {
        "The inspector found seven barrels without": 611, "a mark. They were opened in the presence": 622,
        "of two witnesses and contained dried plums": 648, "from the valley. Will it fill the mill? I": 540,
        "know many women who remember warm summers": 716, "and a little tinfoil lit it till it": 445,
    }  # fmt: skip
    assert (
        find_grid(
            [((50, 40 * row, 50 + width, 40 * row + 32), line) for row, (line, width) in enumerate(prose.items())]
        )
        is None
    )


def test_book_print_has_no_columns() -> None:
    widths = [300, 310, 250, 330, 205]
    book: list[tuple[Box, str]] = [
        ((50 + 20 * row, 40 * row, 50 + 20 * row + width, 40 * row + 28), line.strip())
        for row, (line, width) in enumerate(zip(PROGRAM, widths, strict=True))
    ]
    assert find_grid(book) is None
    assert text(book) == "\n".join(line.strip() for line in PROGRAM)


TABLE = [
    "files of the harbour office, with the one who wrote them last",
    f"{'name':<50}{'size':>9}  owner",
    f"{'ledger.txt':<50}{812:>9}  clerk",
    f"{'weigh.log':<50}{9120:>9}  harbour",
]


def cells(rows: list[str], gap: int) -> list[tuple[Box, str]]:
    """Boxes of what stands between `gap` blanks or more, in each row."""
    return [
        ((50 + 14 * start, 40 * row, 50 + 14 * end, 40 * row + 28), line[start:end])
        for row, line in enumerate(rows)
        for start, end in (match.span() for match in re.finditer(rf"\S+(?: {{1,{gap - 1}}}\S+)*", line))
    ]


def turned(given: list[tuple[Box, str]], degrees: float) -> list[ReadLine]:
    """The lines on a page that is turned so far."""
    matrix = cv2.getRotationMatrix2D((300, 120), degrees, 1)
    lines = []
    for box, words in given:
        quad = cv2.transform(upright_line(box).quad[np.newaxis], matrix)[0].astype(np.float32)
        line = TextLine(quad, 1.0)
        is_upside_down = abs(degrees) > 90
        lines.append(ReadLine(line.box, LineText(words, (0.9,) * len(words)), is_upside_down, place=line))
    return lines


@pytest.mark.parametrize("degrees", [0, 2.5, -2.5, 180])
def test_rows_of_a_turned_page_are_read_from_the_first(degrees: float) -> None:
    read = "".join(piece.text for piece in join_paragraphs(order_lines(turned(cells(TABLE, 2), degrees))))
    assert read.splitlines() == TABLE


def test_typed_columns_of_prose_are_read_one_after_the_other() -> None:
    left = ["The harbour office opened its", "new weighing room Monday,", "and each captain has a copy"]
    right = ["Crews of ships that lie here", "over night may use the bath", "as long as they are open"]
    left, right = left * 2, right * 2
    rows = [f"{one:<29}      {other}" for one, other in zip(left, right, strict=True)]
    assert text(cells(rows, 3)).split() == " ".join([*left, *right]).split()
    assert not [line for line in text(cells(rows, 3)).splitlines() if line.startswith(" ")]
