"""Loops of a VLM: what is trimmed, and what only looks like a loop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Reading, Region
from gateway.repetition import is_suspicious, remove_loop

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
def test_one_copy_stays(read: str, expected: str) -> None:
    assert remove_loop(read).split() == expected.split()


def test_table_loops() -> None:
    looping = "<fcel>A<fcel>B<nl>" + "<ecel>" * 1000
    assert remove_loop(looping, is_table=True).startswith("<fcel>A<fcel>B<nl>")
    assert remove_loop(looping, is_table=True).count("<") == remove_loop(looping, is_table=True).count(">") < 10
    short = "<fcel>0<nl>" * 100
    assert remove_loop(short, is_table=True) == short


def test_suspicion() -> None:
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
def test_any_loop_keeps_one_copy(prefix: str, unit: str, copies: int) -> None:
    kept = "".join(remove_loop(prefix + unit * copies).split())
    assert kept.startswith("".join(prefix.split()))
    assert set(unit.split()[0]) <= set(kept)
    assert len(kept) < len(prefix) + 3 * len(unit)


@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    assert len(remove_loop(text)) <= len(text)
