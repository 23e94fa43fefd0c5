"""The render workers, shared by all documents. One that dies or hangs costs the page it worked on, and is replaced.

All talk with workers happens in threads of the pool's own, so neither 100 MB of a document nor a hung worker ever holds
up the event loop or the default executor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from gateway.errors import ServiceError
from gateway.intake.render.worker_process import OpenResult, SourceFile, WorkerLost, WorkerProcess
from gateway.model import PageImage
from gateway.runtime import repeat
from gateway.scheduling.fair_semaphore import FairSemaphore, Flow, reserve_of
from gateway.settings import Settings

T = TypeVar("T")
Rank = Callable[[WorkerProcess], tuple[bool, ...]]

_START_TIMEOUT_S = 30.0  # a cold disk under load
_CHECK_INTERVAL_S = 1.0  # how soon a worker that died idle is noticed, and how soon a failed start is tried again
BURST_REQUESTS = 4
"""A small document's: for so many a caller that comes anew is favoured."""

log = structlog.get_logger(__name__)


class RenderPool:
    """`settings.render_workers` processes that open documents and render pages, one request at a time each, in turn by
    caller and document.

    A page goes to the worker that served its document last, if that is free; any other opens the document anew.

    One caller keeps no more of them busy than that. From the second caller on there are more processes, for callers
    that have few requests here: those of another may take all of their time, and a process can't be taken away.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # A worker being replaced may need a thread beside the one that waits for it to end.
        processes = settings.render_workers + reserve_of(settings.render_workers)
        self._executor = ThreadPoolExecutor(2 * processes, thread_name_prefix="render")
        self._turns = FairSemaphore(settings.render_workers, burst=BURST_REQUESTS)
        self._first_caller: str | None = None
        self._has_reserve = False
        self._workers: list[WorkerProcess] = []
        self._idle: list[WorkerProcess] = []
        self._free = asyncio.Semaphore(0)  # one for each idle worker
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watch: asyncio.Task[None] | None = None
        self._start_failed = False
        self._closing = False

    @property
    def alive(self) -> bool:
        """Whether documents can be opened: started, not closed, and the last worker that was started came up."""
        return self._watch is not None and not self._closing and not self._start_failed

    async def start(self) -> None:
        """Raises RuntimeError, with a sentence for a person, if the processes can't be started."""
        starts = [self._start_worker() for _ in range(self._settings.render_workers)]
        started = await asyncio.gather(*starts, return_exceptions=True)
        failures = [result for result in started if isinstance(result, BaseException)]
        if failures:
            await self.close()
            raise RuntimeError(
                "The render workers can't start: see their message above, and whether RENDER_MEMORY_MB "
                f"({self._settings.render_memory_mb}) is too low."
            ) from failures[0]
        for worker in list(self._workers):
            self._add_idle(worker)
        self._watch = asyncio.create_task(repeat(self._sweep, _CHECK_INTERVAL_S))

    async def close(self) -> None:
        """Ends all workers; what waits for one fails. Safe to call twice."""
        self._closing = True
        if self._watch:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        for worker in self._workers:
            worker.kill()
        self._free.release()
        while self._tasks:
            await asyncio.wait(self._tasks)
        for worker in self._workers:
            await asyncio.to_thread(worker.close)
        self._workers.clear()
        await asyncio.to_thread(self._executor.shutdown)

    async def open(self, flow: Flow, file: SourceFile, pages: str | None, max_pages: int) -> OpenResult:
        """Raises ServiceError for a file or selection that can't be served, WorkerLost."""
        return await self._run(flow, 0, file, lambda worker: worker.open(file, pages, max_pages))

    async def page(self, flow: Flow, file: SourceFile, number: int) -> PageImage:
        """Raises ServiceError for a page that can't be made into pixels, WorkerLost."""
        return await self._run(flow, number, file, lambda worker: worker.page(file, number))

    async def _run(self, flow: Flow, page: int, file: SourceFile, job: Callable[[WorkerProcess], T]) -> T:
        self._note_caller(flow.caller)
        await self._turns.acquire(flow, page)
        try:
            worker = await self._take(lambda worker: (not worker.alive, worker.last_key != file.key))
        except BaseException:
            self._turns.release(flow)
            raise
        worker.last_key = file.key
        # A caller that leaves doesn't leave the worker in the middle of an answer: the exchange goes on to its end, and
        # takes its turn for so long.
        return await asyncio.shield(self._background(self._exchange(flow, worker, job, file.media_type)))

    def _note_caller(self, caller: str) -> None:
        """Starts the processes for others as soon as there is a second caller, and not only when it has to wait."""
        self._first_caller = self._first_caller or caller
        if self._has_reserve or caller in ("", self._first_caller):
            return
        self._has_reserve = True
        for _ in range(reserve_of(self._settings.render_workers)):
            self._background(self._start_more())

    async def _start_more(self) -> None:
        if (worker := await self._start_until_ready()) is not None:
            self._release(worker)
            self._turns.resize(self._turns.limit, self._turns.reserve + 1)

    async def _exchange(
        self, flow: Flow, worker: WorkerProcess, job: Callable[[WorkerProcess], T], media_type: str
    ) -> T:
        try:
            return await self._call(worker, job, self._settings.render_timeout_s)
        except WorkerLost as lost:
            log.warning("render_worker_lost", pid=worker.pid, reason=lost.reason, media_type=media_type)
            raise
        finally:
            # The turn lasts until there is a worker for the next one: who waits without a worker would take that of
            # others.
            self._release(worker, lambda: self._turns.release(flow))

    async def _call(self, worker: WorkerProcess, job: Callable[[WorkerProcess], T], timeout_s: float) -> T:
        """Runs a job in a thread. After a timeout or a cancellation the worker is dead."""
        call = asyncio.get_running_loop().run_in_executor(self._executor, job, worker)
        call.add_done_callback(_retrieve)
        try:
            done, _ = await asyncio.wait({call}, timeout=timeout_s)
        except asyncio.CancelledError:
            worker.kill()
            raise
        if done:
            return call.result()
        worker.kill()
        await asyncio.wait({call})
        raise WorkerLost("timeout")

    async def _take(self, rank: Rank) -> WorkerProcess:
        """The idle worker that ranks lowest, waiting in turn until one lives."""
        while True:
            await self._free.acquire()
            if self._closing:
                self._free.release()
                raise ServiceError(503, "shutting_down", "The service is shutting down.", retry_after_s=5)
            worker = min(self._idle, key=rank)
            self._idle.remove(worker)
            if worker.alive:
                return worker
            self._release(worker)

    def _add_idle(self, worker: WorkerProcess) -> None:
        self._idle.append(worker)
        self._free.release()

    def _release(self, worker: WorkerProcess, then: Callable[[], None] = lambda: None) -> None:
        """Makes the worker free, or replaces it first; `then` is called when one is free."""
        if self._closing:
            then()
        elif worker.alive and not worker.needs_restart:
            self._add_idle(worker)
            then()
        else:
            self._background(self._recycle(worker, then))

    async def _recycle(self, worker: WorkerProcess, then: Callable[[], None]) -> None:
        self._workers.remove(worker)
        try:
            await asyncio.to_thread(worker.close)
            if (fresh := await self._start_until_ready()) is not None:
                self._release(fresh)
        finally:
            then()

    async def _start_until_ready(self) -> WorkerProcess | None:
        """A worker, however often starting one fails; None when the pool is closed meanwhile."""
        while not self._closing:
            try:
                worker = await self._start_worker()
            except (OSError, WorkerLost) as error:
                self._start_failed = True
                log.error("render_worker_start_failed", reason=str(error))
                await asyncio.sleep(_CHECK_INTERVAL_S)
            else:
                self._start_failed = False
                return worker
        return None

    async def _start_worker(self) -> WorkerProcess:
        """Raises OSError, WorkerLost."""
        loop = asyncio.get_running_loop()
        settings = self._settings
        spawning = loop.run_in_executor(self._executor, WorkerProcess, settings.render_memory_mb, settings.font_dir)
        try:
            worker = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            # The thread goes on, and the process that it starts would have nobody to end it.
            spawning.add_done_callback(_close_worker)
            raise
        self._workers.append(worker)
        try:
            await self._call(worker, WorkerProcess.wait_ready, _START_TIMEOUT_S)
        except WorkerLost:
            self._workers.remove(worker)
            await asyncio.to_thread(worker.close)
            raise
        return worker

    async def _sweep(self) -> None:
        """Replaces workers that died idle: taking one finds the dead first and recycles them."""
        if any(not worker.alive for worker in self._idle):
            log.warning("render_worker_lost", reason="died idle")
            with suppress(ServiceError):
                self._release(await self._take(lambda worker: (worker.alive,)))

    def _background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_retrieve)
        return task


def _close_worker(spawning: asyncio.Future[WorkerProcess]) -> None:
    if not spawning.cancelled() and spawning.exception() is None:
        spawning.result().close()


def _retrieve(call: asyncio.Future[Any]) -> None:
    """Looks at the outcome, so that asyncio doesn't complain when nobody waits for it any more."""
    if not call.cancelled():
        call.exception()
