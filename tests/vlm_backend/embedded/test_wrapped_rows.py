"""Rows whose cells hold several lines, in tables without rules around each cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from textlines.detection import Pixels
from vlm_backend.embedded.edges import Rulings, find_rulings
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.row_marks import find_printed_lines
from vlm_backend.embedded.tables import Span, Table
from vlm_backend.embedded.wrapped_rows import join_head, join_wrapped_rows

WIDTH, HEIGHT, LETTER = 240, 20, 12
"""Of a column; a letter's height and width."""
Columns = Sequence[Sequence[tuple[float, str]]]
"""The baselines of each column's texts, and what they say."""


def _draw(columns: Columns) -> tuple[Pixels, Table]:
    """A picture of the texts, and the table in which each printed line is a row."""
    places = sorted({y for column in columns for y, _ in column})
    pixels = np.full((round(places[-1]) + 40, WIDTH * len(columns), 3), 255, dtype=np.uint8)
    cells = [Span(row, column, row + 1, column + 1) for row in range(len(places)) for column in range(len(columns))]
    boxes = [(WIDTH * c.left, round(places[c.top]) - 26, WIDTH * c.right - 40, round(places[c.top]) + 8) for c in cells]
    held = {}
    for index, cell in enumerate(cells):
        for y, text in columns[cell.left]:
            if y == places[cell.top]:
                x1, y1, _, y2 = boxes[index]
                x2 = x1 + 20 + LETTER * len(text)
                for x in range(x1 + 10, x2 - 10, 10):
                    pixels[y2 - 8 - HEIGHT : y2 - 8, x : x + 4] = 0
                held[index] = [ReadLine((x1, y1, x2, y2), LineText(text, (0.9,) * len(text)))]
    return pixels, Table((len(places), len(columns)), cells, boxes, held)


def _texts(table: Table) -> list[list[str]]:
    rows = [[""] * table.shape[1] for _ in range(table.shape[0])]
    for index, lines in table.held.items():
        cell = table.cells[index]
        rows[cell.top][cell.left] = " ".join(line.text.text for line in lines)
    return rows


def _join(pixels: Pixels, table: Table, rulings: Rulings | None = None) -> Table | None:
    printed = find_printed_lines(pixels, [line for lines in table.held.values() for line in lines])
    return join_wrapped_rows(pixels, rulings or find_rulings(pixels), printed, table)


HEAD = [(40.0, "Name")]


def test_lines_between_those_of_another_cell_make_one_row() -> None:
    columns = [
        [*HEAD, (120, "A"), (222, "B"), (307, "C")],
        [*HEAD, (86, "a1"), (120, "a2"), (154, "a3"), (205, "b1"), (239, "b2"), (307, "c")],
        [*HEAD, (103, "x"), (137, "y"), (222, "z"), (290, "u"), (324, "v")],
    ]
    joined = _join(*_draw(columns))
    assert joined is not None
    assert _texts(joined) == [
        ["Name"] * 3, ["A", "a1 a2 a3", "x y"], ["B", "b1 b2", "z"], ["C", "c", "u v"],
    ]  # fmt: skip


def test_values_beside_the_last_line_of_a_name_are_its_row() -> None:
    names = [*HEAD, (88, "Profit"), (122, "and loss"), (164, "Rent"), (206, "Other"), (240, "income"), (274, "of all")]
    amounts = [*HEAD, (122, "1,250"), (164, "(84)"), (274, "17")]
    joined = _join(*_draw([names, amounts, amounts]))
    assert joined is not None
    assert [row[:2] for row in _texts(joined)] == [
        ["Name", "Name"], ["Profit and loss", "1,250"], ["Rent", "(84)"], ["Other income of all", "17"],
    ]  # fmt: skip


def test_small_letters_go_on_with_a_row_where_no_white_parts_it() -> None:
    names = [*HEAD, (74, "Profit"), (108, "and loss"), (142, "Rent"), (176, "Other"), (210, "income"), (244, "Tax")]
    amounts = [*HEAD, (108, "1,250"), (142, "(84)"), (210, "17"), (244, "5")]
    joined = _join(*_draw([names, amounts, amounts]))
    assert joined is not None
    assert [row[0] for row in _texts(joined)] == ["Name", "Profit and loss", "Rent", "Other income", "Tax"]


@pytest.mark.parametrize("mark", ["rules", "shades"])
def test_rules_and_shades_part_rows_without_white(mark: str) -> None:
    names = [*HEAD, (74, "Profit"), (108, "Loss"), (142, "Rent"), (176, "Other"), (210, "Income"), (244, "Tax")]
    amounts = [*HEAD, (108, "1,250"), (142, "(84)"), (210, "17"), (244, "5")]
    pixels, table = _draw([names, amounts, amounts])
    edges = [47, 115, 149, 217]
    for y in edges if mark == "rules" else ():
        pixels[y : y + 2] = 0
    for y1, y2 in [(47, 115), (149, 217)] if mark == "shades" else ():
        pixels[y1:y2][pixels[y1:y2] == 255] = 220
    joined = _join(pixels, table)
    assert joined is not None
    assert [row[0] for row in _texts(joined)] == ["Name", "Profit Loss", "Rent", "Other Income", "Tax"]


def _block(first: float, texts: Sequence[str]) -> list[tuple[float, str]]:
    """Texts one below the other, 36 pixels apart."""
    return [(first + 36 * place, text) for place, text in enumerate(texts) if text]


def _blocks(*texts: Sequence[str]) -> list[tuple[float, str]]:
    """Blocks of three lines, with more white between them than in them."""
    return [line for place, own in enumerate(texts) for line in _block(96 + 128 * place, own)]


SECTIONS = [
    *((100, "Costs"), (134, "Rent of the quay"), (186, "Levy"), (238, "Income"), (272, "Dues of pilots")),
    *((324, "Fees"), (376, "Others"), (410, "Sale of timber"), (462, "Gifts")),
]
NAMES = _blocks(["Fee", "Levy", "Quay"], ["Dues", "Pilot", "Crane"], ["Berth", "Cargo", "Weight"])


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param(
            [_blocks(["Fee", "", ""], ["Dues", "", ""], ["Berth", "", ""])]
            + [_blocks(*[[f"{row}{place}.5" for place in range(3)] for row in range(3)])] * 2,
            id="numbers in groups with a name",
        ),
        pytest.param(
            [NAMES, _blocks(["Oak", "", "Elm"], ["Ash", "Fir", "Yew"], ["", "Box", "Bay"]), NAMES],
            id="an empty cell here and there",
        ),
        pytest.param(
            [_blocks(["Fee", "", ""], ["Dues", "", ""], ["Berth", "", ""]), NAMES, NAMES], id="names of groups"
        ),
        pytest.param([NAMES, NAMES, NAMES], id="rows in groups"),
        pytest.param(
            [SECTIONS, [(y, "1.5") for y, text in SECTIONS if text not in ("Costs", "Income", "Others")]],
            id="headings close to a row",
        ),
        pytest.param(
            [_block(96, ["Fee", "", "Dues", "", "Berth", ""]), _block(96, ["Oak", "Elm", "Ash", "Fir", "Yew", "Box"])]
            * 2,
            id="no white between rows",
        ),
    ],
)
def test_rows_of_single_lines_stay(columns: Columns) -> None:
    assert _join(*_draw([[*HEAD, *column] for column in columns])) is None


def test_a_head_of_several_lines_is_one_row_over_close_rows() -> None:
    numbers = _block(160, [f"{number}.5" for number in range(1, 7)])
    columns = [
        [(120, "Port"), *_block(160, ["Fee", "Levy", "Quay", "Dues", "Pilot", "Crane"])],
        [(86, "Mean"), (120, "weight"), *numbers],
        [(52, "Length"), (86, "of"), (120, "ships"), *numbers],
    ]
    pixels, table = _draw(columns)
    assert _join(pixels, table) is None
    printed = find_printed_lines(pixels, [line for lines in table.held.values() for line in lines])
    joined = join_head(find_rulings(pixels), printed, table)
    assert joined is not None
    assert _texts(joined)[:2] == [["Port", "Mean weight", "Length of ships"], ["Fee", "1.5", "1.5"]]
    assert joined.shape == (7, 3)
