"""A chat request to the engine, and its answer passed on as it comes."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import msgspec

from gateway.engine.errors import invalid_response, unfinished_response
from gateway.engine.pool import EnginePool, Place
from gateway.engine.retries import Retrier
from gateway.engine.sse import split_events
from gateway.engine.transport import UpstreamResponse

_FINISH = re.compile(rb'"finish_reason"\s*:\s*"')
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]{1,200})"')
"""What an event says beside its text, in which quotes are escaped."""


class _Choice(msgspec.Struct):
    finish_reason: Any = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    model: Any = None


class ChatProxy:
    """Asks again, and waits for an engine that restarts, as long as nothing of an answer has come.

    `body` is the request as JSON; EngineError when there is no answer. Whoever calls sees to the deadline: cancelling a
    call, or closing its events, stops the engine's work.
    """

    def __init__(self, engines: EnginePool) -> None:
        self._engines = engines
        self._retrier = Retrier(engines)

    async def complete(self, body: bytes, model: str | None = None) -> bytes:
        """The engine's whole answer, a chat completion as JSON. `model`: the one that the body names."""

        async def send(place: Place) -> bytes:
            async with AsyncExitStack() as stack:
                answer = await (await _open(place, body, stack)).read()
            place.endpoint.monitor.record_model(_check_completion(answer))
            return answer

        return await self._retrier.run(send, model=model)

    async def stream(self, body: bytes, model: str | None = None) -> AsyncGenerator[bytes, None]:
        """The engine's events, whole ones, without the last `[DONE]`. EngineError where they end without a finish
        reason, as half an answer does."""
        async with AsyncExitStack() as held:

            async def send(place: Place) -> tuple[bytes, AsyncGenerator[bytes, None]]:
                async with AsyncExitStack() as stack:
                    answer = await _open(place, body, stack)
                    chunks = await stack.enter_async_context(aclosing(answer.chunks()))
                    events = await stack.enter_async_context(aclosing(split_events(chunks)))
                    first = await anext(events, b"")
                    if not first:
                        raise invalid_response()
                    held.callback(self._engines.release, place)
                    held.push_async_exit(stack.pop_all())
                place.is_kept = True
                place.endpoint.monitor.record_model(_model_of(first))
                return first, events

            first, events = await self._retrier.run(send, model=model)
            is_finished = bool(_FINISH.search(first))
            yield first
            async for more in events:
                is_finished = is_finished or bool(_FINISH.search(more))
                yield more
            if not is_finished:
                raise unfinished_response()


async def _open(place: Place, body: bytes, stack: AsyncExitStack) -> UpstreamResponse:
    answer = await place.endpoint.client.open_chat(body)
    stack.push_async_callback(answer.close)
    return answer


def _check_completion(body: bytes) -> object:
    """The model that a chat completion names. EngineError for a body that is none, or whose answer is not finished."""
    try:
        completion = msgspec.json.decode(body, type=_Completion)
    except (msgspec.DecodeError, RecursionError) as error:
        raise invalid_response() from error
    if not completion.choices:
        raise invalid_response()
    if not completion.choices[0].finish_reason:
        raise unfinished_response()
    return completion.model


def _model_of(events: bytes) -> str | None:
    """The model that the first event names."""
    found = _MODEL.search(events)
    return found[1].decode(errors="replace") if found else None
