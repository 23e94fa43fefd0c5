"""Calls that fall silent, and the second request beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.imaging.crops import cut_crop
from gateway.model import Region
from gateway.parts import Parts
from gateway.recognition.hedging import Call, Silence
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import start_parts
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import eventually

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)
MUTE = Reply(hang=True)
MUTE_HALF_WAY = Reply("a b c d", events=2, then="hang")


def answered(silence: Silence, asked: float, first_s: float, gap_s: float, events: int = 3) -> None:
    call = silence.begin(asked)
    for number in range(events):
        silence.hear(call, asked + first_s + number * gap_s)
    silence.end(call, asked + first_s + events * gap_s, is_answered=True)


def answered_whole(silence: Silence, asked: float, took_s: float) -> None:
    silence.end(silence.begin(asked), asked + took_s, is_answered=True)


@pytest.fixture
def used() -> Silence:
    """Of an engine that has answered 100 calls by time 100: the first event after 2 s, the next each 1 s."""
    silence = Silence()
    for number in range(100):
        answered(silence, number / 10, first_s=2, gap_s=1)
    return silence


def heard(silence: Silence, asked: float, *times: float) -> Call:
    call = silence.begin(asked)
    for time in times:
        silence.hear(call, time)
    return call


def test_before_anything_is_known_a_call_has_long() -> None:
    silence = Silence()
    assert silence.left_s(silence.begin(0), 10) > 10


def test_the_first_event_may_take_longer_than_the_next(used: Silence) -> None:
    waiting, begun = used.begin(100), heard(used, 95, 100)
    assert used.left_s(waiting, 104) > 0 > used.left_s(begun, 104)
    assert used.left_s(waiting, 107) < 0


def test_an_event_begins_the_wait_anew(used: Silence) -> None:
    assert used.left_s(heard(used, 100, 101, 103, 105), 106) > 0


def test_a_few_lost_calls_do_not_change_what_is_usual(used: Silence) -> None:
    before = used.left_s(used.begin(200), 200)
    for number in range(5):
        answered(used, 200 + number, first_s=60, gap_s=60)
    assert used.left_s(used.begin(300), 300) == pytest.approx(before)


def test_an_engine_that_has_become_slow_is_given_longer(used: Silence) -> None:
    for number in range(250):
        answered(used, 200 + number, first_s=20, gap_s=10)
    assert used.left_s(used.begin(500), 540) > 0
    assert used.left_s(heard(used, 500, 510), 535) > 0


def test_an_engine_that_is_always_quick_is_still_given_a_moment() -> None:
    silence = Silence()
    for number in range(100):
        answered(silence, number, first_s=0.001, gap_s=0.001)
    assert silence.left_s(silence.begin(100), 100.5) > 0


def test_of_whole_answers_the_longest_counts() -> None:
    silence = Silence()
    for number in range(100):
        answered_whole(silence, number, took_s=20 if number == 90 else 1)
    assert silence.left_s(silence.begin(200), 250) > 0 > silence.left_s(silence.begin(200), 270)


def test_a_call_is_lost_when_a_later_one_is_served(used: Silence) -> None:
    silent = heard(used, 100, 102)
    probe = used.begin_again(heard(used, 100, 102), 110)
    assert not used.may_ask_again(silent, 111), "nothing was heard of anyone"
    used.hear(probe, 112)
    assert used.may_ask_again(silent, 112)


def test_events_of_calls_that_were_asked_before_prove_nothing(used: Silence) -> None:
    """The engine works on those that it has, and takes nothing new: our call stands in its queue."""
    running = heard(used, 99, 101)
    waiting = used.begin(100)
    used.begin_again(used.begin(100), 110)
    used.hear(running, 111)
    assert not used.may_ask_again(waiting, 111)


def test_when_all_are_silent_one_at_a_time_is_tried(used: Silence) -> None:
    first, second = used.begin(100), used.begin(100)
    assert used.may_ask_again(first, 110)
    probe = used.begin_again(first, 110)
    assert not used.may_ask_again(second, 150)
    used.end(probe, 150, is_answered=False)
    assert not used.may_ask_again(second, 150.1)
    assert used.may_ask_again(second, 155)


def test_calls_asked_in_the_same_moment_may_be_served_in_any_order(used: Silence) -> None:
    silent = used.begin(100)
    used.begin_again(used.begin(100), 110)
    used.hear(used.begin(100.5), 111)
    assert not used.may_ask_again(silent, 111)


def test_calls_without_an_answer_tell_nothing_of_what_is_usual(used: Silence) -> None:
    before = used.left_s(used.begin(400), 400)
    for number in range(250):
        used.end(heard(used, 100 + number, 160 + number), 161 + number, is_answered=False)
    assert used.left_s(used.begin(400), 400) == before


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubEngine]:
    """An engine that streams. Half a second without a word is a silence, however busy the machine is."""
    for name, value in {"LEAST_KNOWN": 1, "TIMES": 0, "LEAST_S": 0.5}.items():
        monkeypatch.setattr(f"gateway.recognition.hedging.{name}", value)
    monkeypatch.setattr("gateway.recognition.hedging.LOOK_AGAIN_S", 0.05)
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
    reading = await parts.reader.read(CROP, RegionTask(), asyncio.get_running_loop().time() + 30)
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
