"""A second question beside one that the engine has fallen silent to: the answer that is whole first is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.recognition.retries import RetryBudget
from gateway.recognition.silence import Call, Silence

T = TypeVar("T")
Ask = Callable[[Callable[[], None]], Awaitable[T]]
"""Asks the engine; calls what it is given with each event of the answer."""

QUESTIONS_MAX = 3
"""The same question at the engine at the same time."""
LOOK_AGAIN_S = 1.0
"""A call is looked at again after so long at the latest: what is usual, and what others hear, changes meanwhile."""


class Hedging:
    """The first question stays: where the silence was only a long wait, nothing is lost but some work of the engine.

    `hedges` counts questions that were asked beside silent ones, `won` those of them whose answer came first. `budget`
    keeps them to a share of the calls that succeed.
    """

    def __init__(self, budget: RetryBudget) -> None:
        self.hedges = 0
        self.won = 0
        self._budget = budget
        self._silence = Silence()

    async def answer(self, ask: Ask[T]) -> T:
        """The first answer; if there is none, the last failure. All other questions are cancelled then."""
        calls: dict[asyncio.Task[T], Call] = {}
        first = self._start(ask, self._silence.begin(_now()), calls)
        try:
            while True:
                done, _ = await asyncio.wait(
                    calls, timeout=self._patience_s(calls), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if len(calls) == 1 or task.exception() is None:
                        self.won += task is not first and task.exception() is None
                        return task.result()
                    del calls[task]
                if not done:
                    self._ask_again(ask, calls)
        finally:
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def _start(self, ask: Ask[T], call: Call, calls: dict[asyncio.Task[T], Call]) -> asyncio.Task[T]:
        task = asyncio.create_task(self._heard(ask, call))
        calls[task] = call
        return task

    async def _heard(self, ask: Ask[T], call: Call) -> T:
        is_answered = False
        try:
            answer = await ask(lambda: self._silence.hear(call, _now()))
            is_answered = True
            return answer
        finally:
            self._silence.end(call, _now(), is_answered=is_answered)

    def _patience_s(self, calls: dict[asyncio.Task[T], Call]) -> float | None:
        """Until the next look at the latest question; None: there is nothing to look for."""
        if len(calls) >= QUESTIONS_MAX:
            return None
        left_s = self._silence.left_s(_latest(calls), _now())
        return left_s if 0 < left_s < LOOK_AGAIN_S else LOOK_AGAIN_S

    def _ask_again(self, ask: Ask[T], calls: dict[asyncio.Task[T], Call]) -> None:
        latest, now = _latest(calls), _now()
        is_silent = self._silence.left_s(latest, now) <= 0
        if is_silent and self._silence.may_ask_again(latest, now) and self._budget.spend():
            self.hedges += 1
            self._start(ask, self._silence.begin_again(latest, now), calls)


def _latest(calls: dict[asyncio.Task[T], Call]) -> Call:
    return list(calls.values())[-1]


def _now() -> float:
    return asyncio.get_running_loop().time()
