"""Calls that fall silent, and the second request beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.imaging.crops import cut_crop
from gateway.model import Region
from gateway.parts import Parts
from gateway.recognition.hedging import InFlightCall, StallDetector
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import start_parts
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import eventually

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)
MUTE = Reply(hang=True)
MUTE_HALF_WAY = Reply("a b c d", events=2, then="hang")


def answered(silence: StallDetector, asked: float, first_s: float, gap_s: float, events: int = 3) -> None:
    call = silence.start(asked)
    for number in range(events):
        silence.record_event(call, asked + first_s + number * gap_s)
    silence.finish(call, asked + first_s + events * gap_s, is_answered=True)


def answered_whole(silence: StallDetector, asked: float, took_s: float) -> None:
    silence.finish(silence.start(asked), asked + took_s, is_answered=True)


@pytest.fixture
def trained() -> StallDetector:
    """Of an engine that has answered 100 calls by time 100: the first event after 2 s, the next each 1 s."""
    silence = StallDetector()
    for number in range(100):
        answered(silence, number / 10, first_s=2, gap_s=1)
    return silence


def heard(silence: StallDetector, asked: float, *times: float) -> InFlightCall:
    call = silence.start(asked)
    for time in times:
        silence.record_event(call, time)
    return call


def test_before_anything_is_known_a_call_has_long() -> None:
    silence = StallDetector()
    assert silence.time_to_stall_s(silence.start(0), 10) > 10


def test_the_first_event_may_take_longer_than_the_next(trained: StallDetector) -> None:
    waiting, begun = trained.start(100), heard(trained, 95, 100)
    assert trained.time_to_stall_s(waiting, 104) > 0 > trained.time_to_stall_s(begun, 104)
    assert trained.time_to_stall_s(waiting, 107) < 0


def test_an_event_begins_the_wait_anew(trained: StallDetector) -> None:
    assert trained.time_to_stall_s(heard(trained, 100, 101, 103, 105), 106) > 0


def test_a_few_lost_calls_do_not_change_what_is_usual(trained: StallDetector) -> None:
    before = trained.time_to_stall_s(trained.start(200), 200)
    for number in range(5):
        answered(trained, 200 + number, first_s=60, gap_s=60)
    assert trained.time_to_stall_s(trained.start(300), 300) == pytest.approx(before)


def test_an_engine_that_has_become_slow_is_given_longer(trained: StallDetector) -> None:
    for number in range(250):
        answered(trained, 200 + number, first_s=20, gap_s=10)
    assert trained.time_to_stall_s(trained.start(500), 540) > 0
    assert trained.time_to_stall_s(heard(trained, 500, 510), 535) > 0


def test_an_engine_that_is_always_quick_is_still_given_a_moment() -> None:
    silence = StallDetector()
    for number in range(100):
        answered(silence, number, first_s=0.001, gap_s=0.001)
    assert silence.time_to_stall_s(silence.start(100), 100.5) > 0


def test_of_whole_answers_the_longest_counts() -> None:
    silence = StallDetector()
    for number in range(100):
        answered_whole(silence, number, took_s=20 if number == 90 else 1)
    assert silence.time_to_stall_s(silence.start(200), 250) > 0 > silence.time_to_stall_s(silence.start(200), 270)


def test_a_call_is_lost_when_a_later_one_is_served(trained: StallDetector) -> None:
    silent = heard(trained, 100, 102)
    probe = trained.start_hedge(heard(trained, 100, 102), 110)
    assert not trained.may_hedge(silent, 111), "nothing was heard of anyone"
    trained.record_event(probe, 112)
    assert trained.may_hedge(silent, 112)


def test_events_of_calls_that_were_asked_before_prove_nothing(trained: StallDetector) -> None:
    """The engine works on those that it has, and takes nothing new: our call stands in its queue."""
    running = heard(trained, 99, 101)
    waiting = trained.start(100)
    trained.start_hedge(trained.start(100), 110)
    trained.record_event(running, 111)
    assert not trained.may_hedge(waiting, 111)


def test_when_all_are_silent_one_at_a_time_is_tried(trained: StallDetector) -> None:
    first, second = trained.start(100), trained.start(100)
    assert trained.may_hedge(first, 110)
    probe = trained.start_hedge(first, 110)
    assert not trained.may_hedge(second, 150)
    trained.finish(probe, 150, is_answered=False)
    assert not trained.may_hedge(second, 150.1)
    assert trained.may_hedge(second, 155)


def test_calls_asked_in_the_same_moment_may_be_served_in_any_order(trained: StallDetector) -> None:
    silent = trained.start(100)
    trained.start_hedge(trained.start(100), 110)
    trained.record_event(trained.start(100.5), 111)
    assert not trained.may_hedge(silent, 111)


def test_calls_without_an_answer_tell_nothing_of_what_is_usual(trained: StallDetector) -> None:
    before = trained.time_to_stall_s(trained.start(400), 400)
    for number in range(250):
        trained.finish(heard(trained, 100 + number, 160 + number), 161 + number, is_answered=False)
    assert trained.time_to_stall_s(trained.start(400), 400) == before


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubEngine]:
    """An engine that streams. Half a second without a word is a silence, however busy the machine is."""
    for name, value in {"MIN_KNOWN": 1, "STALL_FACTOR": 0, "MIN_STALL_S": 0.5}.items():
        monkeypatch.setattr(f"gateway.recognition.hedging.{name}", value)
    monkeypatch.setattr("gateway.recognition.hedging.CHECK_INTERVAL_S", 0.05)
    with StubEngine(kind="vllm") as engine:
        yield engine


@pytest.fixture
async def parts(stub: StubEngine) -> AsyncIterator[Parts]:
    """What is usual at the engine is known."""
    async with start_parts(stub) as parts:
        await accustom(parts, stub)
        yield parts


async def accustom(parts: Parts, stub: StubEngine) -> None:
    stub.script.append(Reply("a b c", events_delay_s=0.01))
    assert await read(parts) == ("ok", "a b c")
    stub.requests.clear()


async def read(parts: Parts) -> tuple[str, str]:
    reading = await parts.reader.read(CROP, RegionTask())
    return reading.status, reading.text


@pytest.mark.parametrize("silence", [MUTE, MUTE_HALF_WAY])
async def test_a_call_that_falls_silent_is_asked_again(stub: StubEngine, parts: Parts, silence: Reply) -> None:
    stub.script.append(silence)
    assert await read(parts) == ("ok", "OCR:")
    await eventually(lambda: stub.running == 0)
    assert (len(stub.requests), stub.aborted) == (2, 1)
    assert (parts.reader.hedging.hedges, parts.reader.hedging.won) == (1, 1)


async def test_several_silent_calls_of_many_are_all_asked_again(stub: StubEngine, parts: Parts) -> None:
    stub.script.extend([MUTE, MUTE_HALF_WAY, MUTE, Reply(), MUTE_HALF_WAY])
    assert await asyncio.gather(*(read(parts) for _ in range(30))) == [("ok", "OCR:")] * 30
    assert parts.reader.hedging.won == 4


async def test_a_call_that_was_only_long_keeps_its_answer(stub: StubEngine, parts: Parts) -> None:
    stub.script.append(Reply("long", delay_s=0.8))
    stub.answer = lambda _request: MUTE
    assert await read(parts) == ("ok", "long")
    await eventually(lambda: stub.running == 0)
    assert (parts.reader.hedging.hedges, parts.reader.hedging.won) == (1, 0)


async def test_a_second_question_that_fails_leaves_the_first(stub: StubEngine, parts: Parts) -> None:
    stub.script.append(Reply("long", delay_s=0.8))
    stub.answer = lambda _request: Reply(status=400)
    assert await read(parts) == ("ok", "long")


async def test_a_first_question_that_fails_leaves_the_second(stub: StubEngine, parts: Parts) -> None:
    stub.script.append(Reply(delay_s=0.8, status=400))
    stub.answer = lambda _request: Reply("second", delay_s=0.4)
    assert await read(parts) == ("ok", "second")


async def test_an_engine_that_is_silent_to_all_is_asked_one_thing_more(stub: StubEngine, parts: Parts) -> None:
    stub.answer = lambda _request: MUTE
    calls = [asyncio.create_task(read(parts)) for _ in range(20)]
    await eventually(lambda: len(stub.requests) > 20)
    await asyncio.sleep(0.5)
    assert len(stub.requests) == 21
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await eventually(lambda: stub.running == 0)


async def test_an_engine_with_a_long_queue_is_not_asked_twice(stub: StubEngine, parts: Parts) -> None:
    """It answers in the order of asking, each later than is usual."""
    number = iter(range(100))
    stub.answer = lambda _request: Reply(delay_s=0.6 + 0.01 * next(number))
    assert await asyncio.gather(*(read(parts) for _ in range(50))) == [("ok", "OCR:")] * 50
    assert len(stub.requests) <= 52


async def test_silent_calls_are_asked_again_for_a_share_of_all_only(stub: StubEngine, parts: Parts) -> None:
    mute = iter([True, True, False] * 200)
    stub.answer = lambda _request: MUTE if next(mute) else Reply()
    calls = [asyncio.create_task(read(parts)) for _ in range(90)]
    await asyncio.sleep(2)
    assert len(stub.requests) < 90 + 30
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_the_embedded_engine_is_given_its_time() -> None:
    with StubEngine(kind="embedded") as stub:
        async with start_parts(stub) as parts:
            await accustom(parts, stub)
            stub.script.append(Reply(delay_s=1.5))
            assert await read(parts) == ("ok", "OCR:")
    assert len(stub.requests) == 1


async def test_a_silent_call_to_an_engine_that_answers_whole_is_asked_again(stub: StubEngine) -> None:
    async with start_parts(stub, vlm_stream=False) as parts:
        await accustom(parts, stub)
        stub.script.append(MUTE)
        assert await read(parts) == ("ok", "OCR:")
        assert parts.reader.hedging.won == 1
