"""Tables without rules around each cell: what the table's model sees, corrected by what the print shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from textlines.detection import Pixels
from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine, is_number
from vlm_backend.embedded.row_groups import group_rows, group_ruled_rows
from vlm_backend.embedded.row_marks import PrintedLines, find_printed_lines
from vlm_backend.embedded.table_model import count_joined
from vlm_backend.embedded.tables import Grid, Table
from vlm_backend.embedded.wrapped_rows import join_head, join_wrapped_rows

ABOVE = 0.5
"""Texts stand above each other if they share this part of the narrower one's width."""
CONFLICTS = 0.05
"""Share of the texts that the model's cells may contradict, beyond those that white space does: this knows no spans."""


def build_open_table(pixels: Pixels, grid: Grid, drawn: Table, seen: Table | None, lines: Sequence[ReadLine]) -> Table:
    """`drawn`: by white space and rules, `seen`: by the model."""
    if seen and count_joined(seen) > count_joined(drawn):
        seen = None
    if grid.ruled_rows and not grid.open_ys:
        return seen or drawn
    printed = find_printed_lines(grid.rulings.erased(pixels), lines)
    return group_ruled_rows(grid.rulings, _join_rows(pixels, grid.rulings, drawn, seen, printed))


def _join_rows(pixels: Pixels, rulings: Rulings, drawn: Table, seen: Table | None, printed: PrintedLines) -> Table:
    allowed = CONFLICTS * sum(map(len, drawn.held.values()))
    in_columns = count_column_conflicts(seen) - count_column_conflicts(drawn) if seen else 0
    columns = seen if seen and in_columns <= allowed else drawn
    if joined := join_wrapped_rows(pixels, rulings, printed, columns):
        return joined
    in_rows = count_row_conflicts(seen, printed) - count_row_conflicts(drawn, printed) if seen else 0
    table = group_rows(drawn if seen is None or in_columns + in_rows > allowed else seen)
    return join_head(rulings, printed, table) or table


def count_column_conflicts(table: Table) -> int:
    """Texts side by side in a cell, and those that stand above texts of another column rather than of their own."""
    return count_joined(table) + _count_strays(table)


def count_row_conflicts(table: Table, printed: PrintedLines) -> int:
    """Texts beside each other in no common row, and numbers above each other in a cell."""
    return _count_torn_rows(table, printed) + _count_numbers(table, printed)


def _count_torn_rows(table: Table, printed: PrintedLines) -> int:
    """Texts that are in other rows than most of their printed line."""
    rows: dict[int, Counter[int]] = {}
    counts = Counter[int]()
    for index, lines in table.held.items():
        for line in lines:
            number = printed.number(line)
            counts[number] += 1
            rows.setdefault(number, Counter()).update(range(table.cells[index].top, table.cells[index].bottom))
    return sum(count - max(rows[number].values()) for number, count in counts.items())


def _count_numbers(table: Table, printed: PrintedLines) -> int:
    """Numbers in cells beyond the first one of each."""
    numbers = ({printed.number(line) for line in lines if is_number(line.text.text)} for lines in table.held.values())
    return sum(max(0, len(own) - 1) for own in numbers)


def _count_strays(table: Table) -> int:
    texts = [
        (cell.left, line.box[0], line.box[2])
        for index, lines in table.held.items()
        for line in lines
        if (cell := table.cells[index]).right - cell.left == 1
    ]
    strays = 0
    for column, left, right in texts:
        over = Counter(
            other == column
            for other, x1, x2 in texts
            if min(right, x2) - max(left, x1) > ABOVE * min(right - left, x2 - x1)
        )
        strays += over[False] >= over[True]  # of which it is one itself
    return strays
