"""The threads of `asyncio.to_thread`, by turns of the callers whose work waits for them."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from threading import Lock
from typing import ParamSpec, TypeVar

from common.cores import available_cores

Parameters = ParamSpec("Parameters")
T = TypeVar("T")

CALLER: ContextVar[str] = ContextVar("CALLER", default="")
"""Who asks, in the tasks of a request; empty for the service itself."""
MAX_THREADS, BESIDE_CORES = 32, 4
"""As many as asyncio's own have: some of them wait for a disk."""


class FairThreads(ThreadPoolExecutor):
    """For a loop's `set_default_executor`. By themselves such threads serve first who came first: what one caller has
    written to a disk, a thousand small files, another's page would wait for."""

    def __init__(self, threads: int = 0) -> None:
        super().__init__(threads or min(MAX_THREADS, available_cores() + BESIDE_CORES), thread_name_prefix="asyncio")
        self._changing = Lock()
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()

    def submit(self, fn: Callable[Parameters, T], /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Future[T]:
        future = Future[T]()
        work = partial(_run, future, partial(fn, *args, **kwargs))
        with self._changing:
            super().submit(self._run_next)
            self._waiting.setdefault(CALLER.get(), deque()).append(work)
        return future

    def _run_next(self) -> None:
        """Does the next work of the caller whose turn it is; there is one for each time that this is called."""
        with self._changing:
            caller, waiting = next(iter(self._waiting.items()))
            work = waiting.popleft()
            if waiting:
                self._waiting.move_to_end(caller)
            else:
                del self._waiting[caller]
        work()


def _run(future: Future[T], work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)
        del future, work  # the error and this frame would hold each other
