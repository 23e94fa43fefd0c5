"""Markdown as its readers see it, and texts found in it."""

from __future__ import annotations

from tools.cases.matching import Line, disorder, find_line, find_text, rendered_lines, squeeze


def test_a_bare_line_feed_is_a_space_and_a_hard_break_ends_a_line() -> None:
    assert rendered_lines("Jon Aker\nclerk") == [Line("p", "Jon Aker clerk")]
    assert rendered_lines("Jon Aker  \nclerk") == [Line("p", "Jon Aker"), Line("p", "clerk")]
    assert rendered_lines("Jon Aker<br>clerk") == [Line("p", "Jon Aker"), Line("p", "clerk")]


def test_lines_of_code_stay_lines() -> None:
    assert rendered_lines("```\nif x:\n    y = 1\n```") == [Line("pre", "if x:"), Line("pre", "y = 1")]


def test_only_a_heading_is_one() -> None:
    heading, text = rendered_lines("## Rules\n\nAll *must* be kept &amp; read.")
    assert heading.is_heading
    assert not text.is_heading
    assert text.text == "All must be kept & read."


def test_rows_of_tables_are_lines() -> None:
    rows = rendered_lines("<table><tr><td>a</td><td>1</td></tr><tr><td>b</td><td>2</td></tr></table>")
    assert [row.text for row in rows] == ["a 1", "b 2"]


def test_a_text_is_found_in_spite_of_a_misread_letter_and_other_spaces() -> None:
    text = squeeze("The harb0ur office opened its new  weighing room.")
    assert find_text("harbour office opened", text, tolerance=0.1)
    assert not find_text("harbour office opened", text, tolerance=0.01)


def test_a_short_text_must_be_exact() -> None:
    assert not find_text("19.75", squeeze("TOTAL 19.95"), tolerance=0.5)


def test_a_line_holds_the_text_and_nothing_else() -> None:
    lines = [Line("p", "Ms Vera Lindholm 27 Upper Mill Lane")]
    assert not find_line("Ms Vera Lindholm", lines, tolerance=0.1)
    assert find_line("Ms Vera Lindholm 27 Upper Mill Lane", lines, tolerance=0.1)


def test_disorder_tells_the_missing_from_the_misplaced() -> None:
    text = squeeze("second sentence first sentence")
    assert disorder(["first sentence", "second sentence", "third sentence"], text, 0.1) == [
        "out of order: second sentence",
        "missing: third sentence",
    ]
