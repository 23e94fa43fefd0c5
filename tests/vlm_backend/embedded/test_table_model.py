"""Tables without rules: their cells by SLANet-plus, or by white space where that explains the words better."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from openai import OpenAI

from benchmarks.embedded.drawn_tables import DrawnTable, draw_tables
from benchmarks.teds import teds
from gateway.assembly.tables.otsl import otsl_to_html
from tests.vlm_backend.embedded.test_server import ask, text_of
from vlm_backend.embedded.open_tables import count_column_conflicts, count_row_conflicts
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.row_marks import find_printed_lines
from vlm_backend.embedded.table_model import build_cells, count_joined
from vlm_backend.embedded.tables import Span, Table

needs_model = pytest.mark.skipif(sys.version_info >= (3, 13), reason="the wheel with the model refuses Python 3.13")


def drawn(style: str, name: str, seed: int = 20) -> DrawnTable:
    return next(table for table in draw_tables(seed) if (table.style, table.name) == (style, name))


def score(client: OpenAI, table: DrawnTable) -> float:
    otsl = text_of(ask(client, np.asarray(table.image), "Table Recognition:"))
    return teds(str(otsl_to_html(otsl)), table.html)


@needs_model
@pytest.mark.parametrize("name", ["lines", "heads", "groups"])
def test_cells_of_several_lines_and_spans_are_found_without_rules(client: OpenAI, name: str) -> None:
    assert score(client, drawn("bare", name)) > 0.95


def test_rules_decide_where_they_are_drawn(client: OpenAI) -> None:
    assert score(client, drawn("ruled", "groups")) > 0.95


def test_spans_push_the_cells_behind_them() -> None:
    tokens = ["<tr>", "<td", ' rowspan="2"', ">", "</td>", "<td", ' colspan="2"', ">", "</td>", "</tr>"]
    tokens += ["<tr>", "<td></td>", "<td></td>", "</tr>"]
    shape, cells = build_cells(tokens)
    assert shape == (2, 3)
    assert cells == [Span(0, 0, 2, 1), Span(0, 1, 1, 3), Span(1, 1, 2, 2), Span(1, 2, 2, 3)]


def test_a_span_beyond_the_table_or_over_another_cell_is_cut() -> None:
    tokens = ["<tr>", "<td></td>", "<td", ' rowspan="9"', ">", "</td>", "</tr>", "<tr>", "<td", ' colspan="2"', ">"]
    assert build_cells(tokens) == ((2, 2), [Span(0, 0, 1, 1), Span(0, 1, 2, 2), Span(1, 0, 2, 1)])


def test_words_far_apart_in_one_cell_are_counted() -> None:
    def line(x1: int, x2: int, y: int = 0) -> ReadLine:
        return ReadLine((x1, y, x2, y + 20), LineText("word", (0.9,) * 4))

    held = {0: [line(200, 260), line(0, 60)], 1: [line(0, 60), line(65, 120)], 2: [line(0, 60), line(200, 260, 30)]}
    cells = [Span(0, index, 1, index + 1) for index in range(3)]
    assert count_joined(Table((1, 3), cells, [(0, 0, 300, 60)] * 3, held)) == 1


@pytest.mark.parametrize("name", ["gaps", "lines", "groups"])
def test_rows_between_few_rules_are_told_by_their_texts(client: OpenAI, name: str) -> None:
    assert score(client, drawn("columns", name)) > 0.95


@needs_model
@pytest.mark.parametrize(("style", "name"), [("book", "lines"), ("rows", "groups"), ("bare", "statement")])
def test_rows_are_those_that_the_print_shows(client: OpenAI, style: str, name: str) -> None:
    assert score(client, drawn(style, name, seed=22)) > 0.85


def test_columns_and_rows_that_texts_contradict_are_counted() -> None:
    def line(x1: int, x2: int, y: int, text: str = "word") -> ReadLine:
        return ReadLine((x1, y, x2, y + 20), LineText(text, (0.9,) * len(text)))

    pixels = np.full((90, 300, 3), 255, dtype=np.uint8)
    lines = [line(0, 60, 0), line(200, 260, 0, "1.5"), line(200, 260, 40, "2.5"), line(0, 60, 40)]
    for one in lines:
        x1, y1, x2, y2 = one.box
        pixels[y1 + 4 : y2 - 4, x1 + 2 : x2 - 2 : 3] = 0
    printed = find_printed_lines(pixels, lines)
    cells = [Span(row, column, row + 1, column + 1) for row in range(2) for column in range(2)]
    right = Table((2, 2), cells, [(0, 0, 1, 1)] * 4, {0: lines[:1], 1: lines[1:2], 2: lines[3:], 3: lines[2:3]})
    assert (count_column_conflicts(right), count_row_conflicts(right, printed)) == (0, 0)
    one_row = Table((2, 2), cells, [(0, 0, 1, 1)] * 4, {0: lines[:1], 1: lines[1:3], 2: lines[3:]})
    assert count_row_conflicts(one_row, printed) == 2
    other_column = Table((2, 2), cells, [(0, 0, 1, 1)] * 4, {0: lines[:1], 1: lines[1:2], 2: lines[2:]})
    assert count_column_conflicts(other_column) > 0
