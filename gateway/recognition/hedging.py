"""A second request beside one that the engine has fallen silent to: the answer that is whole first is taken."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.engine.retries import RetryBudget

WINDOW = 256
"""Answers of which the waits are remembered."""
LEAST_KNOWN = 32
"""Answers that tell what is usual; until then a call is given UNKNOWN_S."""
UNKNOWN_S = 30.0
LEAST_S = 1.0
TIMES = 3.0
"""A silence is so many times as long as what is usual, and LEAST_S at least."""
USUAL_SHARE = 0.9
"""So many of the recent waits were no longer than the usual one: a few lost calls do not make it longer."""
LONGEST_SHARE = 1.0
"""The same for answers that come whole: a table takes ten times as long as a line, and is rare."""
PROBE_PAUSE_S = 1.0
"""After a probe that was of no use."""
T = TypeVar("T")
Ask = Callable[[Callable[[], None]], Awaitable[T]]
"""Asks the engine; calls what it is given with each event of the answer."""
QUESTIONS_MAX = 3
"""The same question at the engine at the same time."""
LOOK_AGAIN_S = 1.0
"""A call is looked at again after so long at the latest: what is usual, and what others hear, changes meanwhile."""


class Waits:
    """Recent waits of one sort, in seconds."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def note(self, seconds: float) -> None:
        self._recent.append(seconds)

    @property
    def bound_s(self) -> float:
        """A wait that is longer is a silence."""
        if len(self._recent) < LEAST_KNOWN:
            return UNKNOWN_S
        usual = sorted(self._recent)[int(self._share * (len(self._recent) - 1))]
        return max(LEAST_S, TIMES * usual)


@dataclass(slots=True, eq=False)
class Call:
    """One question on its way; times are the loop's. `first_s` is None until the first event, `longest_gap_s` until the
    second."""

    asked: float
    heard: float
    """When something was last heard, or when it was asked."""
    first_s: float | None = None
    longest_gap_s: float | None = None


class Silence:
    """What the calls at one engine hear, all together."""

    def __init__(self) -> None:
        self._firsts = Waits(USUAL_SHARE)
        self._gaps = Waits(USUAL_SHARE)
        self._wholes = Waits(LONGEST_SHARE)
        self._is_whole = False
        self._served = 0.0
        self._probe: Call | None = None
        self._probe_from = 0.0

    def begin(self, now: float) -> Call:
        """A call that is asked now."""
        return Call(now, now)

    def begin_again(self, silent: Call, now: float) -> Call:
        """The same question asked once more. One that nothing speaks for is a probe: there is only one at a time."""
        call = self.begin(now)
        if not self._is_passed_over(silent):
            self._probe = call
        return call

    def hear(self, call: Call, now: float) -> None:
        """An event of its answer has come."""
        waited_s = now - call.heard
        if call.first_s is None:
            call.first_s = waited_s
            self._was_served(call)
        else:
            call.longest_gap_s = max(call.longest_gap_s or 0.0, waited_s)
        call.heard = now

    def end(self, call: Call, now: float, *, is_answered: bool) -> None:
        """It has its answer, or will have none."""
        if not is_answered:
            self._give_up(call, now)
            return
        self._is_whole = call.first_s is None
        if call.first_s is None:
            self._was_served(call)
            self._wholes.note(now - call.asked)
        else:
            self._firsts.note(call.first_s)
        if call.longest_gap_s is not None:
            self._gaps.note(call.longest_gap_s)

    def left_s(self, call: Call, now: float) -> float:
        """Seconds until the call, if it hears nothing, has been silent for too long; 0 or less: it has."""
        return self._bound_s(call) - (now - call.heard)

    def may_ask_again(self, call: Call, now: float) -> bool:
        """Of a call that has been silent for too long: whether it, and not the engine, is what does not get on, or
        whether that may be tried."""
        return self._is_passed_over(call) or (self._probe is None and now >= self._probe_from)

    def _is_passed_over(self, call: Call) -> bool:
        """One that was asked when this one had long been silent has been answered."""
        return self._served > call.heard + self._bound_s(call) / 2

    def _bound_s(self, call: Call) -> float:
        before_first = self._wholes if self._is_whole else self._firsts
        return (before_first if call.first_s is None else self._gaps).bound_s

    def _was_served(self, call: Call) -> None:
        self._served = max(self._served, call.asked)
        if self._probe is call:
            self._probe = None

    def _give_up(self, call: Call, now: float) -> None:
        if self._probe is call:
            self._probe, self._probe_from = None, now + PROBE_PAUSE_S


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
