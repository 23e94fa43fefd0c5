"""One region to the engine and its reading back. A region that fails says so; it never raises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from gateway.engine.client import ChatCompletionRequest, EngineClient, OnEvent
from gateway.engine.completion import CompletionAccumulator
from gateway.engine.errors import EngineFailure
from gateway.engine.monitor import EngineMonitor, diagnosed
from gateway.engine.retries import RetryBudget, attempts
from gateway.imaging.crops import Crop, enlarged, shrink
from gateway.model import EngineKind, Reading
from gateway.recognition.hedging import Hedging
from gateway.recognition.repetition import DOUBTFUL, DOUBTFUL_AGAIN, Loop, LoopWatch, strip_partial_tag
from gateway.settings import Settings
from gateway.tasks import RegionTask, fit_context, token_limit

log = structlog.get_logger(__name__)

HOTTER = 0.2
"""Added to the temperature, so that the second answer is another one."""
PENALTY = 1.1
"""Repetition penalty of the second answer, only where the region has no room for the repetition: it breaks loops, but
would also thin out what a document repeats."""
LEAST_KEPT = 0.5
"""A second answer shorter than this share of what stood before the first one's loop has lost too much."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer that may have had `limit` tokens, whole, or stopped in a `loop`."""

    answer: CompletionAccumulator
    limit: int | None
    loop: Loop | None = None


def other_sampling(task: RegionTask, loop: Loop) -> RegionTask:
    """How to ask again after a loop."""
    penalty = max(task.repetition_penalty or 1.0, PENALTY) if loop.is_certain else task.repetition_penalty
    return replace(task, temperature=task.temperature + HOTTER, repetition_penalty=penalty)


def better(first: Heard, second: Heard) -> Heard:
    """Of an answer that was stopped in a loop and one to the same question with other sampling: a repetition that ends
    by itself is the document's; of two loops, the one with more before it."""
    before = first.loop.start if first.loop else 0
    if second.loop:
        return second if second.loop.start > before else first
    return second if len(second.answer.text) >= LEAST_KEPT * before else first


def reading_of(heard: Heard) -> Reading:
    """The reading in an answer: of a loop one copy."""
    answer, loop = heard.answer, heard.loop
    if loop:
        return _stopped(answer, loop)
    if answer.refusal:
        return _refused(answer)
    is_cut = answer.finish_reason == "length"
    return Reading(
        text=answer.text.strip(),
        status="truncated" if is_cut else "ok",
        confidence=answer.confidence(),
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        error=f"The reading was cut off at {heard.limit or answer.completion_tokens} tokens." if is_cut else None,
    )


def _refused(answer: CompletionAccumulator) -> Reading:
    """What the engine did read, or nothing, and its reason for the rest."""
    text = answer.text.strip()
    return Reading(
        text=text,
        status="truncated" if text else "failed",
        confidence=answer.confidence() if text else None,
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        error=answer.refusal,
        is_refused=True,
    )


def _stopped(answer: CompletionAccumulator, loop: Loop) -> Reading:
    text = strip_partial_tag(answer.text[: loop.end_of_copy]).strip()
    left_out = len(answer.text) - len(text)
    return Reading(
        text=text,
        status="truncated",
        confidence=answer.confidence(loop.end_of_copy),
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        error=f"The reading repeated itself without end and was stopped; {left_out} repeated characters were left out.",
    )


def with_tokens_of(reading: Reading, other: CompletionAccumulator | Reading) -> Reading:
    """The same reading; its tokens count what the other took, too."""
    return replace(
        reading,
        prompt_tokens=reading.prompt_tokens + other.prompt_tokens,
        completion_tokens=reading.completion_tokens + other.completion_tokens,
    )


def is_unsure(reading: Reading, task: RegionTask) -> bool:
    """Whether it is whole, and less sure than was asked for."""
    if task.min_confidence is None or reading.status != "ok" or reading.confidence is None:
        return False
    return reading.confidence < task.min_confidence


def surer(first: Reading, second: Reading) -> Reading:
    """The one with the higher confidence; one that is not whole, or whose confidence is unknown, is never it."""
    if second.status != "ok" or second.confidence is None or second.confidence <= (first.confidence or 0):
        return first
    return second


class RegionReader:
    """Asks the engine about one crop at a time; retries what is worth it and waits for an engine that restarts.

    `runaways` counts answers that were stopped in a loop, `tokens_saved` what they had left to their limits; `hedging`
    what was asked twice for the engine's silence.
    """

    def __init__(self, settings: Settings, client: EngineClient, engine: EngineMonitor) -> None:
        self.runaways = 0
        self.tokens_saved = 0
        self._settings = settings
        self._client = client
        self._engine = engine
        self._budget = RetryBudget()
        self.hedging = Hedging(self._budget)

    async def read(self, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        """The engine's reading of the crop; `deadline` is a time of the running loop. Only cancellation raises."""
        try:
            first = await self._hear(crop, task, deadline)
            if first.loop:
                return await self._after_loop(first, first.loop, crop, task, deadline)
            reading = reading_of(first)
            return await self._surer(reading, crop, task, deadline) if is_unsure(reading, task) else reading
        except EngineFailure as failure:
            return Reading(status="failed", error=failure.sentence)
        except Exception:
            log.exception("region_failed")
            return Reading(status="failed", error="The region could not be read because of an internal fault.")

    async def _after_loop(self, first: Heard, loop: Loop, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        """Asks once more with other sampling, and chooses.

        What the region has room for may well be the document's own, and is asked for again whatever the budget says.
        """
        if loop.is_certain and not self._budget.spend():
            return reading_of(first)
        try:
            second = await self._hear(crop, other_sampling(task, loop), deadline, doubtful=DOUBTFUL_AGAIN)
        except EngineFailure:
            return reading_of(first)
        chosen = better(first, second)
        other = first if chosen is second else second
        return with_tokens_of(reading_of(chosen), other.answer)

    async def _surer(self, reading: Reading, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        """Asks once more with a larger picture, where the engine takes one."""
        larger = None
        if self._engine.is_scaling:
            most_pixels = fit_context(
                RegionTask(max_pixels=self._settings.vlm_max_pixels), self._engine.context
            ).max_pixels
            larger = await asyncio.to_thread(enlarged, crop, most_pixels)
        if larger is None:
            return reading
        try:
            second = reading_of(await self._hear(larger, task, deadline))
        except EngineFailure:
            return reading
        chosen = surer(reading, second)
        return with_tokens_of(chosen, reading if chosen is second else second)

    async def _hear(self, crop: Crop, task: RegionTask, deadline: float, *, doubtful: int = DOUBTFUL) -> Heard:
        with attempts(self._budget) as tries:
            async for attempt in tries:
                with attempt:
                    try:
                        return await self._ask(crop, task, deadline, doubtful)
                    except EngineFailure as failure:
                        told = await diagnosed(self._engine, failure)
                        if told.kind == "broken":
                            crop = await asyncio.to_thread(shrink, crop)
                        raise told from failure
        raise AssertionError("tenacity leaves its loop by return or raise only")

    async def _ask(self, crop: Crop, task: RegionTask, deadline: float, doubtful: int) -> Heard:
        if not await self._engine.wait_ready(min(self._engine.grace_s, _left_s(deadline))):
            raise EngineFailure("away", self._engine.reason or "The recognition engine was not there in time.")
        if _left_s(deadline) <= 0:
            raise EngineFailure("away", "The time for the request was over before the region was read.")
        heard = await self._answered(crop, task, deadline, doubtful)
        self._engine.succeeded()
        self._budget.earn()
        if heard.loop:
            self._stopped(heard.loop, heard.answer.completion_tokens, heard.limit or 0)
        return heard

    async def _answered(self, crop: Crop, task: RegionTask, deadline: float, doubtful: int) -> Heard:
        kind = self._engine.kind
        limit = token_limit(task, kind, self._engine.context, crop.width * crop.height)
        extras = sampling_extras(task, kind) | ({"priority": task.priority} if self._engine.takes_priority else {})

        async def ask(on_event: OnEvent) -> Heard:
            watch = LoopWatch(crop.room, doubtful)
            request = ChatCompletionRequest(
                self._engine.model or self._settings.vlm_model,
                kind,
                crop.data_url,
                task.prompt,
                limit,
                temperature=task.temperature,
                logprobs=self._settings.vlm_confidence,
                stream=self._settings.vlm_stream and kind != "embedded",
                extras=extras,
            )
            timeout_s = min(_left_s(deadline), self._settings.vlm_call_timeout_s)
            answer = await self._client.complete(request, timeout_s, watch.sees_loop, on_event)
            return Heard(answer, limit, watch.loop)

        # The embedded engine is on this machine, and a crop asked for twice would take its few cores twice.
        return await (ask(_nobody) if kind == "embedded" else self.hedging.answer(ask))

    def _stopped(self, loop: Loop, tokens: int, limit: int) -> None:
        self.runaways += 1
        self.tokens_saved += max(limit - tokens, 0)
        log.info("runaway_stopped", tokens=tokens, period=loop.period, certain=loop.is_certain)


def _left_s(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def _nobody() -> None:
    pass


def sampling_extras(task: RegionTask, kind: EngineKind | None) -> dict[str, object]:
    """What is not in OpenAI's API: all of it for vLLM, only what was asked for elsewhere, nothing for PP-OCR."""
    if kind == "embedded":
        return {}
    extras: dict[str, object] = {}
    if kind == "vllm" or task.is_spotting:
        extras["skip_special_tokens"] = not task.is_spotting
    if task.top_p is not None:
        extras["top_p"] = task.top_p
    if task.repetition_penalty is not None:
        extras["repetition_penalty"] = task.repetition_penalty
    return extras
