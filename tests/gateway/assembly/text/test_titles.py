"""Levels of headings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.text.titles import assign_title_levels, parse_numbering, promote_sections, title_levels
from gateway.model import Block


def title(content: str, height: int = 20, label: str = "paragraph_title", number: int = 1) -> Block:
    box = (0, 0, 400, height * (content.count("\n") + 1))
    return Block(id=f"p1-b{number}", label=label, bbox=box, order=number, content=content)


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("1 Introduction", ("dotted", 1)),
        ("2.3.4. Detail", ("dotted", 3)),
        ("(1) Case", ("bracketed", 4)),
        ("IV. Results", ("roman", 1)),
        ("II METHODS", ("roman", 1)),
        ("第二章 方法", ("chinese", 1)),
        ("一、概述", ("chinese", 1)),
        ("B. Proofs", ("letter", 2)),
        ("U.S. Policy in the E.U.", None),
        ("A survey of methods", None),
        ("I am a heading", None),
        ("2023 in numbers", None),
        ("Introduction", None),
        ("", None),
    ],
)
def test_a_number_speaks_for_a_level(heading: str, expected: tuple[str, int] | None) -> None:
    assert parse_numbering(heading) == expected


def test_number_depth_and_print_size() -> None:
    headings = [("1 One", 30), ("1.1 Part", 24), ("1.1.1 Piece", 18), ("2 Two", 30)]
    assert title_levels([title(text, height) for text, height in headings]) == [1, 2, 3, 1]


def test_unnumbered_headings_by_print() -> None:
    heights = [40, 39, 25, 41, 26, 24]
    assert title_levels([title(f"Some heading {at}", height) for at, height in enumerate(heights)]) == [
        1,
        1,
        2,
        1,
        2,
        2,
    ]


def test_two_line_heading() -> None:
    assert title_levels([title("On one line", 20), title("On\ntwo lines", 20)]) == [1, 1]


def test_well_known_headings_are_on_top() -> None:
    assert title_levels([title("Large words here", 40), title("References", 20), title("ВВЕДЕНИЕ:", 20)]) == [1, 1, 1]


def test_only_paragraph_titles() -> None:
    pages = [[title("The title", 60, "doc_title", 1), title("1 One", 30, number=2)], [title("1.1 Part", 24, number=3)]]
    assert [[block.title_level for block in page] for page in assign_title_levels(pages)] == [[None, 1], [2]]
    assert pages[0][1].title_level is None


@given(st.lists(st.tuples(st.text(max_size=20), st.integers(0, 100)), max_size=20))
def test_every_heading_has_a_level(headings: list[tuple[str, int]]) -> None:
    levels = title_levels([title(text, height) for text, height in headings])
    assert len(levels) == len(headings)
    assert all(level >= 1 for level in levels)


PROSE = "The harbour office opened its new weighing room on Monday.\nThree clerks record each crate."


def labels(*blocks: tuple[str, str]) -> list[str]:
    given = [title(content, label=label, number=number) for number, (label, content) in enumerate(blocks, 1)]
    return [block.label for block in promote_sections(given)]


def test_numbered_lines_above_texts_are_headings() -> None:
    """The first stands at the top of its page, where a model takes it for a running head."""
    page = [("header", "1. Purpose"), ("text", PROSE), ("text", "2. Область действия"), ("text", PROSE)]
    assert labels(*page) == ["paragraph_title", "text", "paragraph_title", "text"]
    assert labels(("text", "1.1 Purpose"), ("text", PROSE), ("paragraph_title", "1.2 Scope"))[0] == "text"
    assert labels(("text", "1.1 Purpose"), ("text", PROSE), ("paragraph_title", "1.2 Scope"), ("text", PROSE))[0] == (
        "paragraph_title"
    )


def test_numbered_lines_that_are_no_headings() -> None:
    assert labels(("header", "12 Harbour Rules"), ("text", PROSE)) == ["header", "text"]
    assert labels(("text", "1. Weigh it"), ("text", "2. Write it down"), ("text", PROSE))[0] == "text"
    assert labels(("text", "1. Weigh it."), ("text", PROSE), ("text", "2. Write it."), ("text", PROSE))[::2] == [
        "text", "text"
    ]  # fmt: skip
