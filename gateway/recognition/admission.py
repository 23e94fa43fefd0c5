"""The one queue of engine calls over all documents and chats: bounded, fair, safe to cancel at any point."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import random
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from gateway.errors import ServiceError
from gateway.settings import Settings

INTERACTIVE, BATCH = 0, 1
RATE_WINDOW_S = 30.0
"""Calls that finished within this time make the rate from which `Retry-After` is estimated."""
LONGEST_RETRY_AFTER_S = 120
UNKNOWN_RETRY_AFTER_S = 5
"""`Retry-After` while no call has finished lately."""
JITTER = 0.2


class Caller:
    """One document, or one chat request: the queue is fair between callers of one urgency, whatever each asks for."""

    def __init__(self, urgency: int = INTERACTIVE) -> None:
        self.urgency = urgency


class _Line:
    """The calls of one caller that wait, earlier pages first, equals in order of arrival."""

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []

    def join(self, page: int, order: int, waiter: asyncio.Future[None]) -> None:
        heapq.heappush(self._waiters, (page, order, waiter))

    def next(self) -> asyncio.Future[None] | None:
        """Takes the next that has not given up; None if there is none."""
        while self._waiters:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                return waiter
        return None


class FairSemaphore:
    """A semaphore whose limit may change while it is held, and whose waiters go by urgency, then in turn by caller.

    Callers take turns as in start-time fair queueing (Goyal, Vin, Chen 1996): each has a tag that grows by one a turn,
    the least goes next, and one that comes anew begins at the tag of the present turn. So whoever asks for little waits
    for one round, however much others have asked for before.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._order = itertools.count()
        self._lines: dict[Caller, _Line] = {}
        self._turns: list[tuple[int, int, int, Caller]] = []
        self._now: defaultdict[int, int] = defaultdict(int)

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

    async def acquire(self, caller: Caller, page: int) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if caller not in self._lines:
            self._lines[caller] = _Line()
            self._take_turn(caller, self._now[caller.urgency])
        self._lines[caller].join(page, next(self._order), waiter)
        self._wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()
            raise

    def release(self) -> None:
        self._held -= 1
        self._wake()

    def _take_turn(self, caller: Caller, tag: int) -> None:
        heapq.heappush(self._turns, (caller.urgency, tag, next(self._order), caller))

    def _wake(self) -> None:
        while self._turns and self._held < self._limit:
            urgency, tag, _, caller = heapq.heappop(self._turns)
            waiter = self._lines[caller].next()
            if waiter is None:
                del self._lines[caller]
                continue
            self._now[urgency] = tag
            self._take_turn(caller, tag + 1)
            self._held += 1
            waiter.set_result(None)


class Place:
    """A place in the queue: it counts as waiting until its turn begins or it is left. Leaving twice does nothing."""

    def __init__(self, queue: RegionQueue, caller: Caller, page: int) -> None:
        self._queue = queue
        self._caller = caller
        self._page = page
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._queue.room.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until the call may run; within, it counts as running."""
        try:
            await self._queue.turns.acquire(self._caller, self._page)
        finally:
            self.leave()
        try:
            yield
            self._queue.completed()
        finally:
            self._queue.turns.release()


class RegionQueue:
    """At most `settings.max_queued_regions` calls wait, at most `limit` run.

    A new document is turned away (429) when the queue is full; one that is in work waits for room instead.
    """

    def __init__(self, settings: Settings, limit: int) -> None:
        self.room = FairSemaphore(settings.max_queued_regions)
        self.turns = FairSemaphore(limit)
        self._max_documents = settings.max_documents
        self._max_chats = settings.max_chats
        self._documents = 0
        self._chats = 0
        self._completions: deque[float] = deque()

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
    def admit(self) -> Iterator[None]:
        """Holds one document's place in the service; raises ServiceError 429 `queue_full` when there is none."""
        if self._documents >= self._max_documents:
            raise self._full(f"{self._documents} documents are in work, the most this service takes at once")
        if self.waiting >= self.room.limit:
            raise self._full(f"{self.waiting} regions wait for the recognition engine, the most that may")
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
        if self.waiting >= self.room.limit:
            raise self._full(f"{self.waiting} calls wait for the recognition engine, the most that may")
        self._chats += 1
        try:
            yield
        finally:
            self._chats -= 1

    async def place(self, caller: Caller, page: int = 1) -> Place:
        """Waits for room in the queue and takes it. Whoever gets the place sees to it that it is left."""
        await self.room.acquire(caller, page)
        return Place(self, caller, page)

    @asynccontextmanager
    async def slot(self, caller: Caller, page: int = 1) -> AsyncIterator[None]:
        """Waits for room, then for the turn: one call that needs no preparation between the two."""
        place = await self.place(caller, page)
        async with place.turn():
            yield

    def completed(self) -> None:
        self._completions.append(monotonic())
        self._forget_old_completions()

    def retry_after_s(self) -> int:
        """When the calls that are here now will be done at the recent rate; whole seconds, at least 1, jittered."""
        self._forget_old_completions()
        if not self._completions:
            estimate = float(UNKNOWN_RETRY_AFTER_S)
        else:
            estimate = (self.waiting + self.running) * RATE_WINDOW_S / len(self._completions)
        jittered = math.ceil(estimate * random.uniform(1 - JITTER, 1 + JITTER))
        return min(max(jittered, 1), LONGEST_RETRY_AFTER_S)

    def _full(self, why: str) -> ServiceError:
        return ServiceError(429, "queue_full", f"The service is full: {why}.", retry_after_s=self.retry_after_s())

    def _forget_old_completions(self) -> None:
        oldest = monotonic() - RATE_WINDOW_S
        while self._completions and self._completions[0] < oldest:
            self._completions.popleft()
