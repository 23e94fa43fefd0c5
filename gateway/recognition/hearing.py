"""What was heard from the engine about one region, once or twice, and which of it becomes the reading."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.engine.completion import CompletionAccumulator
from gateway.model import Reading
from gateway.recognition.runaway import Loop
from gateway.repetition import strip_partial_tag
from gateway.tasks import RegionTask

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
