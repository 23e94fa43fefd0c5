"""OTSL to HTML: tables known by heart, and what must hold for any input."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.otsl import otsl_to_html

TOKENS = ("<fcel>", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>")
PIECES = st.lists(st.sampled_from([*TOKENS, "<fcel>a", "b", "<", "&", "\n", " ", "<td>", "fcel>"]), max_size=60)


class Cells(HTMLParser):
    """(row, rowspan, colspan) of each cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows = 0
        self.cells: list[tuple[int, int, int]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows += 1
        if tag == "td":
            spans = dict(attrs)
            self.cells.append((self.rows - 1, int(spans.get("rowspan") or 1), int(spans.get("colspan") or 1)))


def widths(table: str) -> list[int]:
    """Columns of each row as a browser lays them out; a cell that hangs out below gives one row more."""
    cells = Cells(table)
    laid: list[set[int]] = [set() for _ in range(cells.rows)]
    for row, rowspan, colspan in cells.cells:
        column = next(at for at in range(10_000) if at not in laid[row])
        for below in range(row, row + rowspan):
            if below >= len(laid):
                laid.append(set())
            assert laid[below].isdisjoint(range(column, column + colspan)), "two cells overlap"
            laid[below] |= set(range(column, column + colspan))
    return [len(row) for row in laid]


@pytest.mark.parametrize(
    ("otsl", "expected"),
    [
        ("<fcel>A<fcel>B<nl>", "<table><tr><td>A</td><td>B</td></tr></table>"),
        ("<fcel><fcel>B<nl>", "<table><tr><td></td><td>B</td></tr></table>"),
        ("<fcel>a\nb<nl>", "<table><tr><td>a<br>b</td></tr></table>"),
        ("<fcel><b>1 & 2</b><nl>", "<table><tr><td>&lt;b&gt;1 &amp; 2&lt;/b&gt;</td></tr></table>"),
        (
            "<fcel>A<lcel><fcel>B<nl><ucel><xcel><fcel>C<nl><fcel>1<fcel>2<fcel>3<nl>",
            '<table><tr><td rowspan="2" colspan="2">A</td><td>B</td></tr><tr><td>C</td></tr>'
            "<tr><td>1</td><td>2</td><td>3</td></tr></table>",
        ),
        (
            "<fcel>A<lcel><nl><ucel><fcel>D<nl>",
            '<table><tr><td colspan="2">A</td></tr><tr><td></td><td>D</td></tr></table>',
        ),
        (
            "<fcel>A<lcel><nl><ucel><xcel><nl><fcel>1<fcel>2<nl>",
            '<table><tr><td colspan="2">A</td></tr><tr><td>1</td><td>2</td></tr></table>',
        ),
        ("<fcel>A<fcel>B<nl><fcel>C", "<table><tr><td>A</td><td>B</td></tr><tr><td>C</td><td></td></tr></table>"),
    ],
)
def test_tables_known_by_heart(otsl: str, expected: str) -> None:
    assert otsl_to_html(otsl) == expected


def test_a_run_of_empty_cells_does_not_widen_the_table() -> None:
    table = otsl_to_html("<fcel>A<fcel>B<nl>" * 5 + "<fcel>C" + "<ecel>" * 50 + "<nl>")
    assert set(widths(table)) == {2}


@pytest.mark.parametrize("text", ["", "no cells at all", "<nl><nl>", "<fcel", "\n"])
def test_text_without_a_cell_is_left_to_the_caller(text: str) -> None:
    assert otsl_to_html(text) == ""


def test_a_runaway_reading_is_refused_instead_of_blown_up() -> None:
    assert otsl_to_html("<fcel>x" * 2000 + "<nl>" + "<fcel>y<nl>" * 2000) == ""


@given(PIECES)
def test_every_table_is_a_rectangle(pieces: list[str]) -> None:
    table = otsl_to_html("".join(pieces))
    assert len(set(widths(table))) <= 1


@given(PIECES)
def test_no_text_is_dropped(pieces: list[str]) -> None:
    text = "".join(pieces)
    table = otsl_to_html(text)
    if table:
        shown = html.unescape(re.sub(r"<[^>]*>", "", table))
        assert "".join(shown.split()) == "".join("".join(re.split("|".join(TOKENS), text)).split())
    else:
        assert not any(token in text for token in TOKENS[:-1])


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    assert isinstance(otsl_to_html(text), str)
