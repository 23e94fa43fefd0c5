"""A till receipt."""

from __future__ import annotations

from examples.fonts import Face, Fonts
from examples.grid import TableStyle, draw_table
from examples.texts.receipts import Receipt
from examples.typeset import Column, Sheet, Style

_WIDTH, _HEIGHT, _MARGIN = 760, 1000, 110
_PAPER = (60, 50, _WIDTH - 60, _HEIGHT - 50)
_LINE = Style(Face.MONO, 24, 38, "center")


def set_receipt(receipt: Receipt, fonts: Fonts) -> Sheet:
    """The receipt on a dark table, 760 x 1000 px, before it is photographed."""
    sheet = Sheet(_WIDTH, _HEIGHT, fonts, receipt.language, paper="#6a625a")
    sheet.draw.rectangle(_PAPER, fill="#f4f2ec")
    column = Column(sheet, _MARGIN, 100, _WIDTH - 2 * _MARGIN, _PAPER[3])
    column.write("doc_title", receipt.shop, Style(Face.SANS_BOLD, 38, 54, "center", after=16))
    for line in receipt.head:
        column.write("text", line, _LINE)
    column.skip(30)
    _set_items(column, receipt)
    column.skip(40)
    for line in receipt.foot:
        column.write("text", line, _LINE)
    return sheet


def _set_items(column: Column, receipt: Receipt) -> None:
    """The items without rules; a line above and below, as tills print them."""
    style = TableStyle(
        head=Style(Face.MONO, 24, 38),
        body=Style(Face.MONO, 24, 38),
        head_rows=0,
        widths=(column.width - 240, 100, 140),
        aligns=("left", "right", "right"),
        padding=7,
        rule=0,
    )
    top = column.y
    column.y = draw_table(column.sheet, receipt.rows, style, column.x, top)
    for y in (top - 6, column.y + 6):
        column.sheet.draw.line((column.x, y, column.x + column.width, y), fill="#333333", width=2)
