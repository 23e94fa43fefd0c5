"""What stands in a Word document: text with formulas, pictures, and tables with cells that span rows and columns."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import structlog
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.table import CT_Tbl
from docx.shared import Emu
from docx.text.paragraph import Paragraph

from gateway.assembly.docx.equations import convert_latex
from gateway.assembly.tables.html import IMAGE, table_cells
from gateway.assembly.tables.otsl import Span
from gateway.assembly.text.formulas import MATH, has_formula
from gateway.assembly.text.reflow import LINE_BREAK

log = structlog.get_logger(__name__)

MAX_COLUMNS = 63
"""Word opens no table with more."""
_TABLE_STYLE = "TableGrid"
_FULL_WIDTH = 5000
"""In fiftieths of a per cent."""
_MIN_SHARE = 0.2
_MIN_PICTURE_WIDTH = 36_000
"""A millimetre, in English metric units."""
_INVALID_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML can't hold, however it is escaped."""


def add_paragraph(document: Any) -> Any:  # noqa: ANN401
    """An empty paragraph at the end of a python-docx document, whose own way looks through all that stands before."""
    element = OxmlElement("w:p")
    _append(document, element)
    return Paragraph(element, document._body)


def write_text(paragraph: Any, text: str, *, font: str | None = None) -> None:  # noqa: ANN401
    """Adds Markdown's text: its hard line breaks, and its formulas as equations, or as LaTeX where they can't be.

    `font`: that of a listing, in which dollars that fence no formula stay.
    """
    plain = _INVALID_XML.sub("", text).replace(LINE_BREAK, "\n")
    parts = [plain] if font and not has_formula(plain) else MATH.split(plain)
    for index, part in enumerate(parts):
        if index % 2:
            write_formula(paragraph, part.strip("$"), part)
        elif part:
            run = paragraph.add_run(part.replace(r"\$", "$") if len(parts) > 1 else part)
            if font:
                run.font.name = font


def write_formula(paragraph: Any, latex: str, fallback: str) -> None:  # noqa: ANN401
    """Adds an equation; `fallback` where the LaTeX can't be one."""
    equation = convert_latex(_INVALID_XML.sub("", latex).strip())
    if equation is None:
        paragraph.add_run(_INVALID_XML.sub("", fallback))
    else:
        paragraph._p.append(equation)


def add_picture(run: Any, pictures: Mapping[str, bytes], key: str, width: int, room: tuple[int, int]) -> bool:  # noqa: ANN401
    """Puts a picture into a python-docx run, as wide as asked for and inside the room; False where it can't be.

    `width`, `room` (width, height): English metric units.
    """
    data = pictures.get(key)
    if not data:
        return False
    try:
        shape = run.add_picture(io.BytesIO(data), width=Emu(max(_MIN_PICTURE_WIDTH, min(width, room[0]))))
        if shape.height > room[1]:
            shape.width, shape.height = Emu(max(1, round(shape.width * room[1] / shape.height))), Emu(room[1])
    except Exception as error:  # A client's own bytes go through python-docx's parsers of headers.
        log.info("picture_left_out", key=key[:200], reason=str(error)[:200])
        return False
    return True


def write_table(document: Any, table: str, share: float, room: tuple[int, int], pictures: Mapping[str, bytes]) -> None:  # noqa: ANN401
    """Adds the table to a python-docx document; a wider one than Word can hold becomes lines with tabs.

    `share`: of the text's width; `room`: what a picture may take in all, English metric units.
    """
    rows, columns, cells = table_cells(table)
    if columns > MAX_COLUMNS:
        _write_lines(document, rows, cells)
        return
    element = CT_Tbl.new_tbl(0, columns, document._block_width)
    element.tblStyle_val = _TABLE_STYLE
    _append(document, element)
    _set_width(element.tblPr.find(qn("w:tblW")), share)
    room = (room[0] // columns, room[1])
    for row in _rows(rows, cells):
        line = OxmlElement("w:tr")
        for cell, is_first in row:
            line.append(_cell(document, cell, is_first, room, pictures))
        element.append(line)
    # Word joins tables with nothing between them.
    add_paragraph(document)


def _rows(rows: int, cells: list[Span]) -> list[list[tuple[Span, bool]]]:
    """For each row its cells, those from above that reach into it too, and whether they begin there."""
    cells_by_row: list[list[tuple[Span, bool]]] = [[] for _ in range(rows)]
    for cell in cells:
        for index in range(cell.row, cell.row + cell.rows):
            cells_by_row[index].append((cell, index == cell.row))
    return [sorted(row, key=lambda part: part[0].column) for row in cells_by_row]


def _cell(document: Any, cell: Span, is_first: bool, room: tuple[int, int], pictures: Mapping[str, bytes]) -> Any:  # noqa: ANN401
    element, properties, paragraph = OxmlElement("w:tc"), OxmlElement("w:tcPr"), OxmlElement("w:p")
    if cell.columns > 1:
        properties.append(_value_element("w:gridSpan", str(cell.columns)))
    if cell.rows > 1:
        properties.append(_value_element("w:vMerge", "restart" if is_first else "continue"))
    element.extend((properties, paragraph))
    if is_first:
        _write_cell(Paragraph(paragraph, document._body), cell.text, (room[0] * cell.columns, room[1]), pictures)
    return element


def _write_cell(paragraph: Any, text: str, room: tuple[int, int], pictures: Mapping[str, bytes]) -> None:  # noqa: ANN401
    parts = IMAGE.split(text)
    for index, part in enumerate(parts):
        if index % 2:
            add_picture(paragraph.add_run(), pictures, part, room[0], room)
        elif part:
            write_text(paragraph, part)


def _write_lines(document: Any, rows: int, cells: list[Span]) -> None:  # noqa: ANN401
    for row in _rows(rows, cells):
        write_text(add_paragraph(document), "\t".join(cell.text if is_first else "" for cell, is_first in row))


def _append(document: Any, element: Any) -> None:  # noqa: ANN401
    """The last element of a body is its section's."""
    document.element.body[-1].addprevious(element)


def _set_width(width: Any, share: float) -> None:  # noqa: ANN401
    width.set(qn("w:type"), "pct")
    width.set(qn("w:w"), str(round(_FULL_WIDTH * min(max(share, _MIN_SHARE), 1))))


def _value_element(tag: str, value: str) -> Any:  # noqa: ANN401
    element = OxmlElement(tag)
    element.set(qn("w:val"), value)
    return element
