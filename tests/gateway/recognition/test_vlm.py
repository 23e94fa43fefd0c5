from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence

import pytest

from gateway.model import Reading, Region
from gateway.recognition import Recognition
from gateway.recognition.crops import Crop, cut_crop
from gateway.recognition.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import eventually, recognition_for
from tests.support.stub_engine import Reply, StubEngine

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)
PLAIN = RegionTask()
SPOTTING = RegionTask(prompt="Spotting:")


async def read(made: Recognition, task: RegionTask = PLAIN, crop: Crop = CROP, within_s: float = 30) -> Reading:
    return await made.reader.read(crop, task, asyncio.get_running_loop().time() + within_s)


async def test_a_reading_has_text_confidence_and_tokens(stub: StubEngine) -> None:
    stub.script.append(Reply("  Привет, мир\nline two \n", logprobs=(math.log(0.5), math.log(0.125))))
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.text, reading.status, reading.finish_reason) == ("Привет, мир\nline two", "ok", "stop")
    assert reading.confidence == pytest.approx(0.25)
    assert (reading.prompt_tokens, reading.completion_tokens) == (10, 2)


async def test_the_engine_gets_the_crop_before_the_prompt_and_nothing_random(stub: StubEngine) -> None:
    async with recognition_for(stub) as made:
        await read(made, RegionTask(prompt="Table Recognition:"))
    [request] = stub.requests
    assert [part["type"] for part in request.body["messages"][0]["content"]] == ["image_url", "text"]
    assert (request.prompt, request.image, request.size) == ("Table Recognition:", CROP.png, (200, 100))
    assert (request.body["model"], request.body["temperature"], request.body["logprobs"]) == ("stub-model", 0, True)


@pytest.mark.parametrize(
    ("kind", "task", "sent"),
    [
        ("vllm", RegionTask(), {"skip_special_tokens": True, "max_completion_tokens": 4096}),
        ("vllm", SPOTTING, {"skip_special_tokens": False, "max_completion_tokens": 4096}),
        (
            "vllm",
            RegionTask(repetition_penalty=1.2, top_p=0.9),
            {"skip_special_tokens": True, "repetition_penalty": 1.2, "top_p": 0.9, "max_completion_tokens": 4096},
        ),
        ("embedded", RegionTask(repetition_penalty=1.2), {}),
        ("embedded", RegionTask(max_tokens=9), {"max_completion_tokens": 9}),
        ("external", RegionTask(max_tokens=9), {"max_tokens": 9}),
        ("external", SPOTTING, {"skip_special_tokens": False, "max_tokens": 4096}),
        ("external", RegionTask(repetition_penalty=1.2), {"repetition_penalty": 1.2, "max_tokens": 4096}),
    ],
)
async def test_each_kind_of_engine_gets_only_parameters_it_knows(
    kind: str, task: RegionTask, sent: dict[str, object]
) -> None:
    with StubEngine(kind=kind) as stub:
        async with recognition_for(stub) as made:
            await read(made, task)
    common = {"model", "messages", "temperature", "logprobs"}
    assert {name: value for name, value in stub.requests[0].body.items() if name not in common} == sent


async def test_a_reading_cut_off_by_its_length_is_truncated(stub: StubEngine) -> None:
    stub.script.append(Reply("half a", finish_reason="length"))
    async with recognition_for(stub) as made:
        reading = await read(made, RegionTask(max_tokens=77))
    assert (reading.status, reading.text, reading.finish_reason) == ("truncated", "half a", "length")
    assert reading.error == "The reading was cut off at 77 tokens."


@pytest.mark.parametrize("logprobs", [(), (float("nan"),)])
async def test_without_usable_logprobs_the_confidence_is_unknown(stub: StubEngine, logprobs: tuple[float, ...]) -> None:
    stub.script.append(Reply("text", logprobs=logprobs))
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, reading.confidence) == ("ok", None)


@pytest.mark.parametrize(
    "failures",
    [
        [Reply(status=503)],
        [Reply(status=429), Reply(status=503)],
        [Reply(drop=True)],
        [Reply(status=503), Reply(drop=True), Reply(status=503)],
    ],
)
async def test_what_may_pass_is_tried_again(stub: StubEngine, failures: Sequence[Reply]) -> None:
    stub.script.extend(failures)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, reading.text) == ("ok", "OCR:")
    assert len(stub.requests) == len(failures) + 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
async def test_a_rejected_request_is_not_tried_again(stub: StubEngine, status: int) -> None:
    stub.answer = lambda _request: Reply(status=status)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, reading.text, len(stub.requests)) == ("failed", "", 1)
    assert str(status) in (reading.error or "")


async def test_errors_tell_the_client_nothing_that_the_engine_said(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=400)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert "secret" not in (reading.error or "")


async def test_a_500_is_tried_once_more_with_half_the_pixels(stub: StubEngine) -> None:
    stub.script.append(Reply(status=500))
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert reading.status == "ok"
    first, second = (width * height for width, height in (request.size for request in stub.requests))
    assert second == pytest.approx(first / 2, rel=0.03)


async def test_a_second_500_ends_it(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=500)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, len(stub.requests)) == ("failed", 2)


async def test_costly_retries_stop_when_most_calls_fail(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=500)
    async with recognition_for(stub) as made:
        readings = await asyncio.gather(*(read(made) for _ in range(40)))
    assert {reading.status for reading in readings} == {"failed"}
    assert len(stub.requests) <= 40 + 10


async def test_a_500_of_a_dying_engine_waits_for_the_next_one(stub: StubEngine) -> None:
    async with recognition_for(stub) as made:
        stub.health_status = 503
        stub.script.append(Reply(status=500))
        reading = asyncio.create_task(read(made))
        await eventually(lambda: made.engine.state == "restarting")
        stub.health_status = 200
        assert (await reading).status == "ok"
    assert stub.requests[-1].size == (200, 100)


async def test_an_engine_killed_under_a_call_is_waited_for(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.recognition.engine.POLL_WHILE_READY_S", 60)
    async with recognition_for(stub) as made:
        stub.script.append(Reply(hang=True))
        reading = asyncio.create_task(read(made))
        await eventually(lambda: stub.running == 1)
        stub.kill()
        await eventually(lambda: made.engine.state == "restarting")
        stub.start()
        assert (await reading).text == "OCR:"


async def test_an_engine_that_stays_away_fails_the_region_when_the_grace_is_over(stub: StubEngine) -> None:
    async with recognition_for(stub, vlm_restart_grace_s=0.3) as made:
        stub.kill()
        reading = await read(made)
    assert reading.status == "failed"
    assert reading.error == "The recognition engine could not be reached."


async def test_a_crop_that_kills_the_engine_each_time_is_given_up(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(drop=True)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert reading.status == "failed"
    assert reading.error == "The recognition engine closed the connection before it answered."
    assert len(stub.requests) == 4


async def test_a_call_that_hangs_is_ended_and_tried_once_more(stub: StubEngine) -> None:
    stub.script.append(Reply(hang=True))
    async with recognition_for(stub, vlm_call_timeout_s=0.3) as made:
        reading = await read(made)
        await eventually(lambda: stub.running == 0)
    assert (reading.status, len(stub.requests)) == ("ok", 2)


async def test_the_deadline_ends_a_call_that_hangs(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(hang=True)
    async with recognition_for(stub) as made:
        reading = await read(made, within_s=0.3)
        await eventually(lambda: stub.running == 0)
    assert reading.status == "failed"


async def test_past_the_deadline_the_engine_is_not_asked(stub: StubEngine) -> None:
    async with recognition_for(stub) as made:
        reading = await read(made, within_s=-1)
    assert (reading.status, stub.requests) == ("failed", [])


async def test_a_cancelled_call_leaves_the_engine_free(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.script.append(Reply(after=gate))
    async with recognition_for(stub) as made:
        reading = asyncio.create_task(read(made))
        await eventually(lambda: stub.running == 1)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert reading.cancelled()
        await eventually(lambda: stub.running == 0)


@pytest.mark.parametrize(
    "raw", ["not json at all", "[]", "{}", '{"choices": []}', '{"choices": [{}]}', '{"choices": [{"message": null}]}']
)
async def test_an_answer_that_makes_no_sense_fails_the_region(stub: StubEngine, raw: str) -> None:
    stub.answer = lambda _request: Reply(raw=raw)
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, len(stub.requests)) == ("failed", 1)
    assert reading.error == "The recognition engine gave an answer that could not be understood."


async def test_an_answer_in_another_media_type_fails_the_region(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(raw="<html>", content_type="text/html")
    async with recognition_for(stub) as made:
        assert (await read(made)).status == "failed"


async def test_an_answer_without_text_is_an_empty_reading(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(raw='{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}')
    async with recognition_for(stub) as made:
        reading = await read(made)
    assert (reading.status, reading.text, reading.confidence, reading.prompt_tokens) == ("ok", "", None, 0)
