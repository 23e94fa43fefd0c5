"""What is worth asking the engine again, how often, and how long to wait before."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from gateway.engine.endpoint import Endpoint
from gateway.engine.errors import EngineError, ErrorKind
from gateway.engine.pool import EnginePool, Place

T = TypeVar("T")

MAX_RETRIES: Mapping[ErrorKind, int] = {
    "unreachable": 100,
    "connection_lost": 3,
    "busy": 8,
    "timeout": 1,
    "server_error": 2,
}
"""Retries of one region by kind of failure; kinds that are not here are final.

`unreachable` costs the engine nothing and is bounded by the wait for its restart. `connection_lost` is few: a crop that
kills the engine must not do so for ever. `busy` sums up to about 20 s. `timeout` and `server_error` cost the engine a
whole reading; where one call in 100 is broken by chance, a document of 100 regions would be lost to a single retry
now and then.
"""
COSTLY: frozenset[ErrorKind] = frozenset({"timeout", "server_error"})
FULL_JITTER = wait_random_exponential(multiplier=0.2, max=5)
MAX_RETRY_AFTER_S = 30
"""An engine that wants to be left alone for longer is not waited for: its client is told when to come back."""
MOVABLE: frozenset[ErrorKind] = frozenset({"unreachable", "connection_lost", "server_error", "timeout", "busy"})
MAX_MOVES = 2
"""A call that failed at one engine is asked of another so often before its retries are counted: a crop that kills
engines must not go round them all. A move from an engine that could not be reached costs none of them anything."""
INITIAL_BUDGET = 10.0
MAX_BUDGET = 100.0
BUDGET_SHARE = 0.2


class RetryBudget:
    """Keeps costly retries to a share of the calls that succeed, so that they can't hold a sick engine down."""

    def __init__(self) -> None:
        self._tokens = INITIAL_BUDGET

    def earn(self) -> None:
        self._tokens = min(self._tokens + BUDGET_SHARE, MAX_BUDGET)

    def spend(self) -> bool:
        """Whether one more costly retry is allowed."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


async def _do_nothing(_error: EngineError) -> None:
    pass


@dataclass(slots=True)
class _Call(Generic[T]):
    """`failed_at`: engines that it was moved from."""

    send: Callable[[Place], Awaitable[T]]
    on_error: Callable[[EngineError], Awaitable[None]]
    model: str | None
    failed_at: set[Endpoint] = field(default_factory=set)
    moves: int = 0


class Retrier:
    """Calls the engine until it answers, as long as one more try is worth it, and tells the monitor how each one went.

    Where there are several, a call whose engine fails is moved to another at once, which no retry is counted for.
    Cancelling is what ends it at a deadline: while it waits for an engine that restarts, before a retry, in a call.
    """

    def __init__(self, engines: EnginePool) -> None:
        self.budget = RetryBudget()
        self._engines = engines

    async def run(
        self,
        send: Callable[[Place], Awaitable[T]],
        on_error: Callable[[EngineError], Awaitable[None]] = _do_nothing,
        model: str | None = None,
    ) -> T:
        """What `send` returns; raises the last EngineError. `on_error` sees each that is no move, the last one too.
        `model`: one that the engine must serve, by default that of region calls."""
        call = _Call(send, on_error, model)
        try:
            return await self._send(call)  # most calls need no more, and what counts attempts is dear
        except EngineError as error:
            first: list[EngineError] = [error]
        with _attempts(self.budget) as attempts:
            return await attempts(self._send_again, first, call)

    async def _send_again(self, failed: list[EngineError], call: _Call[T]) -> T:
        """The first attempt is the one that has failed."""
        if failed:
            raise failed.pop()
        return await self._send(call)

    async def _send(self, call: _Call[T]) -> T:
        while True:
            place = await self._engines.acquire(call.model, call.failed_at)
            try:
                answer = await self._ask(place, call)
            except EngineError as failure:
                if self._move(call, place.endpoint, failure):
                    continue
                error = await place.endpoint.monitor.report(failure)
                await call.on_error(error)
                raise error from failure
            finally:
                if not place.is_kept:
                    self._engines.release(place)
            if not place.is_answered_elsewhere:
                place.endpoint.record_success()
            self.budget.earn()
            return answer

    async def _ask(self, place: Place, call: _Call[T]) -> T:
        """The answer; EngineError when the engine is lost meanwhile, and there are others."""
        if self._engines.is_single:
            return await call.send(place)
        place.lost = lost = asyncio.timeout(None)
        try:
            async with lost:
                return await call.send(place)
        except TimeoutError:
            if not lost.expired():
                raise
            raise EngineError("connection_lost", "The recognition engine was lost while it worked.") from None
        finally:
            place.lost = None

    def _move(self, call: _Call[T], endpoint: Endpoint, failure: EngineError) -> bool:
        """Whether the call goes to another engine instead of being retried; this one is told why it does."""
        if self._engines.is_single or failure.kind not in MOVABLE:
            return False
        is_free = failure.kind == "unreachable"
        if not (is_free or call.moves < MAX_MOVES):
            return False
        if not self._engines.can_move(endpoint, call.model, call.failed_at):
            return False
        call.moves += not is_free
        call.failed_at.add(endpoint)
        self._engines.record_move(endpoint, failure)
        return True


def _wait_s(state: RetryCallState) -> float:
    """A random time, and as long as the engine asks for."""
    failure = state.outcome.exception() if state.outcome else None
    asked_s = failure.retry_after_s or 0 if isinstance(failure, EngineError) else 0
    return asked_s + FULL_JITTER(state)


@contextmanager
def _attempts(budget: RetryBudget) -> Iterator[AsyncRetrying]:
    failures: Counter[str] = Counter()

    def should_retry(error: BaseException) -> bool:
        if not isinstance(error, EngineError):
            return False
        if (error.retry_after_s or 0) > MAX_RETRY_AFTER_S:
            return False
        failures[error.kind] += 1
        if failures[error.kind] > MAX_RETRIES.get(error.kind, 0):
            return False
        if error.kind in COSTLY and not budget.spend():
            return False
        error.__traceback__ = None  # it would hold the frames in which tenacity holds the error
        return True

    attempts = AsyncRetrying(retry=retry_if_exception(should_retry), wait=_wait_s, reraise=True)
    try:
        yield attempts
    finally:
        # It and its state hold one another: twenty objects a call that only a search for garbage would free.
        vars(attempts).clear()
