"""The stage in which pages are pixels: rendered, laid out, cut. So many of all documents at once, in fair turns.

What waits for this machine's cores waits here, before it takes memory; what waits for the engine waits in its queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from common.cores import available_cores
from gateway.scheduling.fair_semaphore import Caller, FairSemaphore
from gateway.settings import Settings

T = TypeVar("T")

MOST_THREADS = 4
"""Each cuts some fifty pages a second."""


class PixelPlace:
    """A page's place in the stage. Leaving twice does nothing."""

    def __init__(self, stage: FairSemaphore) -> None:
        self._stage = stage
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._stage.release()


class PixelStage:
    """Places for the pages that render workers, layout and the threads here have in hand, so that none of them waits
    for another; more would only lie in memory.

    The threads are fewer than the cores: one that holds the interpreter's lock and has lost its core keeps the event
    loop waiting. With six on two cores the loop's lag was 18 ms at the 99th percentile, with one 8 ms.
    """

    def __init__(self, settings: Settings) -> None:
        cores = available_cores()
        threads = min(max(1, cores - 1), MOST_THREADS)
        self._places = FairSemaphore(settings.render_workers + cores + threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="pixels")

    @property
    def pages(self) -> int:
        """Pages in the stage."""
        return self._places.held

    async def enter(self, caller: Caller, page: int) -> PixelPlace:
        """Waits for a place: batches behind interactive callers, documents in turn, earlier pages first."""
        await self._places.acquire(caller, page)
        return PixelPlace(self._places)

    async def run(self, work: Callable[[], T]) -> T:
        """Does what needs a page's pixels in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
