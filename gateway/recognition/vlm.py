"""One region to the engine and its reading back. A region that fails says so; it never raises."""

from __future__ import annotations

import asyncio

import structlog

from gateway.engine.client import ChatCompletionRequest, EngineClient, OnEvent
from gateway.engine.errors import EngineFailure
from gateway.model import EngineKind, Reading
from gateway.recognition.crops import Crop, enlarged, shrink
from gateway.recognition.diagnosis import diagnosed
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.hearing import Heard, better, is_unsure, other_sampling, reading_of, surer, with_tokens_of
from gateway.recognition.hedging import Hedging
from gateway.recognition.retries import RetryBudget, attempts
from gateway.recognition.runaway import DOUBTFUL, DOUBTFUL_AGAIN, Loop, LoopWatch
from gateway.settings import Settings
from gateway.tasks import RegionTask, fit_context, token_limit

log = structlog.get_logger(__name__)


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
