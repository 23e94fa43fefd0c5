"""Readings of tables to HTML, whatever the model wrote."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.tables.html import PICTURE, rebuilt_table, table_cells, table_to_html
from tests.support.table_grid import widths

PIECES = st.lists(
    st.sampled_from(
        [
            *("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<th class=x>", "a", "x", " ", "<br>", "<", ">"),
            *("<td rowspan=2>", '<td colspan="3">', "<td rowspan='3' colspan=2>", "<b>", "&lt;", "<thead>", "<script>"),
        ]
    ),
    max_size=60,
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("<fcel>A<nl>", "<table><tr><td>A</td></tr></table>"),
        (
            '<table border="1"><tr><th>A</th><td colspan="2">B</td></tr><tr><td>1<td>2<td>3</table>',
            '<table><tr><td>A</td><td colspan="2">B</td></tr><tr><td>1</td><td>2</td><td>3</td></tr></table>',
        ),
        (
            "<table>\n<tr><td rowspan=2>A</td><td>B<br/>C</td></tr>\n<tr><td>D</td></tr>\n</table>",
            '<table><tr><td rowspan="2">A</td><td>B<br>C</td></tr><tr><td>D</td></tr></table>',
        ),
        ("<td>cut off", "<table><tr><td>cut off</td></tr></table>"),
        ("before<table><tr><td>A", "<table><tr><td>before</td></tr><tr><td>A</td></tr></table>"),
        (
            "<table><tr><td onclick=x()><script>a()</script>&amp;</td></tr></table>",
            "<table><tr><td>&lt;script&gt;a()&lt;/script&gt;&amp;</td></tr></table>",
        ),
        ("<table><p onclick=a()></table>", "<table><tr><td></td></tr></table>"),
        ("a < b", ""),
        ("", ""),
    ],
)
def test_answers_known_by_heart(answer: str, expected: str) -> None:
    assert table_to_html(answer) == expected


@given(PIECES)
def test_html_that_a_model_wrote_becomes_a_safe_rectangle_with_all_its_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    table = table_to_html(text)
    assert len(set(widths(table))) <= 1
    assert set(re.findall(r"<[^>]*>", re.sub(r' (?:row|col)span="\d+"', "", table))) <= {
        *("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<br>")
    }
    if table:
        shown = html.unescape(re.sub(r"<[^>]*>", "", table))
        assert re.findall("[ax]", shown) == [piece for piece in pieces if piece in ("a", "x")]


def test_spans_beyond_all_bounds_are_cut_to_the_table() -> None:
    table = table_to_html("<table><tr>" + "<td rowspan=999 colspan=999>x</td>" * 300 + "</tr></table>")
    assert table.count("x") == 300
    assert len(table) < 10_000


def test_text_that_reads_as_a_picture_is_no_picture() -> None:
    shown = '&lt;img src="a.jpg"&gt; &#xE000;7&#xE001;'
    _, _, (cell, other) = table_cells(f'<table><tr><th>{shown}</th><th><img src="b.jpg"></th></tr></table>')
    assert PICTURE.findall(cell.text) == []
    assert cell.text == '<img src="a.jpg"> 7'
    assert PICTURE.findall(other.text) == ["b.jpg"]
    assert rebuilt_table(f'<table><tr><th>{shown}</th><th><img src="b.jpg"></th></tr></table>') == (
        '<table><tr><td>&lt;img src="a.jpg"&gt; 7</td><td><img src="b.jpg" alt="Image" /></td></tr></table>'
    )


@pytest.mark.parametrize("piece", ["a<br>", '<img src="a" ', 'src="a" ', "<img ", "<div ", "&lt;"])
def test_long_html_of_a_client_takes_no_time(piece: str) -> None:
    assert rebuilt_table(f"<table><tr><th><img {piece * 100_000}").startswith("<table><tr><td>")
