"""Slots for pages: one from their start until their calls run, one more while they are pixels. Both in fair turns.

What waits for this machine's cores waits for a render slot, before it takes memory. What waits for the engine holds a
page slot and no pixels: its crops, some 1.6 MB a page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from common.cores import available_cores
from gateway.scheduling.fair_semaphore import FairSemaphore, Flow, Slot, reserve_of
from gateway.settings import Settings

T = TypeVar("T")

REGIONS_A_PAGE = 16
"""By which the calls that may wait become pages that may: those of a page of print."""
MAX_THREADS = 4
"""Each cuts some fifty pages a second."""
BURST_PAGES, TYPICAL_CUTS = 4, 32
"""A small document's pages and crops, for which a caller that comes anew is favoured."""


class PageSlot(Slot):
    """Releases itself when the page is cut and all its calls have begun."""

    def __init__(self, flow: Flow, pages: FairSemaphore, share: asyncio.Semaphore) -> None:
        super().__init__(flow, pages)
        self._share: asyncio.Semaphore | None = share
        self._awaited = 1

    def release(self) -> None:
        share, self._share = self._share, None
        super().release()
        if share is not None:
            share.release()

    def add_call(self) -> None:
        """A call of the page begins to wait."""
        self._awaited += 1

    def advance(self) -> None:
        """One of its calls has begun, or the page is cut."""
        self._awaited -= 1
        if self._awaited == 0:
            self.release()


class PageSlots:
    """Page slots bound the crops that wait, render slots the pages that render workers, layout and the threads here
    have in hand, so that none of them waits for another; more would only lie in memory. One in four more of either is
    for callers that have few pages here: the slots of another may all be taken by pages that take long. So are turns
    at the layout, and one more thread.

    The threads of one caller are fewer than the cores: one that holds the interpreter's lock and has lost its core
    keeps the event loop waiting. With six on two cores the loop's lag was 18 ms at the 99th percentile, with one 8 ms.
    """

    def __init__(self, settings: Settings) -> None:
        cores = available_cores()
        threads = min(max(1, cores - 1), MAX_THREADS)
        waiting, rendered = (
            max(1, settings.max_queued_regions // REGIONS_A_PAGE),
            settings.render_workers + cores + threads,
        )
        self._pages = FairSemaphore(waiting, reserve_of(waiting), burst=BURST_PAGES)
        self._rendered = FairSemaphore(rendered, reserve_of(rendered), burst=BURST_PAGES)
        self._layout_turns = FairSemaphore(1, reserve_of(1), burst=BURST_PAGES)
        self._thread_turns = FairSemaphore(threads, reserve_of(threads), burst=TYPICAL_CUTS)
        self._threads = ThreadPoolExecutor(threads + reserve_of(threads), thread_name_prefix="pixels")
        self._layout_threads = ThreadPoolExecutor(cores + reserve_of(cores), thread_name_prefix="lines")

    @property
    def pages(self) -> int:
        """Pages from their start until all their calls have begun."""
        return self._pages.count

    @property
    def rendered(self) -> int:
        """Pages that are rendered, laid out or cut."""
        return self._rendered.count

    async def acquire_page(self, flow: Flow, page: int, share: asyncio.Semaphore) -> PageSlot:
        """Waits for a page slot: batches behind interactive flows, documents in turn, earlier pages first.

        `share`: of how many one document may have at once.
        """
        await share.acquire()
        try:
            await self._pages.acquire(flow, page)
        except BaseException:
            share.release()
            raise
        return PageSlot(flow, self._pages, share)

    async def acquire_render(self, flow: Flow, page: int) -> Slot:
        """Waits for a render slot, in the same order."""
        await self._rendered.acquire(flow, page)
        return Slot(flow, self._rendered)

    @asynccontextmanager
    async def layout_turn(self, flow: Flow, page: int, pages_at_once: int) -> AsyncIterator[None]:
        """Waits until a detector that works on `pages_at_once` takes one more: inside, first come is first served."""
        if pages_at_once != self._layout_turns.limit:
            self._layout_turns.resize(pages_at_once, reserve_of(pages_at_once))
        await self._layout_turns.acquire(flow, page)
        try:
            yield
        finally:
            self._layout_turns.release(flow)

    async def run_layout(self, flow: Flow, page: int, pages_at_once: int, work: Callable[[], T]) -> T:
        """Does what takes the place of the layout, and as long, in a layout turn; no page waits for it to be cut."""
        async with self.layout_turn(flow, page, pages_at_once):
            return await asyncio.get_running_loop().run_in_executor(self._layout_threads, work)

    async def run(self, flow: Flow, page: int, work: Callable[[], T]) -> T:
        """Does what needs a page's pixels in one of the threads."""
        await self._thread_turns.acquire(flow, page)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._thread_turns.release(flow)

    def close(self) -> None:
        for threads in (self._threads, self._layout_threads):
            threads.shutdown(wait=False, cancel_futures=True)
