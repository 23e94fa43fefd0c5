"""Rows of tables, taken apart and put together."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.tables.html import table_to_html
from gateway.assembly.tables.merge import joined_rows, rows_of
from tests.support.table_grid import widths


def joined(upper: str, lower: str) -> str:
    """One table of two, empty where they stay two."""
    above, below = rows_of(upper), rows_of(lower)
    whole = joined_rows(above, below) if above and below else None
    return whole.html if whole else ""


def table(*rows: str) -> str:
    return table_to_html("".join(f"<fcel>{row.replace('|', '<fcel>')}<nl>" for row in rows))


def test_a_head_with_a_cell_over_rows_goes_as_a_whole_or_stays() -> None:
    head = "<fcel>A<fcel>B<nl><ucel><fcel>C<nl>"
    whole = joined(table_to_html(f"{head}<fcel>1<fcel>2<nl>"), table_to_html(f"{head}<fcel>3<fcel>4<nl>"))
    assert whole == table_to_html(f"{head}<fcel>1<fcel>2<nl><fcel>3<fcel>4<nl>")
    other = "<fcel>A<fcel>B<nl><ucel><fcel>X<nl>"
    assert joined(table_to_html(head), table_to_html(other)) == table_to_html(head + other)


@given(
    st.lists(
        st.sampled_from(["<fcel>a", "<fcel>b", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>"]), min_size=2, max_size=60
    )
)
def test_merged_tables_are_a_rectangle_and_lose_at_most_a_repeated_head(pieces: list[str]) -> None:
    upper, lower = (table_to_html("".join(half)) for half in (pieces[::2], pieces[1::2]))
    merged = joined(upper, lower)
    if merged:
        assert len(set(widths(merged))) == 1
        shown, above, below = (re.sub(r"<[^>]*>", "", html.unescape(part)) for part in (merged, upper, lower))
        assert shown.startswith(above)
        assert below.endswith(shown[len(above) :])


def test_a_table_with_more_than_rows_is_left_alone() -> None:
    odd = "<table><caption>told</caption><tr><td>a</td></tr></table>"
    assert joined(odd, table("b")) == ""
    assert joined('<table><tr><td rowspan="3">a</td></tr></table>', table("b")) == ""


@pytest.mark.parametrize("piece", ["<tr>", "<tr", "<tr><td>", "<td", "<"])
def test_html_that_somebody_else_wrote_takes_no_time(piece: str) -> None:
    assert joined(f"<table>{piece * 50_000}</table>", table("b")) == ""
