"""The ways in turns, and when their answers end the benchmark."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from benchmarks.comparison import check, compare
from benchmarks.questions import Question
from benchmarks.ways import Answer, Way
from benchmarks.workload import Load
from gateway.recognition.crops import crop_of
from tests.benchmarks.support import QuietMeter

QUESTIONS = [Question(crop_of(b"", 1, 1), "OCR:", answer=answer) for answer in ("one ", "two")]
RIGHT = [Answer("one", 1), Answer("two", 2)]
MISREAD = [Answer("one", 1), Answer("too", 2)]
KNOWN, UNKNOWN = Load("taught", QUESTIONS), Load("full size", [Question(crop_of(b"", 1, 1), "OCR:")] * 2, False)


def way(name: str, answers: list[Answer], asked: list[str]) -> Way:
    async def ask(_: Sequence[Question]) -> list[Answer]:
        asked.append(name)
        return answers

    return ask


async def test_each_round_begins_with_the_next_way_and_the_first_round_does_not_count() -> None:
    asked: list[str] = []
    result = await compare({name: way(name, RIGHT, asked) for name in "abc"}, KNOWN, 3, QuietMeter())
    assert "".join(asked) == "abcbcacababc"
    assert {name: [(sample.calls, sample.tokens) for sample in taken] for name, taken in result.samples.items()} == (
        dict.fromkeys("abc", [(2, 3)] * 3)
    )


async def test_the_share_of_same_answers_is_told_where_batches_may_change_them() -> None:
    ways = {"a": way("a", RIGHT, []), "b": way("b", MISREAD, [])}
    assert (await compare(ways, UNKNOWN, 1, QuietMeter())).same == 0.75


async def test_a_way_that_answers_otherwise_than_the_first_ends_the_benchmark() -> None:
    with pytest.raises(SystemExit, match="b: 1 answers are not as taught, 1 differ"):
        await compare({"a": way("a", RIGHT, []), "b": way("b", MISREAD, [])}, KNOWN, 1, QuietMeter())


def test_answers_that_all_ways_get_wrong_alike_end_the_benchmark() -> None:
    with pytest.raises(SystemExit, match="1 answers are not as taught, 0 differ"):
        check(KNOWN, MISREAD, MISREAD, "a")


def test_answers_of_another_length_end_the_benchmark_even_where_nobody_knows_them() -> None:
    check(UNKNOWN, MISREAD, RIGHT, "a")
    with pytest.raises(SystemExit, match="not as many tokens"):
        check(UNKNOWN, [Answer("one", 1), Answer("two", 3)], RIGHT, "a")
