"""Groups of rows with a name, in tables without rules."""

from __future__ import annotations

import numpy as np
import pytest

from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.row_groups import group_rows, group_ruled_rows
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


def test_names_beside_empty_rows_have_these_too() -> None:
    """As the table's model has it: a name of two rows, and one of three that stands in the middle one."""
    table = group_rows(_grouped([(0, 1), (1, 3), (4, 5), (3, 4), (5, 6)], [20.0, 80.0, 180.0]))
    assert _groups(table) == [(0, 1), (1, 3), (3, 6)]


def test_the_lines_of_a_name_stay_together() -> None:
    table = group_rows(_grouped([(0, 1), (1, 3), (3, 4), (4, 5)], [20.0, 80.0, 145.0, 175.0]))
    assert _groups(table) == [(0, 1), (1, 3), (3, 5)]
    names = [lines for index, lines in table.held.items() if table.cells[index] == Span(3, 0, 5, 1)]
    assert [len(lines) for lines in names] == [2]


def test_a_name_has_the_rows_that_rules_leave_to_it() -> None:
    table = _grouped([(row, row + 1) for row in range(5)], [20.0, 60.0, 180.0])
    table = Table(table.shape, table.cells, table.boxes, {i: held for i, held in table.held.items() if i != 7})
    horizontal = np.zeros((200, 200), dtype=np.bool_)
    for y, left in [(40, 0), (80, 100), (120, 0), (160, 100)]:
        horizontal[y, left:] = True
    rulings = Rulings(horizontal, np.zeros_like(horizontal), 20.0)
    assert _groups(group_ruled_rows(rulings, table)) == [(0, 1), (1, 3), (3, 5)]
    assert _groups(group_ruled_rows(Rulings(horizontal & False, horizontal & False, 20.0), table)) == _groups(table)


def test_a_line_to_write_on_is_no_rule_between_rows() -> None:
    """It stands below one of several fields."""
    table = _grouped([(row, row + 1) for row in range(5)], [20.0, 60.0, 180.0])
    cells = [*table.cells, *(Span(row, 2, row + 1, 3) for row in range(5))]
    boxes = [*table.boxes, *((210, 40 * row, 300, 40 * row + 40) for row in range(5))]
    table = Table((5, 3), cells, boxes, {i: held for i, held in table.held.items() if i != 7})
    horizontal = np.zeros((200, 300), dtype=np.bool_)
    horizontal[[40, 80, 120, 160], 100:200] = True
    assert _groups(group_ruled_rows(Rulings(horizontal, np.zeros_like(horizontal), 20.0), table)) == _groups(table)
