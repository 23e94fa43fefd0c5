"""Chart readings to HTML."""

from gateway.assembly.chart import chart_to_html


def test_the_first_line_is_the_head_and_rows_are_padded() -> None:
    assert chart_to_html("year | a<b | c\n2020 | 1\n") == (
        "<table><thead><tr><th>year</th><th>a&lt;b</th><th>c</th></tr></thead>"
        "<tbody><tr><td>2020</td><td>1</td><td></td></tr></tbody></table>"
    )


def test_text_without_bars_is_left_to_the_caller() -> None:
    assert chart_to_html("Sales\n2020") == ""


def test_an_empty_first_cell_keeps_the_columns_in_their_places() -> None:
    table = chart_to_html(" | 2020 | 2021\nSales | 1 | 2")
    assert table.startswith("<table><thead><tr><th></th><th>2020</th><th>2021</th></tr></thead>")


def test_a_chart_in_markdowns_way_loses_its_rules_only() -> None:
    assert chart_to_html("| a | b |\n|---|:-:|\n| 1 | |") == (
        "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td></td></tr></tbody></table>"
    )


def test_a_chart_that_would_fill_memory_is_left_to_the_caller() -> None:
    assert chart_to_html("a" + "|" * 10_000 + "\nb" * 10_000) == ""
