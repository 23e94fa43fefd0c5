"""The cells of a table with their places, which its HTML has not: told by an engine that saw the grid, or found by the
lines that stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from gateway.assembly.tables.html import IMAGE, table_cells
from gateway.assembly.tables.otsl import Span
from gateway.model import BBox, TableCell
from textlines.paragraphs import rows


def list_cells(content: str, placed: Sequence[TableCell] | None) -> list[TableCell]:
    """The cells of an HTML table, row by row; none of what is no table.

    `placed`: those of the table's grid. One that covers as many rows and columns, at the same place, tells where a cell
    stands and who says so.
    """
    if not content.startswith("<table>"):
        return []
    known = {(cell.row, cell.column, cell.rows, cell.columns): cell for cell in _drop_hidden_rows(placed or ())}
    cells = []
    for span in table_cells(content)[2]:
        place = known.get((span.row, span.column, span.rows, span.columns))
        cells.append(
            TableCell(
                row=span.row,
                column=span.column,
                rows=span.rows,
                columns=span.columns,
                text=IMAGE.sub("", span.text),
                bbox=place.bbox if place else None,
                source=place.source if place else None,
            )
        )
    return cells


def _drop_hidden_rows(cells: Sequence[TableCell]) -> list[TableCell]:
    """The cells as HTML counts their rows, which has none in which no cell begins."""
    begun = sorted({cell.row for cell in cells})
    number = {row: at for at, row in enumerate(begun)}
    return [
        cell.model_copy(
            update={"row": number[cell.row], "rows": sum(cell.row <= row < cell.row + cell.rows for row in begun)}
        )
        for cell in cells
    ]


def align_cells(content: str, lines: Sequence[BBox]) -> tuple[TableCell, ...] | None:
    """The cells of a table whose engine tells no places, those with text at `lines`, which stand in it: only where each
    row of the page has one line for each cell with text, and columns stand beside each other. None elsewhere."""
    if not content.startswith("<table>"):
        return None
    height, _, spans = table_cells(content)
    filled = [[span for span in spans if span.row == row and span.text.strip()] for row in range(height)]
    printed = [[lines[index] for index in row] for row in rows(lines)]
    if any(span.rows > 1 for span in spans) or list(map(len, filled)) != list(map(len, printed)):
        return None
    pairs = [pair for row, boxes in zip(filled, printed, strict=True) for pair in zip(row, sorted(boxes), strict=True)]
    if not pairs or not _stand_in_columns(pairs):
        return None
    places = {(span.row, span.column): box for span, box in pairs}
    return tuple(
        TableCell(
            row=span.row,
            column=span.column,
            columns=span.columns,
            bbox=places.get((span.row, span.column)),
            source="aligned" if (span.row, span.column) in places else None,
        )
        for span in spans
    )


def _stand_in_columns(pairs: Sequence[tuple[Span, BBox]]) -> bool:
    """Whether no line of a column reaches into the next one's lines."""
    single = [(span.column, box) for span, box in pairs if span.columns == 1]
    columns = sorted({column for column, _ in single})
    limits = [
        (
            min(box[0] for other, box in single if other == column),
            max(box[2] for other, box in single if other == column),
        )
        for column in columns
    ]
    return all(left[1] <= right[0] for left, right in pairwise(limits))
