"""How many calls to keep in flight, learned from the engine: by its own queue where it tells of one, else by its rate.

Neither goes by the time that a call takes: that is ten times longer for a table than for a line, and an engine that
reads in batches is slower for each call and faster for all of them the more it is given.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Literal

MIN_LIMIT = 4
MAX_LIMIT = 512
SPARE = 4
"""Calls that may wait inside the engine, and one more for each 16 that it works on: the next is there when one ends."""
WORKING_FOR_ONE_SPARE = 16
STANDING_SAMPLES = 3
"""Looks in a row that make a standing queue of a passing one."""
GROWTH = 1.5
GAIN = 1.15
"""A larger bound stays if the rate grew so much: half of what it would grow in an engine with room, less noise."""
LOSS = 0.95
"""A smaller bound stays if so much of the rate did."""
MIN_CALLS = 32
"""Calls that make a rate."""
REST = 6
"""Rates taken between two trials that changed nothing."""
FIRST = 16
"""Calls in flight to an engine that tells nothing, before it has answered any: more of an engine that reads one at a
time, each for ten seconds, would stand in its queue for longer than a call may take."""
QUICK_S = 10.0
"""As many answers as calls are in flight, within this time, and twice as many may be."""
REFUSED_SHARE = 0.1
"""More calls than this that the engine refused, or did not answer in time, of those that ended: it has too many."""
MIN_REFUSED = 2


@dataclass(frozen=True, slots=True)
class LimitRange:
    """`start` is the bound before anything is known; `minimum` to `maximum` is where it may go."""

    start: int
    minimum: int
    maximum: int

    def clamp(self, limit: float) -> int:
        return min(max(round(limit), self.minimum), self.maximum)


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """Requests in the engine, as its metrics tell: it works on some, others wait inside it."""

    working: int
    waiting: int


def is_overloaded(refused: int, finished: int) -> bool:
    """Whether the engine has more than it can take: `refused` calls came back with nothing, `finished` ended."""
    return refused >= MIN_REFUSED and refused > REFUSED_SHARE * finished


class QueueDepthLimit:
    """Keeps the engine's own queue short and never empty.

    What counts is the queue that stands: the least over a few looks, as in CoDel (Nichols, Jacobson 2012; RFC 8289).
    A burst that drains by itself is none.
    """

    def __init__(self, limits: LimitRange) -> None:
        self._range = limits
        self.limit = limits.start
        self._samples: deque[int] = deque(maxlen=STANDING_SAMPLES)

    def update(self, load: EngineLoad, *, is_full: bool) -> int:
        """The new bound. `is_full`: as many calls run as may, and more wait for their turn."""
        spare = SPARE + load.working // WORKING_FOR_ONE_SPARE
        self._samples.append(load.waiting)
        standing = min(self._samples)
        if len(self._samples) == STANDING_SAMPLES and standing > spare:
            # What an earlier cut has called off may still be draining: that is no reason for another one.
            self._set(max(self.limit - (standing - spare), load.working + spare))
        elif is_full and load.waiting <= spare // 2 and 2 * load.working >= self.limit:
            self._set(self.limit * GROWTH)
        return self.limit

    def back_off(self) -> int:
        """The new bound for an engine that refuses calls, whatever it says of its queue."""
        self._set(self.limit / 2)
        return self.limit

    def _set(self, limit: float) -> None:
        self.limit = self._range.clamp(limit)
        self._samples.clear()


class ThroughputLimit:
    """Climbs to the least bound that gives the full rate: tries a larger one and a smaller one in turn.

    Begins with few calls and doubles them up to `bounds.start` as long as the engine is quick with them.

    Hill climbing on throughput, as .NET's thread pool does it (Hellerstein, Morrison, Eilebrecht 2009), with whole
    steps instead of a wave, for a call here takes a second and not a millisecond.
    """

    def __init__(self, limits: LimitRange) -> None:
        self._range = limits
        self.limit = self._settled = min(FIRST, limits.start)
        self._is_starting = True
        self._settled_rate: float | None = None
        self._direction: Literal[1, -1] = 1
        self._rest = 0
        self._has_begun, self._since, self._count = False, math.inf, 0

    def update(self, now: float, finished: int, *, is_full: bool) -> int:
        """The new bound. `now` in seconds, `finished`: calls ended so far; `is_full` as for `QueueDepthLimit`.

        Only times when the bound was in effect are counted.
        """
        if self._is_starting:
            self._grow(now, finished, is_full=is_full)
        elif not is_full:
            if self.limit > self._settled:
                # All that wanted to run does: a larger bound would never be found to be too large.
                self.limit = self._settled
                self._reverse()
            self._open_window(now, finished)
        elif not self._has_begun:
            # The calls that are there were let in under the bound before.
            if finished - self._count >= self.limit:
                self._has_begun, self._since, self._count = True, now, finished
        elif finished - self._count >= max(MIN_CALLS, 2 * self.limit):
            self._evaluate((finished - self._count) / (now - self._since))
            self._open_window(now, finished)
        return self.limit

    def back_off(self, now: float, finished: int) -> int:
        """The new bound for an engine that refuses calls: a trial ends, else half as many may run."""
        self._is_starting = False
        if self.limit > self._settled:
            self._reverse()
        else:
            self._settled, self._settled_rate = self._range.clamp(self._settled / 2), None
        self.limit = self._settled
        self._open_window(now, finished)
        return self.limit

    def _grow(self, now: float, finished: int, *, is_full: bool) -> None:
        if not is_full or math.isinf(self._since):
            self._open_window(now, finished)
        elif finished - self._count >= self.limit:
            is_quick = now - self._since <= QUICK_S
            self.limit = self._settled = min(2 * self.limit, self._range.start) if is_quick else self.limit
            self._is_starting = is_quick and self.limit < self._range.start
            self._open_window(now, finished)

    def _open_window(self, now: float, finished: int) -> None:
        self._has_begun, self._since, self._count = False, now, finished

    def _evaluate(self, rate: float) -> None:
        if self.limit == self._settled or self._settled_rate is None:
            self._settled_rate = rate
            self._rest -= 1
            if self._rest < 0:
                self._start_trial()
        elif rate > self._settled_rate * (GAIN if self._direction > 0 else LOSS):
            self._settled, self._settled_rate = self.limit, rate
            self._start_trial()
        else:
            self.limit = self._settled
            self._reverse()

    def _start_trial(self) -> None:
        self.limit = self._range.clamp(self._settled * GROWTH**self._direction)
        if self.limit == self._settled:
            self._reverse()

    def _reverse(self) -> None:
        """The next trial goes the other way; at once, if it is the first of the two."""
        self._direction = -1 if self._direction > 0 else 1
        self._rest = REST if self._direction > 0 else 0
