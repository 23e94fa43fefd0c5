"""Half a page with a paragraph, a caption, a ruled table with spans, and a note."""

from __future__ import annotations

from examples.fonts import Fonts
from examples.grid import TableStyle, draw_table
from examples.layouts.typefaces import book_face
from examples.texts.tables import Cell, Rows, Table
from examples.typeset import Align, Column, Sheet, Style

_WIDTH, _HEIGHT, _MARGIN = 1240, 800, 110
_TEXT_COLUMNS = 2


def set_table_page(table: Table, fonts: Fonts) -> Sheet:
    """The page, 1240 x 900 px."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, table.language)
    face = book_face(table.language)
    page = Column(sheet, _MARGIN, 80, _WIDTH - 2 * _MARGIN, _HEIGHT - 60)
    page.write("text", table.intro, Style(face.regular, 24, 36, "justify", after=34))
    page.write("figure_title", table.caption, Style(face.bold, 23, 34, "center", after=12))
    style = _style(table.rows, page.width, Style(face.bold, 23, 32, "center"), Style(face.regular, 23, 32))
    page.y = draw_table(sheet, table.rows, style, page.x, page.y)
    page.skip(10)
    page.write("vision_footnote", table.note, Style(face.italic, 20, 28))
    return sheet


def _style(rows: Rows, width: int, head: Style, body: Style) -> TableStyle:
    """Two columns of words, the first wider, and equal columns of numbers in the rest of `width`."""
    columns = sum(cell.colspan if isinstance(cell, Cell) else 1 for cell in rows[0])
    numbers = columns - _TEXT_COLUMNS
    words = (320, 180)
    widths = [*words, *[(width - sum(words)) // numbers] * numbers]
    right: Align = "right"
    aligns: list[Align] = ["left", "left", *[right] * numbers]
    return TableStyle(head, body, head_rows=2, widths=widths, aligns=aligns)
