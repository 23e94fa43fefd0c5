"""Tables without rules around each cell: what the table's model sees, corrected by what the print shows."""

from __future__ import annotations

from collections.abc import Sequence

from textlines.detection import Pixels
from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.row_groups import group_rows, group_ruled_rows
from vlm_backend.embedded.row_marks import PrintedLines, find_printed_lines
from vlm_backend.embedded.table_conflicts import count_column_conflicts, count_row_conflicts
from vlm_backend.embedded.table_model import count_joined
from vlm_backend.embedded.tables import Grid, Table
from vlm_backend.embedded.wrapped_rows import join_head, join_wrapped_rows

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
