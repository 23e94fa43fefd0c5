"""A chat request to the engine, and its answer passed on as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from gateway.recognition.connection import EngineConnection
from gateway.recognition.diagnosis import diagnosed
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.events import whole_events
from gateway.recognition.failures import EngineFailure, garbled
from gateway.recognition.rawchat import RawAnswer
from gateway.recognition.retries import RetryBudget, attempts

T = TypeVar("T")


class _Completion(BaseModel):
    choices: list[Any] = Field(min_length=1)


class ChatCaller:
    """Asks again, and waits for an engine that restarts, as long as nothing of an answer has come.

    `body` is the request as JSON, `deadline` a time of the running loop; EngineFailure when there is no answer. Whoever
    calls sees to the deadline while it waits. Cancelling a call, or closing its events, stops the engine's work.
    """

    def __init__(self, connection: EngineConnection, engine: EngineMonitor) -> None:
        self._connection = connection
        self._engine = engine
        self._budget = RetryBudget()

    async def answer(self, body: bytes, deadline: float) -> bytes:
        """The engine's whole answer, a chat completion as JSON."""

        async def ask() -> bytes:
            async with AsyncExitStack() as stack:
                return _completion(await (await self._open(body, deadline, stack)).whole())

        return await self._answered(ask)

    async def events(self, body: bytes, deadline: float) -> AsyncGenerator[bytes, None]:
        """The engine's events, whole ones, without the last `[DONE]`."""
        async with AsyncExitStack() as held:

            async def ask() -> tuple[bytes, AsyncGenerator[bytes, None]]:
                async with AsyncExitStack() as stack:
                    answer = await self._open(body, deadline, stack)
                    chunks = await stack.enter_async_context(aclosing(answer.chunks()))
                    events = await stack.enter_async_context(aclosing(whole_events(chunks)))
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

    async def _open(self, body: bytes, deadline: float, stack: AsyncExitStack) -> RawAnswer:
        if not await self._engine.wait_ready(_left_s(deadline)):
            raise EngineFailure("away", self._engine.reason or "The recognition engine was not there in time.")
        left_s = _left_s(deadline)
        if left_s <= 0:
            raise EngineFailure("late", "The time for the request was over before the engine answered.")
        answer = await self._connection.open_chat(body, left_s)
        stack.callback(answer.close)
        return answer


def _left_s(deadline: float) -> float:
    return deadline - asyncio.get_running_loop().time()


def _completion(body: bytes) -> bytes:
    try:
        _Completion.model_validate_json(body)
    except ValidationError as error:
        raise garbled() from error
    return body
