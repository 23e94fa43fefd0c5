"""Who goes next: turns by priority, then by caller, then by document, safe to cancel at any point."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import Final, Generic, Literal, Protocol, TypeAlias, TypeVar

from gateway.keys.accounts import Account

Priority: TypeAlias = Literal[0, 1]
INTERACTIVE: Final = 0
BATCH: Final = 1
PRIORITIES: Mapping[str, Priority] = {"interactive": INTERACTIVE, "batch": BATCH}
"""As clients name them."""
BATCH_PENALTY_S = 30.0
PAGE_PENALTY_S = 0.01
"""In the engine's queue a batch's call stands as if it had come so much later, and a page's call for each page before
it. Nobody waits for ever: the time that stands for those who come later grows."""
BATCH_SHARE = 8
"""Of so many turns one is a batch's, however many interactive callers wait."""
HEAVY_COST = 4
"""A turn of a caller that has had many counts for so many of one that comes anew."""


def engine_priority(priority: Priority, page: int = 1) -> int:
    """vLLM's `priority` of a call that is sent now; the least goes first. The canary's is 0."""
    penalty_s = PAGE_PENALTY_S * min(page, 100) + (BATCH_PENALTY_S if priority == BATCH else 0)
    return round(1000 * (monotonic() + penalty_s))


class Flow:
    """One document, or one chat request, of a caller. The queues are fair between callers of one priority, and between
    the flows of each, whatever each asks for.

    `caller` names who asks: by the owner of a key or by an address; empty for the service itself. `account`: of the key
    whose limits the pages count in.
    """

    def __init__(self, priority: Priority = INTERACTIVE, caller: str = "", account: Account | None = None) -> None:
        self.priority = priority
        self.caller = caller
        self.account = account


class Slot:
    """What a flow has taken of one semaphore or several. Releasing it twice does nothing."""

    def __init__(self, flow: Flow, *semaphores: FairSemaphore) -> None:
        self._flow = flow
        self._semaphores = semaphores

    def release(self) -> None:
        semaphores, self._semaphores = self._semaphores, ()
        for semaphore in semaphores:
            semaphore.release(self._flow)


def has_place(own: int, count: int, limit: int, reserve: int) -> bool:
    """Whether a caller that holds `own` of `count` places in use may have one more.

    One caller gets `limit` at most. Where they are in use, the `reserve` beyond is for callers that hold fewer than are
    left of it: so one that comes anew finds a place, however many the others hold.
    """
    left = limit + reserve - count
    return own < limit and left > 0 and (count < limit or own < left)


def reserve_of(limit: int) -> int:
    """How many places to keep beyond a limit for callers that hold few."""
    return max(1, limit // 4)


class Places:
    """Places that nobody waits for: a caller has one, or is refused. One caller gets `limit` at most, and as many again
    are for callers that hold few: with fewer, one of many keys that floods had the others refused."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._held: Counter[str] = Counter()

    @property
    def count(self) -> int:
        return self._held.total()

    def of(self, caller: str) -> int:
        """Places that a caller holds."""
        return self._held[caller]

    def has_place(self, caller: str) -> bool:
        return has_place(self._held[caller], self.count, self.limit, self.limit)

    @contextmanager
    def hold(self, caller: str) -> Iterator[None]:
        """Takes a place, whether there is one or not."""
        self._held[caller] += 1
        try:
            yield
        finally:
            _decrement(self._held, caller)


class _WaitQueue:
    """The calls of one flow that wait, earlier pages first, equals in order of arrival."""

    def __init__(self) -> None:
        self._waiters: list[tuple[int, int, asyncio.Future[None]]] = []
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._waiters) - self._cancelled

    def push(self, page: int, order: int, waiter: asyncio.Future[None]) -> None:
        heapq.heappush(self._waiters, (page, order, waiter))

    def cancel(self) -> None:
        """One of those in line waits no more; its future is cancelled."""
        self._cancelled += 1

    def pop(self) -> asyncio.Future[None] | None:
        """Takes the next that has not given up; None if there is none."""
        while self._waiters:
            waiter = heapq.heappop(self._waiters)[2]
            if not waiter.done():
                return waiter
            self._cancelled -= 1
        return None


class _Waiting(Protocol):
    def __len__(self) -> int: ...

    def pop(self) -> asyncio.Future[None] | None: ...


Key = TypeVar("Key")
Queue = TypeVar("Queue", bound=_Waiting)


class _TurnQueue(Generic[Key, Queue]):
    """Queues that take turns as in self-clocked fair queueing (Golestani 1994).

    Each has a tag that grows with every turn, the least goes next, and one that comes anew begins one turn after the
    tag of the present one. So whoever asks for little waits for one round, however much others have asked for before,
    and those who come anew without end starve nobody. The first `burst` turns of a queue that has come anew count for a
    `HEAVY_COST`th: one that asks for little at a time gets ahead of one that always asks for more.
    """

    served: Key
    """Whose the last waiter was that was taken."""

    def __init__(self, create: Callable[[], Queue], burst: int = 0) -> None:
        self.queues: dict[Key, Queue] = {}
        self._create = create
        self._burst = burst
        self._turns: list[tuple[int, int, Key]] = []
        self._taken: Counter[Key] = Counter()
        self._order = itertools.count()
        self._now = 0

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def queue_of(self, key: Key) -> Queue:
        """The queue of that key, which waits for its turn from now on."""
        if key not in self.queues:
            self.queues[key] = self._create()
            self._schedule(key, self._now + self._cost(key))
        return self.queues[key]

    def pop(self, may_go: Callable[[Key], bool] = lambda _key: True) -> asyncio.Future[None] | None:
        """Takes the next waiter of the queue whose turn it is, of those whose key may go; None if there is none."""
        passed_over: list[tuple[int, int, Key]] = []
        waiter = None
        while waiter is None and self._turns:
            turn = heapq.heappop(self._turns)
            if may_go(turn[2]):
                waiter = self._take(turn[0], turn[2])
            else:
                passed_over.append(turn)
        for turn in passed_over:
            heapq.heappush(self._turns, turn)
        return waiter

    def _take(self, tag: int, key: Key) -> asyncio.Future[None] | None:
        waiter = self.queues[key].pop()
        if waiter is None:
            del self.queues[key], self._taken[key]
            return None
        self.served = key
        self._now = max(self._now, tag)
        self._taken[key] += 1
        self._schedule(key, self._now + self._cost(key))
        return waiter

    def _cost(self, key: Key) -> int:
        return 1 if self._taken[key] < self._burst else HEAVY_COST

    def _schedule(self, key: Key, tag: int) -> None:
        heapq.heappush(self._turns, (tag, next(self._order), key))


_CallerQueue: TypeAlias = "_TurnQueue[Flow, _WaitQueue]"


class FairSemaphore:
    """A semaphore whose limit may change while it is held, and whose waiters go by priority, then in turn by caller,
    and among the flows of a caller in turn by flow.

    A batch gets what interactive callers leave, and one turn in `BATCH_SHARE` in any case, so that it never starves.
    `limit` is what one caller may hold; all together may hold `reserve` more (`has_place`). `burst`: turns in which a
    caller that comes anew is favoured.
    """

    def __init__(self, limit: int, reserve: int = 0, burst: int = 0) -> None:
        self._limit = limit
        self._reserve = reserve
        self._held: Counter[str] = Counter()
        self._count = 0
        self._order = itertools.count()
        self._waiting: Mapping[Priority, _TurnQueue[str, _CallerQueue]] = {
            priority: _TurnQueue(_create_caller_queue, burst) for priority in (INTERACTIVE, BATCH)
        }
        self._skipped_batches = 0

    @property
    def count(self) -> int:
        return self._count

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def waiting_of(self, caller: str) -> int:
        """Waiters of one caller."""
        queues = (waiting.queues.get(caller, ()) for waiting in self._waiting.values())
        return sum(map(len, queues))

    @property
    def limit(self) -> int:
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self.resize(limit, self._reserve)

    @property
    def reserve(self) -> int:
        return self._reserve

    def resize(self, limit: int, reserve: int) -> None:
        self._limit, self._reserve = limit, reserve
        self._wake()

    def has_place(self, caller: str) -> bool:
        """Whether a caller could hold one more, if nobody waited."""
        return has_place(self._held[caller], self._count, self._limit, self._reserve)

    def queued_before(self, flow: Flow, share: int) -> int:
        """Waiters whose turn comes before that of a flow that asks for `share` turns, or for one more than wait for it
        already: no more of any other flow of its caller, and of any other caller no more than its own caller has by
        then."""
        share = max(share, self._waiting_of_flow(flow))
        queues = [self._waiting[priority].queues for priority in self._waiting if priority <= flow.priority]
        own = sum(
            min(len(wait_queue), share)
            for callers in queues
            if flow.caller in callers
            for wait_queue in callers[flow.caller].queues.values()
        )
        others = sum(
            min(len(queue), own + share)
            for callers in queues
            for caller, queue in callers.items()
            if caller != flow.caller
        )
        return own + others

    def _waiting_of_flow(self, flow: Flow) -> int:
        callers = self._waiting[flow.priority].queues
        wait_queue = callers[flow.caller].queues.get(flow) if flow.caller in callers else None
        return 0 if wait_queue is None else len(wait_queue)

    async def acquire(self, flow: Flow, page: int) -> None:
        if not self._has_waiters() and self.has_place(flow.caller):
            self._take_place(flow.caller)
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wait_queue = self._waiting[flow.priority].queue_of(flow.caller).queue_of(flow)
        wait_queue.push(page, next(self._order), waiter)
        self._wake()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                wait_queue.cancel()
            else:
                self.release(flow)
            raise

    def release(self, flow: Flow) -> None:
        _decrement(self._held, flow.caller)
        self._count -= 1
        self._wake()

    def _wake(self) -> None:
        while self._has_waiters() and self._count < self._limit + self._reserve:
            order: tuple[Priority, Priority] = (INTERACTIVE, BATCH)
            if self._skipped_batches >= BATCH_SHARE - 1:
                order = (BATCH, INTERACTIVE)
            if not any(self._grant(priority) for priority in order):
                return

    def _has_waiters(self) -> bool:
        return bool(self._waiting[INTERACTIVE].queues or self._waiting[BATCH].queues)

    def _take_place(self, caller: str) -> None:
        self._held[caller] += 1
        self._count += 1

    def _grant(self, priority: Priority) -> bool:
        waiting = self._waiting[priority]
        waiter = waiting.pop(self.has_place)
        if waiter is None:
            return False
        self._take_place(waiting.served)
        is_batch_waiting = bool(self._waiting[BATCH].queues)
        self._skipped_batches = self._skipped_batches + 1 if priority == INTERACTIVE and is_batch_waiting else 0
        waiter.set_result(None)
        return True


def _create_caller_queue() -> _CallerQueue:
    return _TurnQueue(_WaitQueue)


def _decrement(held: Counter[str], caller: str) -> None:
    """A caller that holds nothing is forgotten."""
    held[caller] -= 1
    if held[caller] <= 0:
        del held[caller]
