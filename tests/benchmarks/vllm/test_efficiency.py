"""What `python -m benchmarks.vllm_efficiency` measures, by its options."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from subprocess import Popen
from typing import cast

import aiohttp
import psutil
import pytest

from benchmarks import vllm_efficiency
from benchmarks.documents import OCR
from benchmarks.load.processes import Program
from benchmarks.questions import Question
from benchmarks.service import Service
from benchmarks.throughput import Sample
from benchmarks.vllm_efficiency import documents_against_crops, measure, options, placements
from benchmarks.ways import STRAIGHT, Answer, Way
from benchmarks.workload import Load
from gateway.recognition.crops import crop_of
from tests.benchmarks.support import QuietMeter

SAMPLE = Sample(1, 1, 1.0, {}, pages=1)


class NoService(Service):
    def tiers(self) -> dict[str, list[psutil.Process]]:
        return {"gateway": [], "vlm": []}


async def straight(questions: Sequence[Question]) -> list[Answer]:
    return [Answer(question.prompt, 1) for question in questions]


@pytest.fixture
def _measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of all that needs a service, samples that tell what was measured."""

    @asynccontextmanager
    async def ways(*_: object) -> AsyncIterator[dict[str, Way]]:
        yield {STRAIGHT: straight}

    async def whole(*_: object) -> Sample:
        return SAMPLE

    async def against_crops(*_: object) -> dict[str, list[Sample]]:
        return {STRAIGHT: [SAMPLE], OCR: [SAMPLE]}

    monkeypatch.setattr(vllm_efficiency, "all_ways", ways)
    monkeypatch.setattr(vllm_efficiency, "compare", against_crops)
    monkeypatch.setattr(vllm_efficiency, "measure_documents", whole)
    monkeypatch.setattr(vllm_efficiency, "documents_against_crops", against_crops)


@pytest.mark.usefixtures("_measured")
@pytest.mark.parametrize(
    ("arguments", "compared", "whole"),
    [
        ([], {STRAIGHT, OCR}, None),
        (["--full-size"], set(), SAMPLE),
        (["--documents", "0"], set(), None),
        (["--full-size", "--documents", "0"], set(), None),
    ],
)
async def test_whole_documents_as_users_send_them_are_measured_at_full_size_only(
    arguments: list[str], compared: set[str], whole: Sample | None
) -> None:
    service, loads = NoService("http://nowhere", 1, 0), [Load("crops", [])]
    measurement = await measure(service, loads, options(arguments))
    assert len(measurement.results) == 1
    assert (set(measurement.compared), measurement.whole) == (compared, whole)


async def test_documents_are_compared_with_their_own_crops_as_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, int, dict[str, str]]] = []
    asked: list[list[str]] = []

    class Gateway(Program):
        def tree(self) -> list[psutil.Process]:
            return []

    @contextmanager
    def recorded(*_: object) -> Iterator[tuple[Program, int]]:
        yield Gateway("gateway", "http://recorded", cast("Popen[bytes]", None)), 2

    def documents(
        _session: object, url: str, _file: Path, at_once: int, form: dict[str, str]
    ) -> Callable[[int], Awaitable[list[Answer]]]:
        async def read(count: int) -> list[Answer]:
            return [Answer("", 2, 2, 1)] * count

        sent.append((url, at_once, form))
        return read

    async def noted(questions: Sequence[Question]) -> list[Answer]:
        asked.append([question.prompt for question in questions])
        return await straight(questions)

    monkeypatch.setattr(vllm_efficiency, "recorded_gateway", recorded)
    monkeypatch.setattr(vllm_efficiency, "documents", documents)
    monkeypatch.setattr(vllm_efficiency, "Meter", lambda _tiers: QuietMeter())
    wanted = options(["--documents", "3", "--in-flight", "9", "--repetitions", "1"])
    crops = [Question(crop_of(b"", 1, 1), prompt) for prompt in ("first", "second", "of another document")]
    session = cast(aiohttp.ClientSession, None)
    compared = await documents_against_crops(session, NoService("http://nowhere", 1, 0), noted, crops, wanted)
    assert sent == [("http://recorded", 14, {"merge_blocks": "false"})]
    assert asked == [["first", "second"] * 3] * 2
    assert {name: [sample.calls for sample in taken] for name, taken in compared.items()} == {STRAIGHT: [6], OCR: [6]}


@pytest.mark.parametrize(
    ("arguments", "in_flight", "calls"),
    [([], 32, 112), (["--full-size"], 128, 512), (["--full-size", "--in-flight", "8", "--calls", "9"], 8, 9)],
)
def test_the_full_size_is_asked_for_more_unless_the_command_line_says_how_much(
    arguments: list[str], in_flight: int, calls: int
) -> None:
    wanted = options(arguments)
    assert (wanted.in_flight, wanted.calls) == (in_flight, calls)


def test_vllm_has_cores_of_its_own_too_where_there_are_two_and_it_computes_with_them() -> None:
    shared, apart = placements([0, 2, 5], is_full_size=False)
    assert (shared.name, shared.vlm, shared.others) == ("All processes on the same 3 cores", None, None)
    assert apart.name == "vLLM on core 0, gateway and client on core 2, 5"
    assert (apart.vlm, apart.others) == (frozenset({0}), frozenset({2, 5}))
    assert placements([0, 2, 5], is_full_size=True) == [shared]
    assert len(placements([3], is_full_size=False)) == 1
