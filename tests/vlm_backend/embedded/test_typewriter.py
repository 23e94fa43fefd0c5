"""Columns of typewriter print."""

from __future__ import annotations

from common.geometry import Box
from vlm_backend.embedded.reader import ReadLine, in_order, text_of
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.typewriter import find_grid

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
    return "".join(piece.text for piece in text_of(in_order(lines)))


def test_indentation_is_kept() -> None:
    assert text(pieces(PROGRAM)) == "\n".join(PROGRAM)


def test_spaces_between_pieces_are_kept() -> None:
    numbered = pieces([f"   {line}" for line in PROGRAM])
    numbers: list[tuple[Box, str]] = [((50, 40 * row, 64, 40 * row + 28), str(row + 1)) for row in range(len(PROGRAM))]
    assert text([*numbered, *numbers]).splitlines()[1] == "2      level = read(hour)"


def test_book_print_has_no_columns() -> None:
    widths = [300, 310, 250, 330, 205]
    book: list[tuple[Box, str]] = [
        ((50 + 20 * row, 40 * row, 50 + 20 * row + width, 40 * row + 28), line.strip())
        for row, (line, width) in enumerate(zip(PROGRAM, widths, strict=True))
    ]
    assert find_grid(book) is None
    assert text(book) == "\n".join(line.strip() for line in PROGRAM)
