"""The one queue of engine calls over all documents and chats: bounded, fair, safe to cancel at any point."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from gateway.errors import ServiceError
from gateway.scheduling.fair_semaphore import BATCH, INTERACTIVE, Caller, FairSemaphore, Urgency
from gateway.settings import Settings

RATE_WINDOW_S = 30.0
"""Calls that ended within this time tell how many the engine can take."""
LONGEST_RETRY_AFTER_S = 120
UNKNOWN_RETRY_AFTER_S = 5
"""`Retry-After` while no call has ended lately."""
JITTER = 0.2
USUAL_CALLS = 32
"""Calls that a document of a page or two makes. Callers take turns, so of each that is there already no more than so
many go before the last of a new document's."""


class Place:
    """A place in the queue: it counts as waiting until its turn begins or it is left. Leaving twice does nothing."""

    def __init__(self, queue: RegionQueue, caller: Caller, page: int) -> None:
        self._queue = queue
        self.caller = caller
        self.page = page
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._queue.room.release()
            self.caller.places.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until the call may run; within, it counts as running."""
        try:
            await self._queue.turns.acquire(self.caller, self.page)
        finally:
            self.leave()
        began = monotonic()
        try:
            yield
            self._queue.ended(began)
        finally:
            self._queue.turns.release()


class RegionQueue:
    """At most `settings.max_queued_regions` calls wait, at most `limit` run.

    A new document or chat is turned away (429) when the queue is full, or when those that go before it would keep the
    engine busy for longer than `settings.max_wait_s` (a batch: `max_batch_wait_s`); one in work waits for room instead.
    """

    def __init__(self, settings: Settings, limit: int) -> None:
        self.room = FairSemaphore(settings.max_queued_regions)
        self.turns = FairSemaphore(limit)
        self.finished = 0
        """Calls that have ended since the start."""
        self._max_documents = settings.max_documents
        self._max_chats = settings.max_chats
        self._max_wait_s = {INTERACTIVE: settings.max_wait_s, BATCH: settings.max_batch_wait_s}
        self._documents = 0
        self._chats = 0
        self._ended: deque[tuple[float, float]] = deque()
        self._took_s = 0.0
        self._counted_from = 0.0

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return self.room.held

    @property
    def running(self) -> int:
        return self.turns.held

    @property
    def documents(self) -> int:
        """Documents in work."""
        return self._documents

    @property
    def chats(self) -> int:
        """Chat requests in work."""
        return self._chats

    @contextmanager
    def admit(self, urgency: Urgency = INTERACTIVE) -> Iterator[None]:
        """Holds one document's place in the service; raises ServiceError 429 `queue_full` when there is none."""
        if self._documents >= self._max_documents:
            raise self._full(f"{self._documents} documents are in work, the most this service takes at once")
        self._require_room(urgency)
        # Each document in work is one call at least, also while its first page is still on its way to the queue.
        if self._documents >= self.room.limit + self.turns.limit:
            raise self._full(f"{self._documents} documents are in work, as many as calls may run and wait")
        self._documents += 1
        try:
            yield
        finally:
            self._documents -= 1

    @contextmanager
    def admit_chat(self) -> Iterator[None]:
        """Holds one chat request's place in the service; raises ServiceError 429 `queue_full` when there is none."""
        if self._chats >= self._max_chats:
            raise self._full(f"{self._chats} chat requests are in work, the most this service takes at once")
        self._require_room(INTERACTIVE)
        self._chats += 1
        try:
            yield
        finally:
            self._chats -= 1

    def _require_room(self, urgency: Urgency) -> None:
        if self.waiting >= self.room.limit:
            raise self._full(f"{self.waiting} regions wait for the recognition engine, the most that may")
        rate = self._rate()
        ahead = self.turns.ahead_of(urgency, USUAL_CALLS)
        if rate and ahead > rate * self._max_wait_s[urgency]:
            raise self._full(f"the {ahead} regions that go first need {ahead / rate:.0f} s of the recognition engine")

    def has_room(self, caller: Caller) -> bool:
        """Whether this caller would have a place at once."""
        return self.room.held < self.room.limit and caller.places.held < self._share()

    async def place(self, caller: Caller, page: int = 1) -> Place:
        """Waits for room in the queue and takes it. Whoever gets the place sees to it that it is left.

        A caller holds no more places than its share, so that a large document leaves the others room.
        """
        caller.places.limit = self._share()
        await caller.places.acquire(caller, page)
        try:
            await self.room.acquire(caller, page)
        except BaseException:
            caller.places.release()
            raise
        return Place(self, caller, page)

    @asynccontextmanager
    async def slot(self, caller: Caller, page: int = 1) -> AsyncIterator[None]:
        """Waits for room, then for the turn: one call that needs no preparation between the two."""
        place = await self.place(caller, page)
        async with place.turn():
            yield

    def forget_times(self) -> None:
        """The engine has just come: what calls took before says nothing, nor how long they have waited for it."""
        self._ended.clear()
        self._took_s, self._counted_from = 0.0, monotonic()

    def ended(self, began: float) -> None:
        """A call had its answer, or none; `began`: when its turn did, a monotonic time."""
        now = monotonic()
        took_s = now - max(began, self._counted_from)
        self.finished += 1
        self._ended.append((now, took_s))
        self._took_s += took_s
        self._forget_old_calls()

    def retry_after_s(self) -> int:
        """When the calls that are here now will be done; whole seconds, at least 1, jittered."""
        rate = self._rate()
        estimate = (self.waiting + self.running) / rate if rate else float(UNKNOWN_RETRY_AFTER_S)
        jittered = math.ceil(estimate * random.uniform(1 - JITTER, 1 + JITTER))
        return min(max(jittered, 1), LONGEST_RETRY_AFTER_S)

    def _share(self) -> int:
        """Places of one caller that keep the engine fed."""
        return 2 * self.turns.limit + USUAL_CALLS

    def _rate(self) -> float | None:
        """Calls a second that the engine can take; None if none has ended lately.

        By Little's law: as many as may run, by the time that each took lately. So an engine that had little to do is
        not taken for a slow one.
        """
        self._forget_old_calls()
        mean_s = max(self._took_s, 1e-6) / len(self._ended) if self._ended else None
        return self.turns.limit / mean_s if mean_s else None

    def _full(self, why: str) -> ServiceError:
        return ServiceError(429, "queue_full", f"The service is full: {why}.", retry_after_s=self.retry_after_s())

    def _forget_old_calls(self) -> None:
        oldest = monotonic() - RATE_WINDOW_S
        while self._ended and self._ended[0][0] < oldest:
            self._took_s -= self._ended.popleft()[1]
