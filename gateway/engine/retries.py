"""What is worth asking the engine again, how often, and how long to wait before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from gateway.engine.errors import EngineError, ErrorKind
from gateway.engine.monitor import EngineMonitor

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
MAX_WAIT_S = 86_400.0
"""For an engine that has never been ready; one that went away has its grace. The caller's deadline ends either."""
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


class Retrier:
    """Calls the engine until it answers, as long as one more try is worth it, and tells the monitor how each one went.

    Cancelling is what ends it at a deadline: while it waits for an engine that restarts, before a retry, in a call.
    """

    def __init__(self, engine: EngineMonitor) -> None:
        self.budget = RetryBudget()
        self._engine = engine

    async def run(
        self, send: Callable[[], Awaitable[T]], on_error: Callable[[EngineError], Awaitable[None]] = _do_nothing
    ) -> T:
        """What `send` returns; raises the last EngineError. `on_error` sees each, the last one too."""
        try:
            return await self._send(send, on_error)  # most calls need no more, and what counts attempts is dear
        except EngineError as error:
            first: list[EngineError] = [error]
        with _attempts(self.budget) as attempts:
            return await attempts(self._send_again, first, send, on_error)

    async def _send_again(
        self,
        failed: list[EngineError],
        send: Callable[[], Awaitable[T]],
        on_error: Callable[[EngineError], Awaitable[None]],
    ) -> T:
        """The first attempt is the one that has failed."""
        if failed:
            raise failed.pop()
        return await self._send(send, on_error)

    async def _send(self, send: Callable[[], Awaitable[T]], on_error: Callable[[EngineError], Awaitable[None]]) -> T:
        if not await self._engine.wait_ready(MAX_WAIT_S):
            raise EngineError("unavailable", self._engine.reason or "The recognition engine was not there in time.")
        try:
            answer = await send()
        except EngineError as failure:
            error = await self._engine.report(failure)
            await on_error(error)
            raise error from failure
        self._engine.record_success()
        self.budget.earn()
        return answer


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
