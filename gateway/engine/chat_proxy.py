"""A chat request to the engine, and its answer passed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import TypeVar

import msgspec

from gateway.engine.client import EngineClient
from gateway.engine.errors import EngineFailure, garbled
from gateway.engine.monitor import EngineMonitor, diagnosed
from gateway.engine.retries import RetryBudget, attempts
from gateway.engine.sse import split_events
from gateway.engine.transport import UpstreamResponse

T = TypeVar("T")


class _Completion(msgspec.Struct):
    choices: list[msgspec.Raw]


class ChatCaller:
    """Asks again, and waits for an engine that restarts, as long as nothing of an answer has come.

    `body` is the request as JSON, `deadline` a time of the running loop; EngineFailure when there is no answer. Whoever
    calls sees to the deadline while it waits. Cancelling a call, or closing its events, stops the engine's work.
    """

    def __init__(self, client: EngineClient, engine: EngineMonitor) -> None:
        self._client = client
        self._engine = engine
        self._budget = RetryBudget()

    async def answer(self, body: bytes, deadline: float) -> bytes:
        """The engine's whole answer, a chat completion as JSON."""

        async def ask() -> bytes:
            async with AsyncExitStack() as stack:
                return _completion(await (await self._open(body, deadline, stack)).read())

        return await self._answered(ask)

    async def events(self, body: bytes, deadline: float) -> AsyncGenerator[bytes, None]:
        """The engine's events, whole ones, without the last `[DONE]`."""
        async with AsyncExitStack() as held:

            async def ask() -> tuple[bytes, AsyncGenerator[bytes, None]]:
                async with AsyncExitStack() as stack:
                    answer = await self._open(body, deadline, stack)
                    chunks = await stack.enter_async_context(aclosing(answer.chunks()))
                    events = await stack.enter_async_context(aclosing(split_events(chunks)))
                    first = await anext(events, b"")
                    if not first:
                        raise garbled()
                    held.push_async_exit(stack.pop_all())
                return first, events

            first, events = await self._answered(ask)
            yield first
            async for more in events:
                yield more

    async def _answered(self, ask: Callable[[], Awaitable[T]]) -> T:
        with attempts(self._budget) as tries:
            async for attempt in tries:
                with attempt:
                    try:
                        answer = await ask()
                    except EngineFailure as failure:
                        raise await diagnosed(self._engine, failure) from failure
                    self._engine.succeeded()
                    self._budget.earn()
                    return answer
        raise AssertionError("tenacity leaves its loop by return or raise only")

    async def _open(self, body: bytes, deadline: float, stack: AsyncExitStack) -> UpstreamResponse:
        if not await self._engine.wait_ready(_left_s(deadline)):
            raise EngineFailure("away", self._engine.reason or "The recognition engine was not there in time.")
        left_s = _left_s(deadline)
        if left_s <= 0:
            raise EngineFailure("late", "The time for the request was over before the engine answered.")
        answer = await self._client.open_chat(body, left_s)
        stack.push_async_callback(answer.close)
        return answer


def _left_s(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def _completion(body: bytes) -> bytes:
    """The body, if it is a chat completion with a choice; its parts are the client's to read."""
    try:
        choices = msgspec.json.decode(body, type=_Completion).choices
    except (msgspec.DecodeError, RecursionError) as error:
        raise garbled() from error
    if not choices:
        raise garbled()
    return body
