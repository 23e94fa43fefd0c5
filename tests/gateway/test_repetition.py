"""Loops of a VLM: what is trimmed, and what only looks like a loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Reading, Region
from gateway.repetition import is_suspicious, without_loop

LINE = Region("text", (0, 0, 400, 20), 1)
PAGE = Region("text", (0, 0, 1190, 1684), 1)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        ("hello world " + "12345678" * 30, "hello world 12345678"),
        ("好" * 60, "好"),
        ("abc " * 40, "abc"),
        ("the end of the cat" + " and the cat" * 40, "the end of the cat and"),
        ("first\n" + "one\ntwo\nthree\n" * 20, "first\none\ntwo\nthree"),
        ("title\n" + "same\n" * 30 + "last\n", "title\nsame\nlast"),
        ("x\n" * 20, "x\n" * 20),
        ("a sentence with no end that repeats. " * 3, "a sentence with no end that repeats. " * 3),
        ("", ""),
    ],
)
def test_one_copy_is_kept(read: str, expected: str) -> None:
    assert without_loop(read).split() == expected.split()


def test_a_table_is_cut_between_its_tags_and_only_if_long() -> None:
    looping = "<fcel>A<fcel>B<nl>" + "<ecel>" * 1000
    assert without_loop(looping, is_table=True).startswith("<fcel>A<fcel>B<nl>")
    assert without_loop(looping, is_table=True).count("<") == without_loop(looping, is_table=True).count(">") < 10
    short = "<fcel>0<nl>" * 100
    assert without_loop(short, is_table=True) == short


def test_what_ended_by_itself_and_has_room_is_no_loop() -> None:
    assert not is_suspicious(Reading("yes\n" * 200), PAGE)
    assert not is_suspicious(Reading("_" * 120), LINE)
    assert is_suspicious(Reading("yes\n" * 200), LINE)
    assert is_suspicious(Reading("yes\n" * 200, status="truncated"), PAGE)
    assert not is_suspicious(Reading("<fcel>0<nl>" * 200), LINE)


@given(
    st.text(alphabet="ab c\n", max_size=40),
    st.text(alphabet="xyz 1\n", min_size=2, max_size=30).filter(str.strip),
    st.integers(40, 60),
)
def test_the_beginning_and_one_copy_outlive_any_loop(prefix: str, unit: str, copies: int) -> None:
    kept = "".join(without_loop(prefix + unit * copies).split())
    assert kept.startswith("".join(prefix.split()))
    assert set(unit.split()[0]) <= set(kept)
    assert len(kept) < len(prefix) + 3 * len(unit)


@given(st.text(max_size=200))
def test_any_text_is_taken(text: str) -> None:
    assert len(without_loop(text)) <= len(text)
