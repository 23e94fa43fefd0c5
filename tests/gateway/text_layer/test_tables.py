"""Cells of tables that the engine has read, and what a PDF's text layer has in them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.model import PageLayout, Reading, Region, TableCell
from gateway.text_layer.document_text import DocumentText, look_at_layer
from tests.gateway.text_layer.pages import SCALE, open_page
from tests.support.text_layers import HEIGHT, LayerPage, Line, patch_to_unicode, write_page

ROWS = [
    ["Vessel", "Days", "Crew"],
    ["Aurora", "148", "27 sailors"],
    ["Gannet", "341", "19 sailors"],
    ["Petrel of Leith", "84", "31 sailors"],
    ["Kestrel", "1,370", "42 sailors"],
]
LEFT, TOP, WIDE, HIGH = 72, 120, 130, 30
BBOX = tuple(round(SCALE * side) for side in (LEFT - 6, TOP - 20, LEFT + 3 * WIDE, TOP + len(ROWS) * HIGH - 20))
TABLE = Region("table", (BBOX[0], BBOX[1], BBOX[2], BBOX[3]), 1)


def write_table() -> LayerPage:
    lines = [
        Line(text, LEFT + WIDE * column, HEIGHT - TOP - HIGH * row)
        for row, texts in enumerate(ROWS)
        for column, text in enumerate(texts)
    ]
    return write_page("table", [lines])


def place(row: int, column: int) -> tuple[float, float, float, float]:
    """Between the cell's edges, in pixels."""
    x, y = LEFT - 6 + WIDE * column, TOP - 20 + HIGH * row
    return SCALE * x, SCALE * y, SCALE * (x + WIDE), SCALE * (y + HIGH)


def read_table(change: Callable[[int, int, str], str] = lambda _row, _column, text: text) -> Reading:
    """What an engine reads that knows the cells' places; `change`: where it errs."""
    texts = [[change(row, column, text) for column, text in enumerate(texts)] for row, texts in enumerate(ROWS)]
    otsl = "".join("".join(f"<fcel>{text}" if text else "<ecel>" for text in row) + "<nl>" for row in texts)
    cells = tuple(
        TableCell(row=row, column=column, bbox=place(row, column), source="engine")
        for row in range(len(ROWS))
        for column in range(3)
    )
    return Reading(otsl, cells=cells)


async def correct(page: LayerPage, reading: Reading) -> Reading:
    image, layout, text = open_page(page), PageLayout([TABLE], [TABLE], lines=()), DocumentText()
    offered = text.examine(image, layout, look_at_layer(image), has_sample=True)
    return await text.correct_table(reading, offered.tables[TABLE.order])


async def test_errors_of_the_engine_are_mended() -> None:
    errors = {(3, 0): "Petrel of Lei1h", (4, 1): "1,870", (2, 2): "19 sai1ors"}
    corrected = await correct(write_table(), read_table(lambda row, column, text: errors.get((row, column), text)))
    assert corrected.text == read_table().text
    assert {cell.source for cell in corrected.cells or ()} == {"text_layer"}
    assert [cell.bbox for cell in corrected.cells or ()] == [cell.bbox for cell in read_table().cells or ()]


async def test_cells_on_which_the_two_differ_stay_the_engines() -> None:
    other = {(1, 1): "9", (1, 0): "Sloop"}
    corrected = await correct(write_table(), read_table(lambda row, column, text: other.get((row, column), text)))
    assert "<fcel>Sloop<fcel>9<fcel>27 sailors" in corrected.text
    own = [(cell.row, cell.column) for cell in corrected.cells or () if cell.source == "engine"]
    assert own == [(1, 0), (1, 1)]


async def test_cells_that_the_engine_found_empty_stay_empty() -> None:
    reading = read_table(lambda row, column, text: "" if (row, column) == (2, 1) else text)
    corrected = await correct(write_table(), reading)
    assert "<fcel>Gannet<ecel><fcel>19 sailors" in corrected.text


async def test_fonts_that_lie_change_nothing() -> None:
    """Digits that the file tells one too high, among letters that are right."""
    with patch_to_unicode(lambda code: code + 1 if chr(code).isdigit() and code < ord("9") else code):
        page = write_table()
    corrected = await correct(page, read_table())
    assert corrected.text == read_table().text
    assert all(cell.source == "engine" for cell in corrected.cells or () if cell.column == 1 and cell.row)


async def test_places_alone_are_needed() -> None:
    """A reading without the places of its cells stays as it is."""
    reading = Reading(read_table().text)
    assert await correct(write_table(), reading) == reading


@pytest.mark.parametrize("text", ["<nl>", "a<fcel>b"])
async def test_tags_that_the_layer_holds_as_text_stay_text(text: str) -> None:
    rows = [*ROWS[:2], [text, "148", "27 sailors"]]
    lines = [
        Line(one, LEFT + WIDE * column, HEIGHT - TOP - HIGH * row)
        for row, texts in enumerate(rows)
        for column, one in enumerate(texts)
    ]
    escaped = text.replace("<", "<\u2060")
    reading = read_table(lambda row, column, one: (escaped if column == 0 else rows[2][column]) if row == 2 else one)
    corrected = await correct(write_page("tags", [lines]), reading)
    assert corrected.text.count("<nl>") == len(ROWS)
    assert corrected.text.count("<fcel>") == 3 * len(ROWS)
