"""OTSL to HTML: tables known by heart, and what must hold for any input."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.tables.otsl import otsl_to_html
from tests.support.table_grid import widths

TOKENS = ("<fcel>", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>")
PIECES = st.lists(st.sampled_from([*TOKENS, "<fcel>a", "b", "<", "&", "\n", " ", "<td>", "fcel>"]), max_size=60)


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


def test_empty_cells_keep_width() -> None:
    table = otsl_to_html("<fcel>A<fcel>B<nl>" * 5 + "<fcel>C" + "<ecel>" * 50 + "<nl>")
    assert set(widths(table)) == {2}


@pytest.mark.parametrize("text", ["", "no cells at all", "<nl><nl>", "<fcel", "\n"])
def test_text_without_cells(text: str) -> None:
    assert otsl_to_html(text) == ""


def test_runaway_reading_is_folded() -> None:
    table = otsl_to_html("<fcel>x" * 2000 + "<nl>" + "<fcel>y<nl>" * 2000)
    assert table.count("x") == table.count("y") == 2000
    assert len(set(widths(table))) == 1
    assert len(table) < 3_000_000


def test_columns_are_what_most_rows_have() -> None:
    ragged = "<fcel>A<nl>" + "<fcel>B<ecel><nl>" * 3 + "<fcel>C<ecel><ecel><ecel><nl>"
    assert set(widths(otsl_to_html(ragged))) == {2}


@given(PIECES)
def test_every_table_is_a_rectangle(pieces: list[str]) -> None:
    table = otsl_to_html("".join(pieces))
    assert len(set(widths(table))) <= 1


@given(PIECES)
def test_spots_keep_all_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    table = otsl_to_html(text)
    if table:
        shown = html.unescape(re.sub(r"<[^>]*>", "", table))
        assert "".join(shown.split()) == "".join("".join(re.split("|".join(TOKENS), text)).split())
    else:
        assert not any(token in text for token in TOKENS[:-1])


@given(st.text())
def test_any_text(text: str) -> None:
    assert isinstance(otsl_to_html(text), str)
