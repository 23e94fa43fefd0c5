"""The engine's answer on its way to the client: whole, or event by event."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import structlog

from gateway.api.openai.errors import DONE, openai_error_event
from gateway.api.openai.schema import ChatRequest
from gateway.api.problems import internal_error
from gateway.engine.errors import EngineError, RequestRejected, busy_error
from gateway.errors import ServiceError
from gateway.parts import Parts
from gateway.scheduling.fair_semaphore import Flow

_RETRY_AFTER_S = 5

log = structlog.get_logger(__name__)


async def whole_answer(parts: Parts, flow: Flow, body: bytes, model: str, deadline: float) -> bytes:
    """Waits for its turn, then for an engine that serves the model. Raises ServiceError."""
    try:
        async with asyncio.timeout_at(deadline), parts.queue.run_slot(flow):
            return await parts.chat.complete(body, model)
    except TimeoutError:
        raise _late() from None
    except EngineError as failure:
        raise _refused(failure, parts) from failure


async def engine_events(parts: Parts, flow: Flow, body: bytes, model: str) -> AsyncGenerator[bytes, None]:
    """The engine's events, in one turn. Closing stops the engine's work. Raises ServiceError."""
    async with parts.queue.run_slot(flow), aclosing(parts.chat.stream(body, model)) as events:
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            except EngineError as failure:
                raise _refused(failure, parts) from failure
            yield event


async def next_event(events: AsyncGenerator[bytes, None], deadline: float) -> bytes | None:
    """None at the end. Raises ServiceError."""
    try:
        async with asyncio.timeout_at(deadline):
            return await anext(events, None)
    except TimeoutError:
        raise _late() from None


async def event_stream(
    first: bytes | None, events: AsyncGenerator[bytes, None], deadline: float
) -> AsyncGenerator[bytes, None]:
    """All of the stream. A failure after the first event becomes an event, since the status is long sent."""
    try:
        event = first
        while event is not None:
            yield event
            event = await next_event(events, deadline)
        yield DONE
    except ServiceError as error:
        log.warning("stream failed", code=error.code, detail=error.detail)
        yield openai_error_event(error)
    except Exception:
        log.exception("unexpected error")
        yield openai_error_event(internal_error())


def _refused(failure: EngineError, parts: Parts) -> ServiceError:
    if isinstance(failure, RequestRejected):
        return _rejected(failure, parts)
    if failure.kind == "timeout":
        return _late()
    if failure.kind == "busy":
        return busy_error(failure)
    if failure.kind in ("unreachable", "unavailable"):
        return ServiceError(503, "vlm_unavailable", failure.message, retry_after_s=_RETRY_AFTER_S)
    return ServiceError(502, "recognition_failed", failure.message)


def _rejected(failure: RequestRejected, parts: Parts) -> ServiceError:
    if failure.reason == "context":
        size = next((model.max_model_len for model in parts.engine.models if model.max_model_len), None)
        limit = f" of {size} tokens" if size else ""
        return ServiceError(
            400,
            "context_length_exceeded",
            f"Texts and picture are longer than the model's context{limit}. Shorten them, or send a smaller picture.",
            param="messages",
        )
    if failure.reason == "model":
        return ServiceError(404, "model_not_found", "The engine does not serve this model any more.", param="model")
    field = failure.field if failure.field in ChatRequest.model_fields else None
    return ServiceError(400, "request_rejected", "The recognition engine does not take this request.", param=field)


def _late() -> ServiceError:
    return ServiceError(504, "deadline_exceeded", "The answer was not finished before the deadline.")
