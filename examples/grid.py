"""Tables with spans: cells placed on a grid, drawn on a sheet, with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate

from examples.texts.tables import Cell, Rows
from examples.truth import BBox, TableCell, TruthBlock
from examples.typeset import Align, Sheet, Style, set_text, wrap


@dataclass(frozen=True, slots=True)
class TableStyle:
    """`head` for the first `head_rows` rows, `body` for the rest; sizes in pixels, no rules where `rule` is 0."""

    head: Style
    body: Style
    head_rows: int
    widths: Sequence[int]
    aligns: Sequence[Align]
    padding: int = 10
    rule: int = 2

    def of(self, cell: TableCell) -> Style:
        if cell.row < self.head_rows:
            return self.head
        align = "center" if cell.colspan > 1 else self.aligns[cell.col]
        return Style(self.body.face, self.body.size, self.body.leading, align)


def place_cells(rows: Rows) -> tuple[TableCell, ...]:
    """Cells of rows written as in HTML, each at its place: spans from above push the cells of a row to the right."""
    taken: set[tuple[int, int]] = set()
    placed = []
    for row, line in enumerate(rows):
        for entry in line:
            cell = entry if isinstance(entry, Cell) else Cell(entry)
            col = next(column for column in range(len(taken) + 1) if (row, column) not in taken)
            taken |= {(row + down, col + right) for down in range(cell.rowspan) for right in range(cell.colspan)}
            placed.append(TableCell(row, col, cell.rowspan, cell.colspan, cell.text))
    return tuple(placed)


def table_html(cells: Sequence[TableCell]) -> str:
    """The table the way PaddleOCR-VL gives it: `tr` and `td` only, spans above 1 named."""
    rows: dict[int, str] = {}
    for cell in cells:
        rows[cell.row] = rows.get(cell.row, "") + _cell_html(cell)
    return "<table>" + "".join(f"<tr>{rows[row]}</tr>" for row in sorted(rows)) + "</table>"


def draw_table(sheet: Sheet, rows: Rows, style: TableStyle, x: int, y: int) -> int:
    """Sets a table with its top left corner at (x, y); gives the y below it."""
    cells = place_cells(rows)
    lefts = [x, *(x + width for width in accumulate(style.widths))]
    tops = [y, *(y + height for height in accumulate(_row_heights(sheet, cells, style)))]
    for cell in cells:
        box = (lefts[cell.col], tops[cell.row], lefts[cell.col + cell.colspan], tops[cell.row + cell.rowspan])
        _draw_cell(sheet, cell, box, style)
    text = "\n".join(" ".join(cell.text for cell in cells if cell.row == row) for row in range(len(rows)))
    outline = (x, y, lefts[-1] + style.rule, tops[-1] + style.rule)
    sheet.blocks.append(TruthBlock("table", outline, text, cells, table_html(cells)))
    return outline[3]


def _cell_html(cell: TableCell) -> str:
    rowspan = f' rowspan="{cell.rowspan}"' if cell.rowspan > 1 else ""
    colspan = f' colspan="{cell.colspan}"' if cell.colspan > 1 else ""
    return f"<td{rowspan}{colspan}>{escape(cell.text, quote=False)}</td>"


def _row_heights(sheet: Sheet, cells: Sequence[TableCell], style: TableStyle) -> list[int]:
    """Heights that hold every cell; cells over several rows are held by their rows' sum in all our tables."""
    heights = [0] * (1 + max(cell.row for cell in cells))
    for cell in cells:
        heights[cell.row] = max(heights[cell.row], _needed_height(sheet, cell, style) // cell.rowspan)
    return heights


def _needed_height(sheet: Sheet, cell: TableCell, style: TableStyle) -> int:
    return _text_height(sheet, cell, style) + 2 * style.padding


def _text_height(sheet: Sheet, cell: TableCell, style: TableStyle) -> int:
    chosen = style.of(cell)
    width = sum(style.widths[cell.col : cell.col + cell.colspan]) - 2 * style.padding
    return len(wrap(cell.text, sheet.fonts(chosen.face, chosen.size), width)) * chosen.leading


def _draw_cell(sheet: Sheet, cell: TableCell, box: BBox, style: TableStyle) -> None:
    left, top, right, bottom = box
    if style.rule:
        far = style.rule - 1  # neighbours share a rule
        sheet.draw.rectangle((left, top, right + far, bottom + far), outline="#222222", width=style.rule)
    chosen = style.of(cell)
    spare = bottom - top - _text_height(sheet, cell, style)
    place = (left + style.padding, top + spare // 2, right - left - 2 * style.padding)
    set_text(sheet.draw, cell.text, chosen, sheet.fonts(chosen.face, chosen.size), place)
