"""What is worth asking the engine again, how often, and how long to wait before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tenacity import AsyncRetrying, retry_if_exception, wait_random_exponential

from gateway.engine.errors import EngineFailure, FailureKind

AGAIN_MAX: Mapping[FailureKind, int] = {"unreachable": 100, "dropped": 3, "busy": 8, "late": 1, "broken": 2}
"""Retries of one region by kind of failure; kinds that are not here are final.

`unreachable` costs the engine nothing and is bounded by the wait for its restart. `dropped` is few: a crop that kills
the engine must not do so for ever. `busy` sums up to about 20 s. `late` and `broken` cost the engine a whole reading;
where one call in 100 is broken by chance, a document of 100 regions would be lost to a single retry now and then.
"""
COSTLY: frozenset[FailureKind] = frozenset({"late", "broken"})
FULL_JITTER = wait_random_exponential(multiplier=0.2, max=5)
BUDGET_START = 10.0
BUDGET_MAX = 100.0
BUDGET_SHARE = 0.2


class RetryBudget:
    """Keeps costly retries to a share of the calls that succeed, so that they can't hold a sick engine down."""

    def __init__(self) -> None:
        self._tokens = BUDGET_START

    def earn(self) -> None:
        self._tokens = min(self._tokens + BUDGET_SHARE, BUDGET_MAX)

    def spend(self) -> bool:
        """Whether one more costly retry is allowed."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@contextmanager
def attempts(budget: RetryBudget) -> Iterator[AsyncRetrying]:
    """Tries for one region; raises the last EngineFailure when no more are worth it."""
    failures: Counter[str] = Counter()

    def again(error: BaseException) -> bool:
        if not isinstance(error, EngineFailure):
            return False
        failures[error.kind] += 1
        if failures[error.kind] > AGAIN_MAX.get(error.kind, 0):
            return False
        return error.kind not in COSTLY or budget.spend()

    tries = AsyncRetrying(retry=retry_if_exception(again), wait=FULL_JITTER, reraise=True)
    try:
        yield tries
    finally:
        # It and its state hold one another: twenty objects a call that only a search for garbage would free.
        vars(tries).clear()
