"""Tables with spans."""

from __future__ import annotations

from examples.fonts import Face
from examples.grid import TableStyle, draw_table, place_cells, table_html
from examples.texts.tables import Cell
from examples.typeset import Sheet, Style
from tests.examples.test_typeset import stand_in

ROWS = (
    (Cell("Route", rowspan=2), Cell("Summer", colspan=2)),
    ("2022", "2023"),
    ("Holm & Lund", "71", "69"),
)


def test_cells_under_a_span_move_to_the_right() -> None:
    places = {cell.text: (cell.row, cell.col) for cell in place_cells(ROWS)}
    assert places == {
        "Route": (0, 0),
        "Summer": (0, 1),
        "2022": (1, 1),
        "2023": (1, 2),
        "Holm & Lund": (2, 0),
        "71": (2, 1),
        "69": (2, 2),
    }


def test_html_names_spans_and_escapes_text() -> None:
    assert table_html(place_cells(ROWS)) == (
        '<table><tr><td rowspan="2">Route</td><td colspan="2">Summer</td></tr>'
        "<tr><td>2022</td><td>2023</td></tr>"
        "<tr><td>Holm &amp; Lund</td><td>71</td><td>69</td></tr></table>"
    )


def test_box_is_the_outer_rule() -> None:
    sheet = Sheet(500, 300, stand_in, "en")
    style = TableStyle(
        Style(Face.SERIF, 20, 30), Style(Face.SERIF, 20, 30), 2, widths=(160, 90, 90), aligns=("left", "right", "right")
    )
    draw_table(sheet, ROWS, style, 50, 40)
    ink = sheet.image.convert("L").point(lambda value: 255 - value).getbbox()
    assert sheet.blocks[0].bbox == ink
