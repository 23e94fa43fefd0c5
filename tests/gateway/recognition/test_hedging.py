from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from gateway.model import Region
from gateway.recognition import Recognition
from gateway.recognition.crops import cut_crop
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import recognition_for
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import eventually

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)
MUTE = Reply(hang=True)
MUTE_HALF_WAY = Reply("a b c d", events=2, then="hang")


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StubEngine]:
    """An engine that streams. Half a second without a word is a silence, however busy the machine is."""
    for name, value in {"LEAST_KNOWN": 1, "TIMES": 0, "LEAST_S": 0.5}.items():
        monkeypatch.setattr(f"gateway.recognition.silence.{name}", value)
    monkeypatch.setattr("gateway.recognition.hedging.LOOK_AGAIN_S", 0.05)
    with StubEngine(kind="vllm") as engine:
        yield engine


@pytest.fixture
async def made(stub: StubEngine) -> AsyncIterator[Recognition]:
    """What is usual at the engine is known."""
    async with recognition_for(stub) as made:
        await accustom(made, stub)
        yield made


async def accustom(made: Recognition, stub: StubEngine) -> None:
    stub.script.append(Reply("a b c", events_delay_s=0.01))
    assert await read(made) == ("ok", "a b c")
    stub.requests.clear()


async def read(made: Recognition) -> tuple[str, str]:
    reading = await made.reader.read(CROP, RegionTask(), asyncio.get_running_loop().time() + 30)
    return reading.status, reading.text


@pytest.mark.parametrize("silence", [MUTE, MUTE_HALF_WAY])
async def test_a_call_that_falls_silent_is_asked_again(stub: StubEngine, made: Recognition, silence: Reply) -> None:
    stub.script.append(silence)
    assert await read(made) == ("ok", "OCR:")
    await eventually(lambda: stub.running == 0)
    assert (len(stub.requests), stub.aborted) == (2, 1)
    assert (made.reader.hedging.hedges, made.reader.hedging.won) == (1, 1)


async def test_several_silent_calls_of_many_are_all_asked_again(stub: StubEngine, made: Recognition) -> None:
    stub.script.extend([MUTE, MUTE_HALF_WAY, MUTE, Reply(), MUTE_HALF_WAY])
    assert await asyncio.gather(*(read(made) for _ in range(30))) == [("ok", "OCR:")] * 30
    assert made.reader.hedging.won == 4


async def test_a_call_that_was_only_long_keeps_its_answer(stub: StubEngine, made: Recognition) -> None:
    stub.script.append(Reply("long", delay_s=0.8))
    stub.answer = lambda _request: MUTE
    assert await read(made) == ("ok", "long")
    await eventually(lambda: stub.running == 0)
    assert (made.reader.hedging.hedges, made.reader.hedging.won) == (1, 0)


async def test_a_second_question_that_fails_leaves_the_first(stub: StubEngine, made: Recognition) -> None:
    stub.script.append(Reply("long", delay_s=0.8))
    stub.answer = lambda _request: Reply(status=400)
    assert await read(made) == ("ok", "long")


async def test_a_first_question_that_fails_leaves_the_second(stub: StubEngine, made: Recognition) -> None:
    stub.script.append(Reply(delay_s=0.8, status=400))
    stub.answer = lambda _request: Reply("second", delay_s=0.4)
    assert await read(made) == ("ok", "second")


async def test_an_engine_that_is_silent_to_all_is_asked_one_thing_more(stub: StubEngine, made: Recognition) -> None:
    stub.answer = lambda _request: MUTE
    calls = [asyncio.create_task(read(made)) for _ in range(20)]
    await eventually(lambda: len(stub.requests) > 20)
    await asyncio.sleep(0.5)
    assert len(stub.requests) == 21
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await eventually(lambda: stub.running == 0)


async def test_an_engine_with_a_long_queue_is_not_asked_twice(stub: StubEngine, made: Recognition) -> None:
    """It answers in the order of asking, each later than is usual."""
    number = iter(range(100))
    stub.answer = lambda _request: Reply(delay_s=0.6 + 0.01 * next(number))
    assert await asyncio.gather(*(read(made) for _ in range(50))) == [("ok", "OCR:")] * 50
    assert len(stub.requests) <= 52


async def test_silent_calls_are_asked_again_for_a_share_of_all_only(stub: StubEngine, made: Recognition) -> None:
    mute = iter([True, True, False] * 200)
    stub.answer = lambda _request: MUTE if next(mute) else Reply()
    calls = [asyncio.create_task(read(made)) for _ in range(90)]
    await asyncio.sleep(2)
    assert len(stub.requests) < 90 + 30
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


async def test_the_embedded_engine_is_given_its_time() -> None:
    with StubEngine(kind="embedded") as stub:
        async with recognition_for(stub) as made:
            await accustom(made, stub)
            stub.script.append(Reply(delay_s=1.5))
            assert await read(made) == ("ok", "OCR:")
    assert len(stub.requests) == 1


async def test_a_silent_call_to_an_engine_that_answers_whole_is_asked_again(stub: StubEngine) -> None:
    async with recognition_for(stub, vlm_stream=False) as made:
        await accustom(made, stub)
        stub.script.append(MUTE)
        assert await read(made) == ("ok", "OCR:")
        assert made.reader.hedging.won == 1
