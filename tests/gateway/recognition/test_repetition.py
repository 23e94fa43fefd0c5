"""Repetitions, found live and afterwards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.capacity import TextCapacity, text_capacity
from gateway.model import Reading, Region
from gateway.recognition.repetition import (
    SUSPECTED_LENGTH,
    SUSPECTED_LENGTH_AGAIN,
    Repetition,
    RepetitionDetector,
    is_suspicious,
    remove_loop,
)
from tests.support.repetition_corpus import Reading as MadeReading
from tests.support.repetition_corpus import honest, runaways

LINE = text_capacity(500, 24)
PARAGRAPH = text_capacity(500, 150)
PAGE = text_capacity(1190, 1684)
RANDOM_COPIES = "numbers at random"
"""Copies that differ in random numbers are told from a table of numbers by nothing."""
LINE_REGION = Region("text", (0, 0, 400, 20), 1)
PAGE_REGION = Region("text", (0, 0, 1190, 1684), 1)


def watched(
    text: str, capacity: TextCapacity | None, step: int = 40, suspected_length: int = SUSPECTED_LENGTH
) -> tuple[Repetition | None, int]:
    """The loop that was seen, and after how many characters."""
    watch = RepetitionDetector(capacity, suspected_length)
    for end in range(step, len(text) + step, step):
        if watch.detect(text[:end]):
            return watch.repetition, min(end, len(text))
    return None, len(text)


@pytest.mark.parametrize(
    ("unit", "capacity"),
    [
        ("8", LINE),
        ("the same words ", LINE),
        ("港务长 ", LINE),
        ("a line that comes again\n", PARAGRAPH),
        ("first\nsecond, 000000000000000000000000000000\nthird\n", PARAGRAPH),
        ("<fcel>Total<ecel><fcel>0<nl>", PARAGRAPH),
        ("<ecel>", PARAGRAPH),
        ("<fcel>a<nl><fcel>b<ecel><nl>", PARAGRAPH),
        ("0 & ", LINE),
        ("a sentence that fits on the page but not so often. ", PAGE),
    ],
)
def test_a_repetition_without_end_is_seen_long_before_the_limit(unit: str, capacity: TextCapacity) -> None:
    before = "What the page really says. "
    repetition, length = watched(before + unit * (16_000 // len(unit)), capacity)
    assert repetition is not None
    assert repetition.period == len(unit)
    assert abs(repetition.start - len(before)) < len(unit)
    assert length < 3000
    assert repetition.is_certain == (capacity != PAGE)


@pytest.mark.parametrize(
    "copy", ["{}. ", "Figure {} ", "{}) the same\n", "<fcel>{}<fcel>the same<ecel><nl>", "{}.00 EUR of {} EUR\n"]
)
def test_numbers_that_grow_are_a_loop_too(copy: str) -> None:
    text = "A list: " + "".join(copy.format(at, 2 * at) for at in range(7, 2000))
    repetition, length = watched(text, PARAGRAPH)
    assert repetition is not None
    assert repetition.start < len("A list: ") + 2 * len(copy)
    assert length < 4000


def test_what_differs_by_more_than_numbers_that_grow_is_none() -> None:
    squares = "".join(f"<fcel>{at}<fcel>{at * at}<nl>" for at in range(1, 400))
    assert watched(squares, PARAGRAPH)[0] is None
    numbered = "".join(f"{at}. entry {at * at * 7919 % 997:x}\n" for at in range(1, 400))
    assert watched(numbered, PARAGRAPH)[0] is None


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("<fcel>0" * 12 + "<nl>", text_capacity(900, 40)),
        (("<fcel>0" * 12 + "<nl>") * 40, text_capacity(900, 40 * 24)),
        (("<ecel>" * 6 + "<nl>") * 30, text_capacity(700, 30 * 24)),
        ("Chapter one " + "." * 90 + " 17", text_capacity(500, 20)),
        ("- " * 40, text_capacity(480, 16)),
        ("yes\n" * 60, text_capacity(60, 60 * 24)),
        ("Name: ____________________\n" * 40, text_capacity(500, 40 * 26)),
        ("".join(f"{at}. ______\n" for at in range(1, 60)), text_capacity(300, 60 * 24)),
        ("0 10 20 30 40 50 60 70 80 90 100 110 120 130 140 150", text_capacity(700, 18)),
    ],
)
def test_what_documents_repeat_has_its_room_and_is_left_alone(text: str, capacity: TextCapacity) -> None:
    assert watched(text, capacity, step=1)[0] is None


def test_the_made_corpus_keeps_its_figures() -> None:
    """All kinds of loops but the one that is out of reach; no document is lost, few are doubted."""
    missed = {reading.kind for reading in runaways() if not watched(reading.text, _capacity(reading), 200)[0]}
    assert missed == {RANDOM_COPIES}
    documents = list(honest())
    doubted = [reading for reading in documents if watched(reading.text, _capacity(reading))[0]]
    assert len(doubted) <= 0.02 * len(documents)
    assert not [
        reading
        for reading in doubted
        if watched(reading.text, _capacity(reading), suspected_length=SUSPECTED_LENGTH_AGAIN)[0]
    ]


def _capacity(reading: MadeReading) -> TextCapacity:
    return text_capacity(reading.width, reading.height)


@given(st.text(alphabet="ab 1\n", max_size=30), st.text(alphabet="xyz 1<n>\n", min_size=1, max_size=30), st.data())
def test_how_the_text_is_cut_makes_no_difference(before: str, unit: str, data: st.DataObject) -> None:
    text = before + unit * 60
    steps = data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=20))
    watch, end = RepetitionDetector(LINE), 0
    for step in steps * (len(text) // sum(steps) + 1):
        end = min(end + step, len(text))
        watch.detect(text[:end])
    assert watch.repetition == watched(text, LINE, step=1)[0]


@given(st.integers(0, 10**6), st.integers(1, 400))
def test_words_in_no_order_are_never_a_loop(seed: int, count: int) -> None:
    words = [f"{(seed + at * at * 2654435761) % 2**20:x}" for at in range(count)]
    assert watched(" ".join(words), LINE, step=1000)[0] is None


@given(st.text(alphabet="ab\n", max_size=30), st.text(alphabet="xyz 1\n", min_size=1, max_size=30).filter(str.strip))
def test_a_loop_keeps_what_stood_before_it(before: str, unit: str) -> None:
    text = before + unit * (4000 // len(unit.strip()))
    repetition, _ = watched(text, LINE)
    assert repetition is not None
    assert repetition.start <= len(before) + len(unit)
    assert text[: repetition.end_of_copy].startswith(before)


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
    assert not is_suspicious(Reading("yes\n" * 200), PAGE_REGION)
    assert not is_suspicious(Reading("_" * 120), LINE_REGION)
    assert is_suspicious(Reading("yes\n" * 200), LINE_REGION)
    assert is_suspicious(Reading("yes\n" * 200, status="truncated"), PAGE_REGION)
    assert not is_suspicious(Reading("<fcel>0<nl>" * 200), LINE_REGION)


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
