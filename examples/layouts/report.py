"""Pages of a report as an office scanner sends them: black and white, slightly skewed."""

from __future__ import annotations

from examples.fonts import Fonts
from examples.grid import TableStyle, draw_table
from examples.layouts.typefaces import book_face
from examples.texts.reports import ReportPage
from examples.typeset import Column, Sheet, Style

_WIDTH, _HEIGHT, _MARGIN, _DPI = 1654, 2339, 190, 200


def set_report_page(page: ReportPage, fonts: Fonts) -> Sheet:
    """One A4 page at 200 dpi, before it is scanned."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, page.language, dpi=_DPI)
    face = book_face(page.language)
    width = _WIDTH - 2 * _MARGIN
    column = Column(sheet, _MARGIN, 110, width, 2140)
    column.write("header", page.header, Style(face.italic, 27, 38, "right", after=80))
    column.write("doc_title", page.title, Style(face.bold, 56, 76, "center", after=56))
    for section in page.sections:
        column.write("paragraph_title", section.heading, Style(face.bold, 38, 54, after=18))
        for paragraph in section.paragraphs:
            column.write("text", paragraph, Style(face.regular, 33, 52, "justify", indent=66, after=22))
        column.skip(34)
    if page.rows:
        _set_table(column, page)
    sheet.write("number", page.number, Style(face.regular, 30, 40, "center"), (_MARGIN, 2196, width))
    return sheet


def _set_table(column: Column, page: ReportPage) -> None:
    face = book_face(page.language)
    column.write("figure_title", page.caption, Style(face.bold, 32, 46, "center", after=16))
    style = TableStyle(
        head=Style(face.bold, 31, 42, "center"),
        body=Style(face.regular, 31, 42),
        head_rows=2,
        widths=(column.width - 4 * 210, 210, 210, 210, 210),
        aligns=("left", "right", "right", "right", "right"),
        padding=14,
        rule=3,
    )
    column.y = draw_table(column.sheet, page.rows, style, column.x, column.y)
