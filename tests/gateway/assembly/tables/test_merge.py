"""Rows of tables, taken apart and put together."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.assembly.tables.html import table_to_html
from gateway.assembly.tables.merge import join_rows, parse_rows
from tests.support.table_grid import widths


def joined(upper: str, lower: str) -> str:
    """One table of two, empty where they stay two."""
    above, below = parse_rows(upper), parse_rows(lower)
    whole = join_rows(above, below) if above and below else None
    return whole.html if whole else ""


def table(*rows: str) -> str:
    return table_to_html("".join(f"<fcel>{row.replace('|', '<fcel>')}<nl>" for row in rows))


def test_repeated_head_with_row_spans() -> None:
    head = "<fcel>A<fcel>B<nl><ucel><fcel>C<nl>"
    whole = joined(table_to_html(f"{head}<fcel>1<fcel>2<nl>"), table_to_html(f"{head}<fcel>3<fcel>4<nl>"))
    assert whole == table_to_html(f"{head}<fcel>1<fcel>2<nl><fcel>3<fcel>4<nl>")
    other = "<fcel>A<fcel>B<nl><ucel><fcel>X<nl>"
    assert joined(table_to_html(head), table_to_html(other)) == table_to_html(head + other)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["<fcel>a", "<fcel>b", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>"]), min_size=2, max_size=60
    )
)
def test_merge_loses_only_the_head(pieces: list[str]) -> None:
    upper, lower = (table_to_html("".join(half)) for half in (pieces[::2], pieces[1::2]))
    merged = joined(upper, lower)
    if merged:
        assert len(set(widths(merged))) == 1
        shown, above, below = (re.sub(r"<[^>]*>", "", html.unescape(part)) for part in (merged, upper, lower))
        assert shown.startswith(above)
        assert below.endswith(shown[len(above) :])


def test_tables_that_cannot_merge() -> None:
    odd = "<table><caption>told</caption><tr><td>a</td></tr></table>"
    assert joined(odd, table("b")) == ""
    assert joined('<table><tr><td rowspan="3">a</td></tr></table>', table("b")) == ""


@pytest.mark.parametrize("piece", ["<tr>", "<tr", "<tr><td>", "<td", "<"])
def test_foreign_html_is_linear(piece: str) -> None:
    assert joined(f"<table>{piece * 50_000}</table>", table("b")) == ""
