"""How far a table's cells contradict where its texts stand: whether its rows and columns were understood."""

from __future__ import annotations

from collections import Counter

from vlm_backend.embedded.read_lines import is_number
from vlm_backend.embedded.row_marks import PrintedLines
from vlm_backend.embedded.table_model import count_joined
from vlm_backend.embedded.tables import Table

ABOVE = 0.5
"""Texts stand above each other if they share this part of the narrower one's width."""


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
