"""Lines of a region to paragraphs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.text.reflow import join_lines, keep_lines, reflow


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The quick brown\nfox jumps", "The quick brown fox jumps"),
        ("an exam-\nple", "an example"),
        ("пере-\nнос слова", "перенос слова"),
        ("an X-\nRay, pages 10-\n20", "an X-Ray, pages 10-20"),
        ("a dash -\nand more", "a dash - and more"),
        ("soft\u00ad\nware", "software"),
        ("第一行文字\n第二行文字", "第一行文字第二行文字"),
        ("版本2023\n年发布", "版本2023年发布"),
        ("한국어 문장\n둘째 줄", "한국어 문장 둘째 줄"),
        ("first paragraph\n\nsecond", "first paragraph\n\nsecond"),
        ("Things:\n• one\n• two goes\non", "Things:  \n• one  \n• two goes on"),
        ("1. one\n2. two", "1. one  \n2. two"),
        ("1) one\n2) two", "1) one  \n2) two"),
        ("(a) one\n(b) two", "(a) one  \n(b) two"),
        ("①one\n②two", "①one  \n②two"),
        ("– да\n– нет", "– да  \n– нет"),
        ("it grew by\n3.5 per cent", "it grew by 3.5 per cent"),
        (
            "A long line that fills the whole column width\nand ends.\nA new paragraph starts here and goes on",
            "A long line that fills the whole column width and ends.\n\nA new paragraph starts here and goes on",
        ),
    ],
)
def test_lines_of_one_paragraph_are_joined(text: str, expected: str) -> None:
    assert reflow(text) == expected


def test_join_and_keep_lines() -> None:
    assert join_lines("On the ori-\ngin of\n\nspecies") == "On the origin of species"
    assert keep_lines("1 One .... 3\n2 Two .... 9") == "1 One .... 3  \n2 Two .... 9"


def test_program_text_keeps_its_indentation() -> None:
    assert keep_lines("  for x in y:\n\n    print(x) \nend") == "for x in y:  \n    print(x)  \nend"


@given(st.text(alphabet=st.sampled_from("ab1 \n.-–•(:中。я\u00ad\u2028"), max_size=80))
def test_reflow_keeps_all_letters(text: str) -> None:
    def bare(value: str) -> str:
        return "".join(value.replace("-", "").replace("\u00ad", "").split())

    for written in (reflow(text), join_lines(text), keep_lines(text)):
        assert bare(written) == bare(text)
