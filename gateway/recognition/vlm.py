"""One region to the engine and its reading back. A region that fails says so; it never raises."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from gateway.model import Reading
from gateway.recognition.connection import EngineConnection
from gateway.recognition.crops import Crop, shrink
from gateway.recognition.diagnosis import diagnosed
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.failures import EngineFailure, EngineKind, garbled
from gateway.recognition.retries import RetryBudget, attempts
from gateway.recognition.tasks import RegionTask, token_limit
from gateway.settings import Settings

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion
    from openai.types.chat.chat_completion_token_logprob import ChatCompletionTokenLogprob

log = structlog.get_logger(__name__)


class RegionReader:
    """Asks the engine about one crop at a time; retries what is worth it and waits for an engine that restarts."""

    def __init__(self, settings: Settings, connection: EngineConnection, engine: EngineMonitor) -> None:
        self._settings = settings
        self._connection = connection
        self._engine = engine
        self._budget = RetryBudget()

    async def read(self, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        """The engine's reading of the crop; `deadline` is a time of the running loop. Only cancellation raises."""
        try:
            return await self._read(crop, task, deadline)
        except EngineFailure as failure:
            return Reading(status="failed", error=failure.sentence)
        except Exception:
            log.exception("region_failed")
            return Reading(status="failed", error="The region could not be read because of an internal fault.")

    async def _read(self, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        async for attempt in attempts(self._budget):
            with attempt:
                try:
                    return await self._ask(crop, task, deadline)
                except EngineFailure as failure:
                    told = await diagnosed(self._engine, failure)
                    if told.kind == "broken":
                        crop = await asyncio.to_thread(shrink, crop)
                    raise told from failure
        raise AssertionError("tenacity leaves its loop by return or raise only")

    async def _ask(self, crop: Crop, task: RegionTask, deadline: float) -> Reading:
        left_s = deadline - asyncio.get_running_loop().time()
        if not await self._engine.wait_ready(min(self._engine.grace_s, left_s)):
            raise EngineFailure("away", self._engine.reason or "The recognition engine was not there in time.")
        left_s = deadline - asyncio.get_running_loop().time()
        if left_s <= 0:
            raise EngineFailure("away", "The time for the request was over before the region was read.")
        answer = await self._connection.chat(
            self._engine.model or self._settings.vlm_model,
            self._engine.kind,
            crop.data_url,
            task.prompt,
            max_tokens=token_limit(task, self._engine.kind),
            timeout_s=min(left_s, self._settings.vlm_call_timeout_s),
            temperature=task.temperature,
            extra_body=sampling_extras(task, self._engine.kind),
        )
        self._engine.succeeded()
        self._budget.earn()
        return reading_of(answer, task)


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


def reading_of(answer: ChatCompletion, task: RegionTask) -> Reading:
    """The reading in an engine's answer; raises EngineFailure where there is none. External servers leave out much."""
    choice = answer.choices[0]
    if not choice.message:
        raise garbled()
    truncated = choice.finish_reason == "length"
    return Reading(
        text=(choice.message.content or "").strip(),
        status="truncated" if truncated else "ok",
        confidence=confidence_of(choice.logprobs.content or ()) if choice.logprobs else None,
        finish_reason=choice.finish_reason,
        prompt_tokens=answer.usage.prompt_tokens if answer.usage else 0,
        completion_tokens=answer.usage.completion_tokens if answer.usage else 0,
        error=f"The reading was cut off at {task.max_tokens} tokens." if truncated else None,
    )


def confidence_of(tokens: Sequence[ChatCompletionTokenLogprob]) -> float | None:
    """exp(mean log probability), 0 to 1; None without tokens."""
    if not tokens:
        return None
    mean = sum(token.logprob for token in tokens) / len(tokens)
    return None if math.isnan(mean) else math.exp(min(mean, 0.0))
