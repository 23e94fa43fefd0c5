"""Tables that lie turned are read from a picture in which their rows are level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from openai import OpenAI

from benchmarks.embedded.drawn_tables import draw_tables
from benchmarks.teds import teds
from gateway.assembly.tables.otsl import otsl_to_html
from tests.vlm_backend.embedded.test_server import ask, text_of
from textlines.detection import upright_line
from textlines.row_slope import find_row_frame
from vlm_backend.embedded.level_tables import restore_cells, restore_lines
from vlm_backend.embedded.read_lines import ReadLine, ReadWord
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.tables import PlacedCell, Span

LINE_HEIGHT = 40.0


@pytest.mark.parametrize(("style", "degrees"), [("ruled", -2.0), ("bare", 1.5)])
def test_rows_of_a_turned_table_are_found(client: OpenAI, style: str, degrees: float) -> None:
    table = next(one for one in draw_tables(20, slant=degrees) if (one.style, one.name) == (style, "lines"))
    otsl = text_of(ask(client, np.asarray(table.image), "Table Recognition:"))
    assert teds(str(otsl_to_html(otsl)), table.html) > 0.95


@pytest.mark.parametrize("degrees", [-3.0, -1.0, 2.0])
def test_rows_of_short_texts_tell_their_slope(degrees: float) -> None:
    for table in draw_tables(20, ("bare",), degrees):
        pixels = np.asarray(table.image)
        frame = find_row_frame(pixels, LINE_HEIGHT)
        assert frame is not None
        middle = np.array([(pixels.shape[1] / 2, pixels.shape[0] / 2)])
        assert frame.slope_at(middle)[0] == pytest.approx(math.tan(math.radians(degrees)), abs=0.004)


def test_level_tables_are_taken_as_they_are() -> None:
    assert all(find_row_frame(np.asarray(table.image), LINE_HEIGHT) is None for table in draw_tables(20))


def test_an_empty_picture_has_no_rows() -> None:
    assert find_row_frame(np.full((50, 60, 3), 255, dtype=np.uint8), LINE_HEIGHT) is None


def test_places_are_those_of_the_picture_as_it_is() -> None:
    table = next(draw_tables(20, ("bare",), 2.0))
    frame = find_row_frame(np.asarray(table.image), LINE_HEIGHT)
    assert frame is not None
    box = (100, 200, 180, 230)
    corners = frame.restore([(100, 200), (180, 200), (180, 230), (100, 230)])
    (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*corners, strict=True))
    line = ReadLine(box, LineText("word", (0.9,) * 4), place=upright_line(box), words=(ReadWord("word", box, 0.9),))
    (restored,) = restore_lines([line], frame)
    assert restored.box == restored.words[0].box == (left, top, right, bottom)
    assert restored.place is not None
    assert restored.place.quad.tolist() == [list(corner) for corner in corners]
    (cell,) = restore_cells([PlacedCell(Span(0, 0, 1, 1), box)], frame)
    assert cell == PlacedCell(Span(0, 0, 1, 1), (left, top, right, bottom))
