"""Who goes next: turns by urgency, then one each in turn, safe to cancel at any point."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping
from time import monotonic
from typing import Final, Literal, TypeAlias

Urgency: TypeAlias = Literal[0, 1]
INTERACTIVE: Final = 0
BATCH: Final = 1
URGENCIES: Mapping[str, Urgency] = {"interactive": INTERACTIVE, "batch": BATCH}
"""As clients name them."""
BATCH_BEHIND_S = 30.0
PAGE_BEHIND_S = 0.01
"""In the engine's queue a batch's call stands as if it had come so much later, and a page's call for each page before
it. Nobody waits for ever: the time that stands for those who come later grows."""
BATCH_SHARE = 8
"""Of so many turns one is a batch's, however many interactive callers wait."""


def engine_priority(urgency: Urgency, page: int = 1) -> int:
    """vLLM's `priority` of a call that is sent now; the least goes first. The canary's is 0."""
    behind_s = PAGE_BEHIND_S * min(page, 100) + (BATCH_BEHIND_S if urgency == BATCH else 0)
    return round(1000 * (monotonic() + behind_s))


class Caller:
    """One document, or one chat request: the queue is fair between callers of one urgency, whatever each asks for."""

    def __init__(self, urgency: Urgency = INTERACTIVE) -> None:
        self.urgency = urgency
        self.places = FairSemaphore(1)
        """Of the queue's places as many as one caller may hold at once."""


class _Line:
    """The calls of one caller that wait, earlier pages first, equals in order of arrival."""

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._given_up = 0

    def __len__(self) -> int:
        return len(self._waiters) - self._given_up

    def join(self, page: int, order: int, waiter: asyncio.Future[None]) -> None:
        heapq.heappush(self._waiters, (page, order, waiter))

    def give_up(self) -> None:
        """One of those in line waits no more; its future is cancelled."""
        self._given_up += 1

    def next(self) -> asyncio.Future[None] | None:
        """Takes the next that has not given up; None if there is none."""
        while self._waiters:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                return waiter
            self._given_up -= 1
        return None


class FairSemaphore:
    """A semaphore whose limit may change while it is held, and whose waiters go by urgency, then in turn by caller.

    A batch gets what interactive callers leave, and one turn in `BATCH_SHARE` in any case, so that it never starves.
    Callers take turns as in self-clocked fair queueing (Golestani 1994): each has a tag that grows by one a turn, the
    least goes next, and one that comes anew begins one after the tag of the present turn. So whoever asks for little
    waits for one round, however much others have asked for before, and those who come anew without end starve nobody.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._order = itertools.count()
        self._lines: dict[Caller, _Line] = {}
        self._turns: Mapping[Urgency, list[tuple[int, int, Caller]]] = {INTERACTIVE: [], BATCH: []}
        self._now = {INTERACTIVE: 0, BATCH: 0}
        self._passed_over = 0

    @property
    def held(self) -> int:
        return self._held

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._wake()

    def ahead_of(self, urgency: Urgency, share: int) -> int:
        """Waiters whose turn comes before that of a new caller who asks for `share` turns: no more of any caller."""
        return sum(min(len(line), share) for caller, line in self._lines.items() if caller.urgency <= urgency)

    async def acquire(self, caller: Caller, page: int) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if caller not in self._lines:
            self._lines[caller] = _Line()
            self._take_turn(caller, self._now[caller.urgency] + 1)
        line = self._lines[caller]
        line.join(page, next(self._order), waiter)
        self._wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                line.give_up()
            else:
                self.release()
            raise

    def release(self) -> None:
        self._held -= 1
        self._wake()

    def _take_turn(self, caller: Caller, tag: int) -> None:
        heapq.heappush(self._turns[caller.urgency], (tag, next(self._order), caller))

    def _wake(self) -> None:
        while self._held < self._limit and (urgency := self._next_urgency()) is not None:
            tag, _, caller = heapq.heappop(self._turns[urgency])
            waiter = self._lines[caller].next()
            if waiter is None:
                del self._lines[caller]
                continue
            self._now[urgency] = tag
            self._take_turn(caller, tag + 1)
            self._held += 1
            self._passed_over = self._passed_over + 1 if urgency == INTERACTIVE and self._turns[BATCH] else 0
            waiter.set_result(None)

    def _next_urgency(self) -> Urgency | None:
        interactive, batch = self._turns[INTERACTIVE], self._turns[BATCH]
        if batch and (not interactive or self._passed_over >= BATCH_SHARE - 1):
            return BATCH
        return INTERACTIVE if interactive else None
