"""Readings of tables and charts to HTML, whatever the model wrote."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.tables.html import IMAGE, chart_to_html, rebuild_table, table_cells, table_to_html
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
def test_known_tables(answer: str, expected: str) -> None:
    assert table_to_html(answer) == expected


@given(PIECES)
def test_any_html_becomes_safe_rectangle(pieces: list[str]) -> None:
    text = "".join(pieces)
    table = table_to_html(text)
    assert len(set(widths(table))) <= 1
    assert set(re.findall(r"<[^>]*>", re.sub(r' (?:row|col)span="\d+"', "", table))) <= {
        *("<table>", "</table>", "<tr>", "</tr>", "<td>", "</td>", "<br>")
    }
    if table:
        shown = html.unescape(re.sub(r"<[^>]*>", "", table))
        assert re.findall("[ax]", shown) == [piece for piece in pieces if piece in ("a", "x")]


def test_huge_spans_are_cut() -> None:
    table = table_to_html("<table><tr>" + "<td rowspan=999 colspan=999>x</td>" * 300 + "</tr></table>")
    assert table.count("x") == 300
    assert len(table) < 10_000


def test_escaped_picture_stays_text() -> None:
    shown = '&lt;img src="a.jpg"&gt; &#xE000;7&#xE001;'
    _, _, (cell, other) = table_cells(f'<table><tr><th>{shown}</th><th><img src="b.jpg"></th></tr></table>')
    assert IMAGE.findall(cell.text) == []
    assert cell.text == '<img src="a.jpg"> 7'
    assert IMAGE.findall(other.text) == ["b.jpg"]
    assert rebuild_table(f'<table><tr><th>{shown}</th><th><img src="b.jpg"></th></tr></table>') == (
        '<table><tr><td>&lt;img src="a.jpg"&gt; 7</td><td><img src="b.jpg" alt="Image" /></td></tr></table>'
    )


@pytest.mark.parametrize("piece", ["a<br>", '<img src="a" ', 'src="a" ', "<img ", "<div ", "&lt;"])
def test_long_html_is_linear(piece: str) -> None:
    assert rebuild_table(f"<table><tr><th><img {piece * 100_000}").startswith("<table><tr><td>")


def test_chart_head_and_padding() -> None:
    assert chart_to_html("year | a<b | c\n2020 | 1\n") == (
        "<table><thead><tr><th>year</th><th>a&lt;b</th><th>c</th></tr></thead>"
        "<tbody><tr><td>2020</td><td>1</td><td></td></tr></tbody></table>"
    )


@pytest.mark.parametrize("text", ["Sales\n2020", "a" + "|" * 10_000 + "\nb" * 10_000], ids=["no bars", "huge"])
def test_unusable_chart(text: str) -> None:
    assert chart_to_html(text) == ""


def test_chart_with_empty_first_cell() -> None:
    table = chart_to_html(" | 2020 | 2021\nSales | 1 | 2")
    assert table.startswith("<table><thead><tr><th></th><th>2020</th><th>2021</th></tr></thead>")


def test_chart_as_markdown_table() -> None:
    assert chart_to_html("| a | b |\n|---|:-:|\n| 1 | |") == (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td></td></tr></tbody></table>"
    )
