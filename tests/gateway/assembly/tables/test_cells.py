"""The cells of tables and where they stand."""

from __future__ import annotations

from gateway.assembly.tables.cells import align_cells, list_cells
from gateway.assembly.tables.html import table_to_html
from gateway.model import BBox, TableCell

OTSL = "<fcel>Route<fcel>Sailings<lcel><nl><ucel><fcel>Summer<fcel>Winter<nl><fcel>North<fcel>41<ecel><nl>"
SPANS = {(0, 0): (2, 1), (0, 1): (1, 2), (1, 1): (1, 1), (1, 2): (1, 1), (2, 0): (1, 1), (2, 1): (1, 1), (2, 2): (1, 1)}


def grid() -> list[TableCell]:
    return [
        TableCell(
            row=row, column=column, rows=rows, columns=columns, source="engine",
            bbox=(100 * column, 40 * row, 100 * (column + columns), 40 * (row + rows)),
        )
        for (row, column), (rows, columns) in SPANS.items()
    ]  # fmt: skip


def test_cells_have_texts_spans_and_places() -> None:
    cells = list_cells(table_to_html(OTSL), grid())
    assert {(cell.row, cell.column): (cell.rows, cell.columns) for cell in cells} == SPANS
    assert [cell.text for cell in cells] == ["Route", "Sailings", "Summer", "Winter", "North", "41", ""]
    assert cells[1].bbox == (100, 0, 300, 40)
    assert {cell.source for cell in cells} == {"engine"}


def test_cell_of_another_shape_has_no_place() -> None:
    placed = [cell if cell.column else cell.model_copy(update={"rows": 1}) for cell in grid()]
    first, *others = list_cells(table_to_html(OTSL), placed)
    assert (first.text, first.bbox, first.source) == ("Route", None, None)
    assert all(cell.bbox for cell in others)


def test_rows_in_which_no_cell_begins_are_not_counted() -> None:
    """HTML has none of them."""
    otsl = "<fcel>a<fcel>b<nl><ucel><ucel><nl><fcel>c<fcel>d<nl>"
    placed = [
        TableCell(row=row, column=column, rows=rows, bbox=(column, row, column + 1, row + rows), source="engine")
        for row, rows in ((0, 2), (2, 1))
        for column in (0, 1)
    ]
    cells = list_cells(table_to_html(otsl), placed)
    assert [(cell.text, cell.bbox) for cell in cells] == [
        ("a", (0, 0, 1, 2)),
        ("b", (1, 0, 2, 2)),
        ("c", (0, 2, 1, 3)),
        ("d", (1, 2, 2, 3)),
    ]


def test_what_is_no_table_has_no_cells() -> None:
    assert list_cells("Some words", grid()) == []
    assert align_cells("Some words", [(0, 0, 10, 10)]) is None


TABLE = table_to_html("<fcel>Vessel<fcel>Days<nl><fcel>Aurora<fcel>148<nl><ecel><fcel>9<nl>")
LINES: list[BBox] = [(10, 10, 90, 30), (120, 10, 170, 30), (10, 50, 80, 70), (120, 50, 160, 70), (120, 90, 135, 110)]


def test_cells_are_aligned_to_the_lines_of_their_rows() -> None:
    cells = align_cells(TABLE, LINES[::-1])
    assert cells is not None
    places = {(cell.row, cell.column): cell.bbox for cell in cells}
    assert places == {
        (0, 0): LINES[0], (0, 1): LINES[1], (1, 0): LINES[2], (1, 1): LINES[3], (2, 0): None, (2, 1): LINES[4],
    }  # fmt: skip
    assert [cell.source for cell in cells if cell.bbox] == ["aligned"] * 5


def test_places_are_never_made_up() -> None:
    assert align_cells(TABLE, LINES[:-1]) is None, "a row too few"
    assert align_cells(TABLE, [*LINES, (200, 10, 240, 30)]) is None, "a line too many"
    crossed: list[BBox] = [*LINES[:4], (20, 90, 60, 110)]
    assert align_cells(TABLE, crossed) is None, "a column in the place of another"
    assert align_cells(table_to_html(OTSL), LINES) is None, "a cell that covers rows"
