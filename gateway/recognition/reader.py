"""One region to the engine and its reading back. A region that fails says so; it never raises."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial

import structlog

from gateway.engine.client import ChatCompletionRequest, OnEvent
from gateway.engine.completion import CompletionAccumulator
from gateway.engine.endpoint import Endpoint
from gateway.engine.errors import EngineError, busy_error
from gateway.engine.pool import EnginePool, Place
from gateway.engine.retries import Retrier
from gateway.imaging.crops import Crop, Placement, enlarge, shrink
from gateway.model import EngineKind, Reading, TableCell, TextLine, Word
from gateway.recognition.hedging import Hedging
from gateway.recognition.repetition import (
    SUSPECTED_LENGTH,
    SUSPECTED_LENGTH_AGAIN,
    Repetition,
    RepetitionDetector,
    strip_partial_tag,
)
from gateway.settings import Settings
from gateway.tasks import RegionTask, fit_context, token_limit

log = structlog.get_logger(__name__)

TEMPERATURE_STEP = 0.2
"""Added to the temperature, so that the second answer is another one."""
PENALTY = 1.1
"""Repetition penalty of the second answer, only where the region has no room for the repetition: it breaks loops, but
would also thin out what a document repeats."""
MIN_KEPT = 0.5
"""A second answer shorter than this share of what stood before the first one's loop has lost too much."""

CUT_REASONS = frozenset({None, "", "length", "abort", "content_filter", "error"})
"""Why an answer may end without being whole; None: its engine does not say."""


@dataclass(frozen=True, slots=True)
class CompletionResult:
    """An answer that may have had `limit` tokens, whole, or stopped in a `repetition`. `placement`: of the picture that
    was read."""

    answer: CompletionAccumulator
    limit: int | None
    repetition: Repetition | None = None
    placement: Placement | None = None


def resample(task: RegionTask, repetition: Repetition) -> RegionTask:
    """How to ask again after a loop."""
    penalty = max(task.repetition_penalty or 1.0, PENALTY) if repetition.is_certain else task.repetition_penalty
    return replace(task, temperature=task.temperature + TEMPERATURE_STEP, repetition_penalty=penalty)


def pick_after_loop(first: CompletionResult, second: CompletionResult) -> CompletionResult:
    """Of an answer that was stopped in a loop and one to the same question with other sampling: a repetition that ends
    by itself is the document's; of two loops, the one with more before it."""
    before = first.repetition.start if first.repetition else 0
    if second.repetition:
        return second if second.repetition.start > before else first
    return second if len(second.answer.text) >= MIN_KEPT * before else first


def make_reading(result: CompletionResult) -> Reading:
    """The reading in an answer: of a loop one copy."""
    answer, repetition = result.answer, result.repetition
    if repetition:
        return _cut_repetition(answer, repetition)
    if answer.refusal:
        return _make_refused(result)
    is_cut = answer.finish_reason in CUT_REASONS
    return Reading(
        text=_trim(answer.text),
        status="truncated" if is_cut else "ok",
        confidence=answer.confidence(),
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        error=_explain_cut(result) if is_cut else None,
        least_confidences=_least_confidences(answer),
        noise=answer.noise,
        lines=_place_lines(result),
        look_alikes=tuple(line.cyrillic for line in answer.lines or ()),
        cells=_place_cells(result),
    )


def _least_confidences(answer: CompletionAccumulator) -> tuple[float, ...] | None:
    lines = answer.lines or []
    told = tuple(line.least_confidence for line in lines if line.least_confidence is not None)
    return told if told and len(told) == len(lines) else None


def _place_lines(result: CompletionResult) -> tuple[TextLine, ...] | None:
    """The answer's lines on the page; None where it tells none, or where the picture stands is unknown."""
    lines, placement = result.answer.lines, result.placement
    if lines is None or placement is None:
        return None
    return tuple(
        TextLine(
            text=line.text,
            bbox=placement.restore(line.bbox),
            words=[
                Word(text=word.text, bbox=placement.restore(word.bbox), confidence=word.confidence)
                for word in line.words
            ],
            confidence=line.confidence,
            source="engine",
        )
        for line in lines
    )


def _place_cells(result: CompletionResult) -> tuple[TableCell, ...] | None:
    """The answer's cells on the page, without their texts; None as for lines."""
    cells, placement = result.answer.cells, result.placement
    if cells is None or placement is None:
        return None
    return tuple(
        TableCell(
            row=cell.row,
            column=cell.column,
            rows=cell.rows,
            columns=cell.columns,
            bbox=placement.restore(cell.bbox),
            source="engine",
        )
        for cell in cells
    )


def _explain_cut(result: CompletionResult) -> str:
    if result.answer.finish_reason == "length":
        return f"The reading was cut off at {result.limit or result.answer.completion_tokens} tokens."
    return "The recognition engine did not say that the reading is whole."


def _trim(text: str) -> str:
    """Without white space around, but for the first line's indentation where others are indented too."""
    return text.strip("\n").rstrip() if "\n " in text.strip() else text.strip()


def _make_refused(result: CompletionResult) -> Reading:
    """What the engine did read, or nothing, and its reason for the rest."""
    answer = result.answer
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
        lines=_place_lines(result),
        cells=_place_cells(result),
    )


def _cut_repetition(answer: CompletionAccumulator, repetition: Repetition) -> Reading:
    text = strip_partial_tag(answer.text[: repetition.end_of_copy]).strip()
    left_out = len(answer.text) - len(text)
    return Reading(
        text=text,
        status="truncated",
        confidence=answer.confidence(repetition.end_of_copy),
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        error=f"The reading repeated itself without end and was stopped; {left_out} repeated characters were left out.",
    )


def add_tokens(reading: Reading, other: CompletionAccumulator | Reading) -> Reading:
    """The same reading; its tokens count what the other took, too."""
    return replace(
        reading,
        prompt_tokens=reading.prompt_tokens + other.prompt_tokens,
        completion_tokens=reading.completion_tokens + other.completion_tokens,
    )


def is_low_confidence(reading: Reading, task: RegionTask) -> bool:
    """Whether it is whole, and less sure than was asked for."""
    if task.min_confidence is None or reading.status != "ok" or reading.confidence is None:
        return False
    return reading.confidence < task.min_confidence


def pick_more_confident(first: Reading, second: Reading) -> Reading:
    """The one with the higher confidence; one that is not whole, or whose confidence is unknown, is never it."""
    if second.status != "ok" or second.confidence is None or second.confidence <= (first.confidence or 0):
        return first
    return second


class RegionReader:
    """Asks the engine about one crop at a time; retries what is worth it and waits for an engine that restarts.

    `runaways` counts answers that were stopped in a loop, `tokens_saved` what they had left to their limits; `hedging`
    what was asked twice for the engine's silence.
    """

    def __init__(self, settings: Settings, engines: EnginePool) -> None:
        self.runaways = 0
        self.tokens_saved = 0
        self._settings = settings
        self._engines = engines
        self._retrier = Retrier(engines)
        self.hedging = Hedging(self._retrier.budget)

    async def read(self, crop: Crop, task: RegionTask) -> Reading:
        """The engine's reading of the crop. Only cancellation raises, which ends it at a deadline."""
        return replace(await self._read(crop, task), engine=self._engines.kind)

    async def _read(self, crop: Crop, task: RegionTask) -> Reading:
        try:
            first = await self._complete(crop, task)
            if first.repetition:
                return await self._reread_after_loop(first, first.repetition, crop, task)
            reading = make_reading(first)
            return await self._reread_enlarged(reading, crop, task) if is_low_confidence(reading, task) else reading
        except EngineError as failure:
            busy = busy_error(failure) if failure.kind == "busy" else None
            return Reading(status="failed", error=failure.message, busy=busy)
        except Exception:
            log.exception("region_failed")
            return Reading(status="failed", error="The region could not be read because of an internal fault.")

    async def _reread_after_loop(
        self, first: CompletionResult, repetition: Repetition, crop: Crop, task: RegionTask
    ) -> Reading:
        """Asks once more with other sampling, and chooses.

        What the region has room for may well be the document's own, and is asked for again whatever the budget says.
        """
        if repetition.is_certain and not self._retrier.budget.spend():
            return make_reading(first)
        try:
            second = await self._complete(crop, resample(task, repetition), suspected_length=SUSPECTED_LENGTH_AGAIN)
        except EngineError:
            return make_reading(first)
        chosen = pick_after_loop(first, second)
        other = first if chosen is second else second
        return add_tokens(make_reading(chosen), other.answer)

    async def _reread_enlarged(self, reading: Reading, crop: Crop, task: RegionTask) -> Reading:
        """Asks once more with a larger picture, where the engine takes one."""
        larger = None
        if self._engines.is_scaling:
            max_pixels = fit_context(
                RegionTask(max_pixels=self._settings.vlm_max_pixels), self._engines.context
            ).max_pixels
            larger = await asyncio.to_thread(enlarge, crop, max_pixels)
        if larger is None:
            return reading
        try:
            second = make_reading(await self._complete(larger, task))
        except EngineError:
            return reading
        chosen = pick_more_confident(reading, second)
        return add_tokens(chosen, reading if chosen is second else second)

    async def _complete(
        self, crop: Crop, task: RegionTask, *, suspected_length: int = SUSPECTED_LENGTH
    ) -> CompletionResult:
        async def send(place: Place) -> CompletionResult:
            result = await self._send(place, crop, task, suspected_length)
            place.endpoint.monitor.record_model(result.answer.model)
            return result

        async def shrink_crop(error: EngineError) -> None:
            nonlocal crop
            if error.kind == "server_error":
                crop = await asyncio.to_thread(shrink, crop)

        result = await self._retrier.run(send, shrink_crop)
        if result.repetition:
            self._count_runaway(result.repetition, result.answer.completion_tokens, result.limit or 0)
        return result

    async def _send(self, place: Place, crop: Crop, task: RegionTask, suspected_length: int) -> CompletionResult:
        endpoint, engine = place.endpoint, place.endpoint.monitor
        kind = engine.kind
        limit = token_limit(task, kind, engine.context, crop.width * crop.height)
        extras = sampling_extras(task, kind) | ({"priority": task.engine_priority} if engine.takes_priority else {})
        if crop.lines is not None and kind == "embedded":
            extras["text_lines"] = crop.lines

        async def send_to(endpoint: Endpoint, on_event: OnEvent) -> CompletionResult:
            detector = RepetitionDetector(crop.capacity, suspected_length)
            request = ChatCompletionRequest(
                self._engines.model or self._settings.vlm_model,
                kind,
                crop.data_url,
                task.prompt,
                limit,
                temperature=task.temperature,
                logprobs=self._settings.vlm_confidence,
                stream=self._settings.vlm_stream and kind != "embedded",
                extras=extras,
            )
            timeout_s = self._settings.vlm_call_timeout_s
            answer = await endpoint.client.complete(request, timeout_s, detector.detect, on_event)
            return CompletionResult(answer, limit, detector.repetition, crop.placement)

        async def send_elsewhere(on_event: OnEvent) -> CompletionResult:
            with self._engines.hold_other(endpoint) as other:
                result = await send_to(other, on_event)
            if other is not endpoint:
                place.is_answered_elsewhere = True
                other.record_success()
                endpoint.record_failure()
            return result

        send = partial(send_to, endpoint)
        # One embedded engine is on this machine, and a crop asked for twice would take its few cores twice.
        if kind == "embedded" and self._engines.is_single:
            return await send(_ignore_event)
        return await self.hedging.run(send, lambda: send_elsewhere if self._engines.has_other(endpoint) else None)

    def _count_runaway(self, repetition: Repetition, tokens: int, limit: int) -> None:
        self.runaways += 1
        self.tokens_saved += max(limit - tokens, 0)
        log.info("runaway_stopped", tokens=tokens, period=repetition.period, certain=repetition.is_certain)


def _ignore_event() -> None:
    pass


def sampling_extras(task: RegionTask, kind: EngineKind | None) -> dict[str, object]:
    """What is not in OpenAI's API: all of it for vLLM, only what was asked for elsewhere, no sampling for PP-OCR."""
    if kind == "embedded":
        return {"return_lines": True, "return_words": task.with_words}
    extras: dict[str, object] = {}
    if kind == "vllm" or task.is_spotting:
        extras["skip_special_tokens"] = not task.is_spotting
    if task.top_p is not None:
        extras["top_p"] = task.top_p
    if task.repetition_penalty is not None:
        extras["repetition_penalty"] = task.repetition_penalty
    return extras
