"""Rows of tables without rules: groups with a name, cells of several lines."""

from __future__ import annotations

import pytest

from vlm_backend.embedded.reader import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.table_rows import group_rows, join_wrapped_rows
from vlm_backend.embedded.tables import Span, Table


def _grouped(groups: list[tuple[int, int]], names: list[float]) -> Table:
    """Rows of 40 pixels, whose first column has these groups of rows and names at these heights."""
    rows = groups[-1][1]
    cells = [Span(row, 1, row + 1, 2) for row in range(rows)] + [Span(top, 0, bottom, 1) for top, bottom in groups]
    boxes = [(100 * cell.left, 40 * cell.top, 100 * cell.right, 40 * cell.bottom) for cell in cells]
    middles = [40.0 * row + 20 for row in range(rows)] + names
    held = {
        index: [
            ReadLine((boxes[index][0], round(y) - 10, boxes[index][2], round(y) + 10), LineText("word", (0.9,) * 4))
        ]
        for index, y in enumerate(middles)
    }
    return Table((rows, 2), cells, boxes, held)


def _groups(table: Table) -> list[tuple[int, int]]:
    return sorted((cell.top, cell.bottom) for cell in table.cells if cell.left == 0)


def test_a_name_stands_in_the_middle_of_its_rows() -> None:
    table = group_rows(_grouped([(0, 1), (1, 3), (3, 5), (5, 7)], [20.0, 80.0, 190.0, 260.0]))
    assert _groups(table) == [(0, 1), (1, 3), (3, 6), (6, 7)]
    box = next(box for cell, box in zip(table.cells, table.boxes, strict=True) if (cell.top, cell.left) == (3, 0))
    assert box == (0, 120, 100, 240)


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        pytest.param([(0, 1), (1, 3), (3, 6)], [20.0, 80.0, 190.0], id="in the middle"),
        pytest.param([(0, 1), (1, 3), (3, 6)], [20.0, 60.0, 140.0], id="at the first row"),
        pytest.param([(0, 1), (1, 3), (3, 6)], [20.0, 60.0, 215.0], id="at no regular place"),
    ],
)
def test_groups_that_are_right_or_not_understood_stay(groups: list[tuple[int, int]], names: list[float]) -> None:
    assert _groups(group_rows(_grouped(groups, names))) == groups


def _placed(columns: list[list[float]]) -> Table:
    """Lines of 20 pixels with these middles; each height at which some line stands is a row."""
    places = sorted({y for column in columns for y in column})
    cells = [Span(row, column, row + 1, column + 1) for row in range(len(places)) for column in range(len(columns))]
    boxes = [(100 * c.left, round(places[c.top]) - 10, 100 * c.right - 20, round(places[c.top]) + 10) for c in cells]
    held = {
        index: [ReadLine(boxes[index], LineText(f"{cell.left} {places[cell.top]:.0f}", (0.9,) * 4))]
        for index, cell in enumerate(cells)
        if places[cell.top] in columns[cell.left]
    }
    return Table((len(places), len(columns)), cells, boxes, held)


def _texts(table: Table) -> list[list[str]]:
    rows = [[""] * table.shape[1] for _ in range(table.shape[0])]
    for index, lines in table.held.items():
        cell = table.cells[index]
        rows[cell.top][cell.left] = " / ".join(str(line.text.text) for line in lines)
    return rows


def test_lines_between_those_of_another_cell_make_one_row() -> None:
    table = join_wrapped_rows(_placed([[20, 104, 190], [20, 70, 104, 138, 190], [20, 87, 121, 190]]))
    assert _texts(table) == [
        ["0 20", "1 20", "2 20"],
        ["0 104", "1 70 / 1 104 / 1 138", "2 87 / 2 121"],
        ["0 190", "1 190", "2 190"],
    ]


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param([[20, 87, 155], [20, 70, 104, 155], [20, 70, 104, 155]], id="a name between two rows"),
        pytest.param([[20, 70, 104, 160, 194], [20, 70, 104, 160, 194]], id="rows in groups"),
        pytest.param([[20, 54, 88], [20, 88], [20, 54, 88]], id="a cell is empty"),
    ],
)
def test_rows_of_single_lines_stay(columns: list[list[float]]) -> None:
    table = _placed(columns)
    assert _texts(join_wrapped_rows(table)) == _texts(table)
