from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from gateway.imaging.crops import Crop, cut_crop, encode
from gateway.model import Reading, Region
from gateway.parts import Parts
from gateway.tasks import RegionTask
from tests.support.fakes import blank
from tests.support.parts import start_parts
from tests.support.stub_engine import Reply, StubEngine
from tests.support.waiting import eventually

CROP = cut_crop(blank(200, 100), Region("text", (0, 0, 200, 100), 1), RegionTask(), fit=False)
PLAIN = RegionTask()
SPOTTING = RegionTask(prompt="Spotting:")
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
WITH_PLACES = {"return_lines": True, "return_words": False}
VLLM_STREAM = {
    "stream": True,
    "stream_options": {"include_usage": True, "continuous_usage_stats": True},
    "stream_interval": 32,
}


@pytest.fixture(params=["embedded", "vllm"])
def stub(request: pytest.FixtureRequest) -> Iterator[StubEngine]:
    """An engine that answers whole, and one that streams: what can go wrong is handled alike."""
    with StubEngine(kind=request.param) as engine:
        yield engine


async def read(parts: Parts, task: RegionTask = PLAIN, crop: Crop = CROP) -> Reading:
    return await parts.reader.read(crop, task)


async def test_a_reading_has_text_confidence_and_tokens(stub: StubEngine) -> None:
    stub.script.append(Reply("  Привет, мир\nline two \n", logprobs=(math.log(0.5), math.log(0.125))))
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.text, reading.status, reading.finish_reason) == ("Привет, мир\nline two", "ok", "stop")
    assert reading.confidence == pytest.approx(0.25)
    assert reading.prompt_tokens == 10
    assert reading.completion_tokens == (2 if stub.kind == "embedded" else 6)


async def test_the_engine_gets_the_crop_before_the_prompt_and_nothing_random(stub: StubEngine) -> None:
    async with start_parts(stub) as parts:
        await read(parts, RegionTask(prompt="Table Recognition:"))
    [request] = stub.requests
    assert [part["type"] for part in request.body["messages"][0]["content"]] == ["image_url", "text"]
    assert (request.prompt, request.image, request.size) == ("Table Recognition:", CROP.png, (200, 100))
    assert (request.body["model"], request.body["temperature"], request.body["logprobs"]) == ("stub-model", 0, True)


async def test_a_crop_of_megabytes_arrives_whole(stub: StubEngine) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (900, 1200, 3), dtype=np.uint8)
    large = encode(noise)
    async with start_parts(stub) as parts:
        reading = await read(parts, crop=large)
    assert reading.status == "ok"
    assert stub.requests[0].image == large.png


@pytest.mark.parametrize(
    ("kind", "task", "sent"),
    [
        ("vllm", RegionTask(), {"skip_special_tokens": True, "max_completion_tokens": 4096, **VLLM_STREAM}),
        ("vllm", SPOTTING, {"skip_special_tokens": False, "max_completion_tokens": 4096, **VLLM_STREAM}),
        (
            "vllm",
            RegionTask(repetition_penalty=1.2, top_p=0.9),
            {
                "skip_special_tokens": True,
                "repetition_penalty": 1.2,
                "top_p": 0.9,
                "max_completion_tokens": 4096,
                **VLLM_STREAM,
            },
        ),
        ("embedded", RegionTask(repetition_penalty=1.2), WITH_PLACES),
        ("embedded", RegionTask(max_tokens=9), {"max_completion_tokens": 9, **WITH_PLACES}),
        ("external", RegionTask(max_tokens=9), {"max_tokens": 9, **STREAM}),
        ("external", SPOTTING, {"skip_special_tokens": False, "max_tokens": 4096, **STREAM}),
        ("external", RegionTask(repetition_penalty=1.2), {"repetition_penalty": 1.2, "max_tokens": 4096, **STREAM}),
    ],
)
async def test_each_kind_of_engine_gets_only_parameters_it_knows(
    kind: str, task: RegionTask, sent: dict[str, object]
) -> None:
    with StubEngine(kind=kind) as stub:
        async with start_parts(stub) as parts:
            await read(parts, task)
    common = {"model", "messages", "temperature", "logprobs"}
    assert {name: value for name, value in stub.requests[0].body.items() if name not in common} == sent


async def test_a_reading_cut_off_by_its_length_is_truncated(stub: StubEngine) -> None:
    stub.script.append(Reply("half a", finish_reason="length"))
    async with start_parts(stub) as parts:
        reading = await read(parts, RegionTask(max_tokens=77))
    assert (reading.status, reading.text, reading.finish_reason) == ("truncated", "half a", "length")
    assert reading.error == "The reading was cut off at 77 tokens."


@pytest.mark.parametrize("logprobs", [(), (float("nan"),)])
@pytest.mark.parametrize("stub", ["embedded"], indirect=True)
async def test_without_usable_logprobs_the_confidence_is_unknown(stub: StubEngine, logprobs: tuple[float, ...]) -> None:
    stub.script.append(Reply("text", logprobs=logprobs))
    async with start_parts(stub) as parts:
        reading = await read(parts)
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
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.status, reading.text) == ("ok", "OCR:")
    assert len(stub.requests) == len(failures) + 1


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
async def test_a_rejected_request_is_not_tried_again(stub: StubEngine, status: int) -> None:
    stub.answer = lambda _request: Reply(status=status)
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.status, reading.text, len(stub.requests)) == ("failed", "", 1)
    assert str(status) in (reading.error or "")


async def test_errors_tell_the_client_nothing_that_the_engine_said(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=400)
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert "secret" not in (reading.error or "")


async def test_a_500_is_tried_once_more_with_half_the_pixels(stub: StubEngine) -> None:
    stub.script.append(Reply(status=500))
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert reading.status == "ok"
    first, second = (width * height for width, height in (request.size for request in stub.requests))
    assert second == pytest.approx(first / 2, rel=0.03)


async def test_a_region_that_fails_again_and_again_is_given_up(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=500)
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.status, len(stub.requests)) == ("failed", 3)


async def test_two_failures_by_chance_cost_no_region(stub: StubEngine) -> None:
    stub.script.extend([Reply(status=500), Reply(status=500)])
    async with start_parts(stub) as parts:
        assert (await read(parts)).status == "ok"


async def test_costly_retries_stop_when_most_calls_fail(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(status=500)
    async with start_parts(stub) as parts:
        readings = await asyncio.gather(*(read(parts) for _ in range(40)))
    assert {reading.status for reading in readings} == {"failed"}
    assert len(stub.requests) <= 40 + 10


async def test_a_500_of_a_dying_engine_waits_for_the_next_one(stub: StubEngine) -> None:
    async with start_parts(stub) as parts:
        stub.health_status = 503
        stub.script.append(Reply(status=500))
        reading = asyncio.create_task(read(parts))
        await eventually(lambda: parts.engine.state == "restarting")
        stub.health_status = 200
        assert (await reading).status == "ok"
    assert stub.requests[-1].size == (200, 100)


async def test_an_engine_killed_under_a_call_is_waited_for(stub: StubEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.engine.monitor.POLL_WHILE_READY_S", 60)
    async with start_parts(stub) as parts:
        stub.script.append(Reply(hang=True))
        reading = asyncio.create_task(read(parts))
        await eventually(lambda: stub.running == 1)
        stub.kill()
        await eventually(lambda: parts.engine.state == "restarting")
        stub.start()
        assert (await reading).text == "OCR:"


async def test_an_engine_that_answers_others_is_not_gone_for_a_lost_connection(stub: StubEngine) -> None:
    async with start_parts(stub) as parts:
        assert (await read(parts)).status == "ok"
        stub.script.append(Reply(drop=True))
        reading = asyncio.create_task(read(parts))
        states = set()
        while not reading.done():
            states.add(parts.engine.state)
            await asyncio.sleep(0.001)
        assert (await reading).status == "ok"
    assert states == {"ready"}


async def test_an_engine_that_stays_away_fails_the_region_when_the_grace_is_over(stub: StubEngine) -> None:
    async with start_parts(stub, vlm_restart_grace_s=0.3) as parts:
        stub.kill()
        reading = await read(parts)
    assert reading.status == "failed"
    assert reading.error == "The recognition engine could not be reached."


async def test_a_crop_that_kills_the_engine_each_time_is_given_up(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(drop=True)
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert reading.status == "failed"
    assert reading.error == "The recognition engine closed the connection before it answered."
    assert len(stub.requests) == 4


async def test_a_call_that_hangs_is_ended_and_tried_once_more(stub: StubEngine) -> None:
    stub.script.append(Reply(hang=True))
    async with start_parts(stub, vlm_call_timeout_s=1) as parts:
        reading = await read(parts)
        await eventually(lambda: stub.running == 0)
    assert (reading.status, len(stub.requests)) == ("ok", 2)


async def test_a_cancelled_call_leaves_the_engine_free(stub: StubEngine) -> None:
    gate = threading.Event()
    stub.script.append(Reply(after=gate))
    async with start_parts(stub) as parts:
        reading = asyncio.create_task(read(parts))
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
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.status, len(stub.requests)) == ("failed", 1)
    assert reading.error == "The recognition engine gave an answer that could not be understood."


async def test_an_answer_in_another_media_type_fails_the_region(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(raw="<html>", content_type="text/html")
    async with start_parts(stub) as parts:
        assert (await read(parts)).status == "failed"


async def test_an_answer_without_text_is_an_empty_reading(stub: StubEngine) -> None:
    stub.answer = lambda _request: Reply(raw='{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}')
    async with start_parts(stub) as parts:
        reading = await read(parts)
    assert (reading.status, reading.text, reading.confidence, reading.prompt_tokens) == ("ok", "", None, 0)


LOOP = "The words of the page. " + "and again " * 2000


@pytest.fixture
def streaming() -> Iterator[StubEngine]:
    with StubEngine(kind="vllm") as engine:
        yield engine


async def test_a_reading_without_end_is_stopped_at_the_engine_and_asked_again_otherwise(streaming: StubEngine) -> None:
    streaming.script.extend([Reply(LOOP, events_delay_s=0.001), Reply("The words of the page.")])
    async with start_parts(streaming) as parts:
        reading = await read(parts)
        await eventually(lambda: streaming.aborted == 1)
        assert parts.reader.runaways == 1
        assert parts.reader.tokens_saved > 3000
    assert (reading.text, reading.status, reading.error) == ("The words of the page.", "ok", None)
    first, second = (request.body for request in streaming.requests)
    assert (first["temperature"], first.get("repetition_penalty")) == (0, None)
    assert (second["temperature"], second["repetition_penalty"]) == (0.2, 1.1)


async def test_the_tokens_of_both_answers_count(streaming: StubEngine) -> None:
    streaming.script.extend([Reply(LOOP, events_delay_s=0.001), Reply("The words of the page.")])
    async with start_parts(streaming) as parts:
        reading = await read(parts)
    assert reading.prompt_tokens == 20
    assert 5 + 40 < reading.completion_tokens < 5 + 4000


async def test_a_reading_that_loops_twice_keeps_one_copy_and_says_so(streaming: StubEngine) -> None:
    streaming.answer = lambda _request: Reply(LOOP, events_delay_s=0.001)
    async with start_parts(streaming) as parts:
        reading = await read(parts)
    assert (reading.text, reading.status) == ("The words of the page. and again", "truncated")
    assert (reading.error or "").startswith("The reading repeated itself without end and was stopped; ")
    assert len(streaming.requests) == 2


async def test_of_two_loops_the_one_that_read_more_is_kept(streaming: StubEngine) -> None:
    streaming.script.extend([Reply(LOOP, events_delay_s=0.001), Reply("More. " + LOOP, events_delay_s=0.001)])
    async with start_parts(streaming) as parts:
        assert (await read(parts)).text == "More. The words of the page. and again"


async def test_a_second_answer_that_lost_the_text_is_not_taken(streaming: StubEngine) -> None:
    streaming.script.extend([Reply(LOOP, events_delay_s=0.001), Reply("The")])
    async with start_parts(streaming) as parts:
        reading = await read(parts)
    assert (reading.text, reading.status) == ("The words of the page. and again", "truncated")


async def test_a_second_question_that_fails_leaves_the_first_answer(streaming: StubEngine) -> None:
    streaming.script.extend([Reply(LOOP, events_delay_s=0.001), Reply(status=400)])
    async with start_parts(streaming) as parts:
        reading = await read(parts)
    assert (reading.text, reading.status) == ("The words of the page. and again", "truncated")


async def test_readings_that_all_loop_are_not_all_asked_again(streaming: StubEngine) -> None:
    streaming.answer = lambda _request: Reply(LOOP)
    async with start_parts(streaming) as parts:
        readings = await asyncio.gather(*(read(parts) for _ in range(40)))
    assert {reading.status for reading in readings} == {"truncated"}
    assert len(streaming.requests) < 70


async def test_what_there_is_room_for_is_asked_for_again_however_often(streaming: StubEngine) -> None:
    """Page after page of a log that says one thing."""
    page = cut_crop(blank(1190, 1684), Region("text", (0, 0, 1190, 1684), 1), RegionTask(), fit=True)
    lines = "\n".join(["INFO worker heartbeat ok, queue empty"] * 80)
    streaming.answer = lambda _request: Reply(lines)
    async with start_parts(streaming) as parts:
        readings = [await read(parts, crop=page) for _ in range(30)]
    assert {(reading.text, reading.status) for reading in readings} == {(lines, "ok")}


async def test_what_a_document_repeats_is_kept_whole(streaming: StubEngine) -> None:
    page = cut_crop(blank(1190, 1684), Region("text", (0, 0, 1190, 1684), 1), RegionTask(), fit=True)
    yes = " ".join(["yes"] * 900)
    # Slowly enough that the first answer is stopped before its end is there: one that has ended is no loop.
    streaming.answer = lambda _request: Reply(yes, events_delay_s=0.001)
    async with start_parts(streaming) as parts:
        reading = await read(parts, crop=page)
        assert parts.reader.runaways == 1, "so much of the same is asked for twice"
    assert (reading.text, reading.status) == (yes, "ok")
    assert [request.body.get("repetition_penalty") for request in streaming.requests] == [None, None]


async def test_an_engine_that_does_not_stream_is_read_whole(streaming: StubEngine) -> None:
    streaming.answer = lambda _request: Reply(LOOP)
    async with start_parts(streaming, vlm_stream=False) as parts:
        assert (await read(parts)).text == LOOP.strip()
    assert "stream" not in streaming.requests[0].body


async def test_a_stream_asked_for_and_answered_whole_is_read(streaming: StubEngine) -> None:
    whole = '{"choices": [{"message": {"content": "whole"}, "finish_reason": "stop"}]}'
    streaming.answer = lambda _request: Reply(raw=whole)
    async with start_parts(streaming) as parts:
        assert (await read(parts)).text == "whole"


@pytest.mark.parametrize("broken_off", [Reply("a b c d", events=2), Reply("a b c d", events=2, then="error")])
async def test_a_stream_that_breaks_off_is_asked_for_again(streaming: StubEngine, broken_off: Reply) -> None:
    streaming.script.append(broken_off)
    async with start_parts(streaming) as parts:
        reading = await read(parts)
    assert (reading.text, reading.status, len(streaming.requests)) == ("OCR:", "ok", 2)


async def test_a_stream_that_ends_without_its_last_event_is_asked_for_again(streaming: StubEngine) -> None:
    half = 'data: {"choices": [{"delta": {"content": "half"}, "finish_reason": null}]}\n\ndata: [DONE]\n\n'
    streaming.script.append(Reply(raw=half, content_type="text/event-stream"))
    async with start_parts(streaming) as parts:
        assert (await read(parts)).text == "OCR:"


async def test_a_stream_that_stands_still_is_ended(streaming: StubEngine) -> None:
    streaming.script.append(Reply("a b c d", events=2, then="hang"))
    async with start_parts(streaming, vlm_call_timeout_s=1) as parts:
        reading = await read(parts)
        await eventually(lambda: streaming.running == 0)
    assert (reading.text, len(streaming.requests)) == ("OCR:", 2)


async def test_log_probabilities_are_not_asked_for_where_confidence_is_not_wanted(streaming: StubEngine) -> None:
    async with start_parts(streaming, vlm_confidence=False) as parts:
        assert (await read(parts)).confidence is None
    assert streaming.requests[0].body["logprobs"] is False


async def test_an_unsure_reading_is_read_again_from_a_larger_picture(streaming: StubEngine) -> None:
    streaming.script.extend([Reply("dark", logprobs=(-2.0,)), Reply("clear", logprobs=(-0.01,))])
    fitted = cut_crop(blank(400, 300), Region("text", (0, 0, 400, 300), 1), PLAIN, fit=True)
    async with start_parts(streaming) as parts:
        reading = await read(parts, RegionTask(min_confidence=0.5), fitted)
    assert reading.text == "clear"
    assert reading.confidence == pytest.approx(math.exp(-0.01))
    assert (reading.prompt_tokens, reading.completion_tokens) == (20, 2)
    first, second = (width * height for width, height in (request.size for request in streaming.requests))
    assert second == pytest.approx(2 * first, rel=0.2)


@pytest.mark.parametrize(
    "second",
    [Reply("darker", logprobs=(-3.0,)), Reply(status=400), Reply("cut", logprobs=(-0.1,), finish_reason="length")],
)
async def test_of_two_readings_the_surer_one_is_kept(streaming: StubEngine, second: Reply) -> None:
    streaming.script.extend([Reply("dark", logprobs=(-2.0,)), second])
    async with start_parts(streaming) as parts:
        reading = await read(parts, RegionTask(min_confidence=0.5))
    assert (reading.text, reading.status, len(streaming.requests)) == ("dark", "ok", 2)


async def test_what_cannot_be_larger_is_not_read_again(streaming: StubEngine) -> None:
    streaming.answer = lambda _request: Reply("dark", logprobs=(-2.0,))
    task = RegionTask(min_confidence=0.5)
    full = cut_crop(blank(1600, 1600), Region("text", (0, 0, 1600, 1600), 1), task, fit=True)
    async with start_parts(streaming, vlm_max_pixels=task.max_pixels) as parts:
        await read(parts, task, full)
    assert len(streaming.requests) == 1
