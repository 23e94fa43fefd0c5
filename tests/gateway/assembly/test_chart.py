"""Chart readings to HTML."""

from gateway.assembly.chart import chart_to_html


def test_the_first_line_is_the_head_and_rows_are_padded() -> None:
    assert chart_to_html("year | a<b | c\n2020 | 1\n") == (
        "<table><thead><tr><th>year</th><th>a&lt;b</th><th>c</th></tr></thead>"
        "<tbody><tr><td>2020</td><td>1</td><td></td></tr></tbody></table>"
    )


def test_text_without_bars_is_left_to_the_caller() -> None:
    assert chart_to_html("Sales\n2020") == ""
