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
MIN_KNOWN = 32
"""Answers that tell what is usual; until then a call is given DEFAULT_STALL_S."""
DEFAULT_STALL_S = 30.0
MIN_STALL_S = 1.0
STALL_FACTOR = 3.0
"""A silence is so many times as long as what is usual, and MIN_STALL_S at least."""
USUAL_SHARE = 0.9
"""So many of the recent waits were no longer than the usual one: a few lost calls do not make it longer."""
WHOLE_SHARE = 1.0
"""The same for answers that come whole: a table takes ten times as long as a line, and is rare."""
PROBE_PAUSE_S = 1.0
"""After a probe that was of no use."""
T = TypeVar("T")
Send = Callable[[Callable[[], None]], Awaitable[T]]
"""Asks the engine; calls what it is given with each event of the answer."""
MAX_PARALLEL_CALLS = 3
"""The same question at the engine at the same time."""
CHECK_INTERVAL_S = 1.0
"""A call is looked at again after so long at the latest: what is usual, and what others hear, changes meanwhile."""


class LatencyWindow:
    """Recent waits of one sort, in seconds."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._recent: deque[float] = deque(maxlen=WINDOW)

    def record(self, seconds: float) -> None:
        self._recent.append(seconds)

    @property
    def bound_s(self) -> float:
        """A wait that is longer is a silence."""
        if len(self._recent) < MIN_KNOWN:
            return DEFAULT_STALL_S
        usual = sorted(self._recent)[int(self._share * (len(self._recent) - 1))]
        return max(MIN_STALL_S, STALL_FACTOR * usual)


@dataclass(slots=True, eq=False)
class InFlightCall:
    """One question on its way; times are the loop's. `first_s` is None until the first event, `longest_gap_s` until the
    second."""

    sent_at: float
    last_event: float
    """When something was last heard, or when it was asked."""
    first_s: float | None = None
    longest_gap_s: float | None = None


class StallDetector:
    """What the calls hear, all together, also those at several engines."""

    def __init__(self) -> None:
        self._firsts = LatencyWindow(USUAL_SHARE)
        self._gaps = LatencyWindow(USUAL_SHARE)
        self._wholes = LatencyWindow(WHOLE_SHARE)
        self._is_whole = False
        self._served = 0.0
        self._probe: InFlightCall | None = None
        self._probe_from = 0.0

    def start(self, now: float) -> InFlightCall:
        """A call that is asked now."""
        return InFlightCall(now, now)

    def start_hedge(self, silent: InFlightCall, now: float) -> InFlightCall:
        """The same question asked once more. One that nothing speaks for is a probe: there is only one at a time."""
        call = self.start(now)
        if not self._is_overtaken(silent):
            self._probe = call
        return call

    def record_event(self, call: InFlightCall, now: float) -> None:
        """An event of its answer has come."""
        waited_s = now - call.last_event
        if call.first_s is None:
            call.first_s = waited_s
            self._record_served(call)
        else:
            call.longest_gap_s = max(call.longest_gap_s or 0.0, waited_s)
        call.last_event = now

    def finish(self, call: InFlightCall, now: float, *, is_answered: bool) -> None:
        """It has its answer, or will have none."""
        if not is_answered:
            self._abandon(call, now)
            return
        self._is_whole = call.first_s is None
        if call.first_s is None:
            self._record_served(call)
            self._wholes.record(now - call.sent_at)
        else:
            self._firsts.record(call.first_s)
        if call.longest_gap_s is not None:
            self._gaps.record(call.longest_gap_s)

    def time_to_stall_s(self, call: InFlightCall, now: float) -> float:
        """Seconds until the call, if it hears nothing, has been silent for too long; 0 or less: it has."""
        return self._bound_s(call) - (now - call.last_event)

    def may_hedge(self, call: InFlightCall, now: float) -> bool:
        """Of a call that has been silent for too long: whether it, and not the engine, is what does not get on, or
        whether that may be tried."""
        return self._is_overtaken(call) or (self._probe is None and now >= self._probe_from)

    def _is_overtaken(self, call: InFlightCall) -> bool:
        """One that was asked when this one had long been silent has been answered."""
        return self._served > call.last_event + self._bound_s(call) / 2

    def _bound_s(self, call: InFlightCall) -> float:
        before_first = self._wholes if self._is_whole else self._firsts
        return (before_first if call.first_s is None else self._gaps).bound_s

    def _record_served(self, call: InFlightCall) -> None:
        self._served = max(self._served, call.sent_at)
        if self._probe is call:
            self._probe = None

    def _abandon(self, call: InFlightCall, now: float) -> None:
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
        self.budget = budget
        self._detector = StallDetector()

    async def run(self, send: Send[T], find_other: Callable[[], Send[T] | None] = lambda: None) -> T:
        """The first answer; if there is none, the last failure. All other questions are cancelled then.

        `find_other`: what asks another engine that has room, where there is one. That takes nothing from the budget,
        which protects an engine from being asked more the less it answers.
        """
        calls: dict[asyncio.Task[T], InFlightCall] = {}
        first = self._start(send, self._detector.start(_now()), calls)
        try:
            while True:
                done, _ = await asyncio.wait(
                    calls, timeout=self._next_check_s(calls), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    if len(calls) == 1 or task.exception() is None:
                        self.won += task is not first and task.exception() is None
                        return task.result()
                    del calls[task]
                if not done:
                    self._hedge(send, find_other, calls)
        finally:
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    def _start(self, send: Send[T], call: InFlightCall, calls: dict[asyncio.Task[T], InFlightCall]) -> asyncio.Task[T]:
        task = asyncio.create_task(self._track(send, call))
        calls[task] = call
        return task

    async def _track(self, send: Send[T], call: InFlightCall) -> T:
        is_answered = False
        try:
            answer = await send(lambda: self._detector.record_event(call, _now()))
            is_answered = True
            return answer
        finally:
            self._detector.finish(call, _now(), is_answered=is_answered)

    def _next_check_s(self, calls: dict[asyncio.Task[T], InFlightCall]) -> float | None:
        """Until the next look at the latest question; None: there is nothing to look for."""
        if len(calls) >= MAX_PARALLEL_CALLS:
            return None
        time_to_stall_s = self._detector.time_to_stall_s(_latest(calls), _now())
        return time_to_stall_s if 0 < time_to_stall_s < CHECK_INTERVAL_S else CHECK_INTERVAL_S

    def _hedge(
        self,
        send: Send[T],
        find_other: Callable[[], Send[T] | None],
        calls: dict[asyncio.Task[T], InFlightCall],
    ) -> None:
        latest, now = _latest(calls), _now()
        if self._detector.time_to_stall_s(latest, now) > 0 or not self._detector.may_hedge(latest, now):
            return
        other = find_other()
        if other is not None or self.budget.spend():
            self.hedges += 1
            self._start(other or send, self._detector.start_hedge(latest, now), calls)


def _latest(calls: dict[asyncio.Task[T], InFlightCall]) -> InFlightCall:
    return list(calls.values())[-1]


def _now() -> float:
    return asyncio.get_running_loop().time()
