"""HTML tables as tables of Word, cells that span rows and columns merged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.text.paragraph import Paragraph

from gateway.assembly.docx.pictures import add_picture
from gateway.assembly.docx.text import write_text
from gateway.assembly.tables.html import PICTURE, table_cells
from gateway.assembly.tables.otsl import Span

MOST_COLUMNS = 63
"""Word opens no table with more."""
_FULL_WIDTH = 5000
"""In fiftieths of a per cent."""
_LEAST_SHARE = 0.2


def write_table(document: Any, table: str, share: float, room: tuple[int, int], pictures: Mapping[str, bytes]) -> None:  # noqa: ANN401
    """Adds the table to a python-docx document; a wider one than Word can hold becomes lines with tabs.

    `share`: of the text's width; `room`: what a picture may take in all, English metric units.
    """
    rows, columns, cells = table_cells(table)
    if columns > MOST_COLUMNS:
        _write_lines(document, rows, cells)
        return
    made = document.add_table(rows=0, cols=columns, style="Table Grid")
    _set_width(made._tbl.tblPr.find(qn("w:tblW")), share)
    room = (room[0] // columns, room[1])
    for row in _rows(rows, cells):
        line = OxmlElement("w:tr")
        for cell, is_first in row:
            line.append(_cell(document, cell, is_first, room, pictures))
        made._tbl.append(line)
    # Word joins tables with nothing between them.
    document.add_paragraph()


def _rows(rows: int, cells: list[Span]) -> list[list[tuple[Span, bool]]]:
    """For each row its cells, those from above that reach into it too, and whether they begin there."""
    found: list[list[tuple[Span, bool]]] = [[] for _ in range(rows)]
    for cell in cells:
        for at in range(cell.row, cell.row + cell.rows):
            found[at].append((cell, at == cell.row))
    return [sorted(row, key=lambda part: part[0].column) for row in found]


def _cell(document: Any, cell: Span, is_first: bool, room: tuple[int, int], pictures: Mapping[str, bytes]) -> Any:  # noqa: ANN401
    made, properties, paragraph = OxmlElement("w:tc"), OxmlElement("w:tcPr"), OxmlElement("w:p")
    if cell.columns > 1:
        properties.append(_valued("w:gridSpan", str(cell.columns)))
    if cell.rows > 1:
        properties.append(_valued("w:vMerge", "restart" if is_first else "continue"))
    made.extend((properties, paragraph))
    if is_first:
        _write_cell(Paragraph(paragraph, document._body), cell.text, (room[0] * cell.columns, room[1]), pictures)
    return made


def _write_cell(paragraph: Any, text: str, room: tuple[int, int], pictures: Mapping[str, bytes]) -> None:  # noqa: ANN401
    parts = PICTURE.split(text)
    for at, part in enumerate(parts):
        if at % 2:
            add_picture(paragraph.add_run(), pictures, part, room[0], room)
        elif part:
            write_text(paragraph, part)


def _write_lines(document: Any, rows: int, cells: list[Span]) -> None:  # noqa: ANN401
    for row in _rows(rows, cells):
        write_text(document.add_paragraph(), "\t".join(cell.text if is_first else "" for cell, is_first in row))


def _set_width(width: Any, share: float) -> None:  # noqa: ANN401
    width.set(qn("w:type"), "pct")
    width.set(qn("w:w"), str(round(_FULL_WIDTH * min(max(share, _LEAST_SHARE), 1))))


def _valued(tag: str, value: str) -> Any:  # noqa: ANN401
    element = OxmlElement(tag)
    element.set(qn("w:val"), value)
    return element
