"""The ways in turns, all asked the same, and whether they were all answered the same."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.meter import Meter, measured
from benchmarks.throughput import Sample
from benchmarks.ways import Answer, Way
from benchmarks.workload import Load


@dataclass(frozen=True, slots=True)
class Result:
    """`samples`: one a repetition, by way. `same`: the share, 0 to 1, of answers that are the first ones'."""

    load: Load
    samples: dict[str, list[Sample]]
    same: float


async def compare(ways: Mapping[str, Way], load: Load, repetitions: int, meter: Meter) -> Result:
    """Each way in turn, so many times, after one round that is not counted. Each round begins with the next way."""
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    reference: list[Answer] = []
    same: list[bool] = []
    for repetition in range(repetitions + 1):
        for name in turned(list(ways), repetition):
            sample, answers = await measured(partial(ways[name], load.questions), meter)
            reference = reference or answers
            check(load, answers, reference, name)
            print(f"{load.name}, {name}: {sample}", file=sys.stderr)
            same += equal(answers, reference)
            if repetition:
                samples[name].append(sample)
    return Result(load, samples, sum(same) / len(same))


def turned(names: Sequence[str], places: int) -> list[str]:
    start = places % len(names)
    return [*names[start:], *names[:start]]


def check(load: Load, answers: Sequence[Answer], reference: Sequence[Answer], way: str) -> None:
    """Ends the benchmark where an answer is not what it must be, or the answers have not as many tokens."""
    wrong, other = as_taught(load, answers).count(False), equal(answers, reference).count(False)
    if load.is_known and (wrong or other):
        sys.exit(f"{way}: {wrong} answers are not as taught, {other} differ from the first ones")
    if sum(answer.tokens for answer in answers) != sum(answer.tokens for answer in reference):
        sys.exit(f"{way}: the answers have not as many tokens as the first ones")


def equal(answers: Sequence[Answer], reference: Sequence[Answer]) -> list[bool]:
    return [answer == other for answer, other in zip(answers, reference, strict=True)]


def as_taught(load: Load, answers: Sequence[Answer]) -> list[bool]:
    """What nobody knows the answer to is never answered wrong."""
    return [
        question.answer is None or answer.text == question.answer.strip()
        for question, answer in zip(load.questions, answers, strict=True)
    ]
