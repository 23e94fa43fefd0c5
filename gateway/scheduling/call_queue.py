"""The one queue of engine calls over all documents and chats: bounded, fair, safe to cancel at any point."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from time import monotonic

from gateway.errors import ServiceError
from gateway.scheduling.fair_semaphore import BATCH, INTERACTIVE, FairSemaphore, Flow, Places, has_place, reserve_of
from gateway.settings import Settings

RATE_WINDOW_S = 30.0
"""Calls that ended within this time tell how many the engine can take."""
MAX_RETRY_AFTER_S = 120
DEFAULT_RETRY_AFTER_S = 5
"""`Retry-After` while no call has ended lately."""
JITTER = 0.2
TYPICAL_CALLS = 32
"""Calls that a document of a page or two makes. Flows take turns, so of each that is there already no more than so
many go before the last of a new document's."""


class EngineTime:
    """Shares the engine's time out among the calls that run: while n run, each takes an n-th of it.

    So the shares of all calls add up to `busy_s`, the seconds in which any ran, however many did.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._running = 0
        self._since = now()
        self._busy_s = 0.0
        self._share_s = 0.0
        """What one call would have taken that has run since the start."""

    @property
    def busy_s(self) -> float:
        self._advance()
        return self._busy_s

    @contextmanager
    def hold(self) -> Iterator[Callable[[], float]]:
        """A call runs in the context; gives what tells its seconds so far."""
        self._advance()
        began_s = self._share_s
        self._running += 1

        def taken_s() -> float:
            self._advance()
            return self._share_s - began_s

        try:
            yield taken_s
        finally:
            self._advance()
            self._running -= 1

    def _advance(self) -> None:
        now = self._now()
        if self._running:
            self._busy_s += now - self._since
            self._share_s += (now - self._since) / self._running
        self._since = now


class CallQueue:
    """At most `limit` calls run, and some more of callers of which few run (`has_place`), but never more than
    `settings.max_concurrent_regions`; those of pages that have a page slot wait.

    A new document or chat is turned away (429) when `settings.max_queued_regions` calls of its caller wait, or when
    those that go before it would keep the engine busy for longer than `settings.max_wait_s` (a batch:
    `max_batch_wait_s`).
    """

    def __init__(self, settings: Settings, limit: int) -> None:
        self.in_flight = FairSemaphore(limit, burst=TYPICAL_CALLS)
        self._max_waiting = settings.max_queued_regions
        self.engine_time = EngineTime()
        self._documents = Places(settings.max_documents)
        self._chats = Places(settings.max_chats)
        self._max_wait_s = {INTERACTIVE: settings.max_wait_s, BATCH: settings.max_batch_wait_s}
        self._is_bounded = settings.max_concurrent_regions > 0
        self._recent: deque[tuple[float, float]] = deque()
        self._took_s = 0.0
        self._counted_from = 0.0
        self.set_limit(limit)

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return self.in_flight.waiting

    @property
    def running(self) -> int:
        return self.in_flight.count

    @property
    def documents(self) -> int:
        """Documents in work."""
        return self._documents.count

    @property
    def chats(self) -> int:
        """Chat requests in work."""
        return self._chats.count

    def set_limit(self, limit: int) -> None:
        """How many calls may run. One in eight more is for callers of which few run, unless the bound is the
        operator's."""
        self.in_flight.resize(limit, 0 if self._is_bounded else max(1, limit // 8))

    def require_document_place(self, flow: Flow, *, counts_calls: bool = True) -> None:
        """Raises ServiceError 429 `queue_full` where one more document of the caller would be turned away.
        `counts_calls`: by the calls that wait here, too."""
        own, count, caller = self._documents.of(flow.caller), self._documents.count, flow.caller
        if not self._documents.has_place(caller):
            raise self._queue_full(f"{own or count} documents are in work, the most this service takes at once")
        if counts_calls:
            self.require_capacity(flow)
        # Each document in work is one call at least, also while its first page is still on its way to the queue.
        calls = self._max_waiting + self.in_flight.limit
        reserve = reserve_of(self._max_waiting) + self.in_flight.reserve
        if not has_place(own, count, calls, reserve):
            raise self._queue_full(f"{own or count} documents are in work, as many as calls may run and wait")

    def require_chat_place(self, flow: Flow, *, counts_calls: bool = True) -> None:
        """As `require_document_place`, for a chat."""
        if not self._chats.has_place(flow.caller):
            raise self._queue_full(
                f"{self._chats.count} chat requests are in work, the most this service takes at once"
            )
        if counts_calls:
            self.require_capacity(flow)

    @contextmanager
    def admit(self, flow: Flow, *, counts_calls: bool = True) -> Iterator[None]:
        """Holds one document's place in the service; raises as `require_document_place`."""
        self.require_document_place(flow, counts_calls=counts_calls)
        with self._documents.hold(flow.caller):
            yield

    @contextmanager
    def admit_chat(self, flow: Flow, *, counts_calls: bool = True) -> Iterator[None]:
        """Holds one chat request's place in the service; raises as `require_chat_place`."""
        self.require_chat_place(flow, counts_calls=counts_calls)
        with self._chats.hold(flow.caller):
            yield

    def require_capacity(self, flow: Flow) -> None:
        """Raises ServiceError 429 `queue_full` where too many calls wait."""
        own = self.in_flight.waiting_of(flow.caller)
        if not has_place(own, self.waiting, self._max_waiting, reserve_of(self._max_waiting)):
            raise self._queue_full(f"{self.waiting} regions wait for the recognition engine, the most that may")
        rate = self._rate()
        before = self.in_flight.queued_before(flow, TYPICAL_CALLS)
        if rate and before > rate * self._max_wait_s[flow.priority]:
            raise self._queue_full(
                f"the {before} regions that go first need {before / rate:.0f} s of the recognition engine"
            )

    @asynccontextmanager
    async def run_slot(self, flow: Flow, page: int = 1) -> AsyncIterator[Callable[[], float]]:
        """Waits until the call may run; within, it counts as running. Gives what tells its seconds of the engine so
        far."""
        await self.in_flight.acquire(flow, page)
        began = monotonic()
        try:
            with self.engine_time.hold() as taken_s:
                yield taken_s
            self.record_call(began)
        finally:
            self.in_flight.release(flow)

    def reset_rate(self) -> None:
        """The engine has just come: what calls took before says nothing, nor how long they have waited for it."""
        self._recent.clear()
        self._took_s, self._counted_from = 0.0, monotonic()

    def record_call(self, began: float) -> None:
        """A call had its answer, or none; `began`: when its turn did, a monotonic time."""
        now = monotonic()
        took_s = now - max(began, self._counted_from)
        self._recent.append((now, took_s))
        self._took_s += took_s
        self._expire_calls()

    def retry_after_s(self) -> int:
        """When the calls that are here now will be done; whole seconds, at least 1, jittered."""
        rate = self._rate()
        estimate = (self.waiting + self.running) / rate if rate else float(DEFAULT_RETRY_AFTER_S)
        jittered = math.ceil(estimate * random.uniform(1 - JITTER, 1 + JITTER))
        return min(max(jittered, 1), MAX_RETRY_AFTER_S)

    @property
    def mean_call_s(self) -> float | None:
        """Seconds that a call took lately, from its turn on; None if none has ended."""
        self._expire_calls()
        return max(self._took_s, 1e-6) / len(self._recent) if self._recent else None

    def _rate(self) -> float | None:
        """Calls a second that the engine can take; None if none has ended lately.

        By Little's law: as many as may run, by the time that each took lately. So an engine that had little to do is
        not taken for a slow one.
        """
        mean_s = self.mean_call_s
        return self.in_flight.limit / mean_s if mean_s else None

    def _queue_full(self, why: str) -> ServiceError:
        return ServiceError(429, "queue_full", f"The service is full: {why}.", retry_after_s=self.retry_after_s())

    def _expire_calls(self) -> None:
        oldest = monotonic() - RATE_WINDOW_S
        while self._recent and self._recent[0][0] < oldest:
            self._took_s -= self._recent.popleft()[1]
