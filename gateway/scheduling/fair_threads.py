"""The threads of `asyncio.to_thread`, by turns of the callers whose work waits for them."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import ParamSpec, TypeVar

from common.cores import available_cores
from gateway.scheduling.fair_semaphore import has_place, reserve_of

Parameters = ParamSpec("Parameters")
T = TypeVar("T")

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""Who asks, in the tasks of a request; empty for the service itself."""
MAX_THREADS, BESIDE_CORES = 32, 4
"""As many as asyncio's own have: some of them wait for a disk."""


class FairThreads(ThreadPoolExecutor):
    """For a loop's `set_default_executor`. By themselves such threads serve first who came first: what one caller has
    written to a disk, a thousand small files, another's page would wait for.

    One caller has `threads` at most; as many as `reserve_of` says are there beyond, for callers that hold few
    (`has_place`).
    """

    def __init__(self, threads: int = 0) -> None:
        self._limit = threads or min(MAX_THREADS, available_cores() + BESIDE_CORES)
        self._reserve = reserve_of(self._limit)
        super().__init__(self._limit + self._reserve, thread_name_prefix="asyncio")
        self._changing = Lock()
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()
        """Work of callers that have no place: each end of other work makes one for one caller at most."""

    def submit(self, fn: Callable[Parameters, T], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Future[T]:
        future = Future[T]()
        work = partial(_run, future, partial(fn, *args, **kwargs))
        caller = CALLER.get()
        with self._changing:
            if self._has_place(caller):
                super().submit(self._run_by_turns, [(caller, work)])
                self._held[caller] += 1
            else:
                self._waiting.setdefault(caller, deque()).append(work)
        return future

    def _has_place(self, caller: str) -> bool:
        return has_place(self._held[caller], self._held.total(), self._limit, self._reserve)

    def _run_by_turns(self, first: list[tuple[str, Callable[[], None]]]) -> None:
        """Does a caller's work, then what waits and may go, until nothing does. Work that is done is held by nothing:
        hence the list, which is emptied."""
        following: tuple[str, Callable[[], None]] | None = first.pop()
        while following:
            caller, work = following
            del following
            work()
            del work
            with self._changing:
                self._held -= Counter((caller,))
                following = self._take_next()

    def _take_next(self) -> tuple[str, Callable[[], None]] | None:
        """The next work of the caller whose turn it is, of those that may have one more thread."""
        caller = next(filter(self._has_place, self._waiting), None)
        if caller is None:
            return None
        waiting = self._waiting[caller]
        work = waiting.popleft()
        if waiting:
            self._waiting.move_to_end(caller)
        else:
            del self._waiting[caller]
        self._held[caller] += 1
        return caller, work


def _run(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
        del future, work  # the error and this frame would hold each other
