"""The whole way of a document: pages to regions, regions to readings, readings to Markdown, pages out in order.

Memory: a crop is cut and encoded when it has its place in the queue, and a page's pixels are freed when all its crops
are cut, while its calls still wait. So the pixels alive are bounded by the pixel stage, and the crops by the queue's
capacity. A page that waits for room in the queue, or for its document's share of it, gives its place in the stage to
others: where the engine is what limits, pixels are bounded by `pages_in_flight` for each document. Cutting at the
call's turn would hold a page until its last call: the few pages that may hold pixels would not keep an engine busy that
reads a hundred regions at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from functools import partial
from time import monotonic

import structlog

from gateway.assembly.page import image_key
from gateway.errors import ServiceError
from gateway.imaging.block_merging import grouped
from gateway.imaging.crops import cut_picture
from gateway.imaging.orientation import upright
from gateway.imaging.table_images import with_tags
from gateway.labels import is_picture
from gateway.model import Document, OcrOptions, PageFailure, PageImage, PageLayout
from gateway.parts import Parts
from gateway.recognition.dispatch import RegionCalls
from gateway.recognized_page import CutPage, PageView, ReadPage, failed_page, finished_page, ms_since
from gateway.scheduling.fair_semaphore import INTERACTIVE, Caller, Urgency
from gateway.scheduling.render_slots import PixelPlace
from gateway.tasks import whole_page_region

log = structlog.get_logger(__name__)

PAGES_AHEAD = 64
"""Pages read beyond the one that the client takes next; a slow client holds up its own document, not our memory."""


async def read_pages(
    parts: Parts,
    document: Document,
    options: OcrOptions,
    deadline: float,
    *,
    urgency: Urgency = INTERACTIVE,
    view: PageView | None = None,
) -> AsyncGenerator[ReadPage, None]:
    """Reads the document's pages; gives each, in order, as soon as it and all before it are done.

    `deadline` is a time of the running loop; ServiceError 504 `deadline_exceeded` once it has passed. A page that fails
    is given with status `failed`. Closing the generator drops queued calls and closes running ones.
    """
    work = _DocumentWork(parts, document, options, deadline, urgency, view)
    reading = asyncio.create_task(work.read_document())
    try:
        while (page := await work.pages.get()) is not None:
            await asyncio.wait([page])
            if page.cancelled():
                break
            yield page.result()
            work.ahead.release()
        await reading
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The document was not read before the deadline.") from None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


class _DocumentWork:
    """One document in work. `pages` holds a task for each page, in order, then None."""

    def __init__(
        self,
        parts: Parts,
        document: Document,
        options: OcrOptions,
        deadline: float,
        urgency: Urgency,
        view: PageView | None,
    ) -> None:
        self.pages: asyncio.Queue[asyncio.Task[ReadPage] | None] = asyncio.Queue()
        self.ahead = asyncio.Semaphore(PAGES_AHEAD)
        self._pixels = asyncio.Semaphore(parts.settings.pages_in_flight)
        self._parts = parts
        self._document = document
        self._options = options
        self._deadline = deadline
        self._view = view
        self._caller = Caller(urgency)
        self._calls = RegionCalls(
            parts.queue, parts.pixels, parts.engine, parts.reader, self._caller, options, deadline
        )

    async def read_document(self) -> None:
        """Starts a task for each page as soon as there is room for its pixels; ends when all have ended."""
        try:
            async with asyncio.timeout_at(self._deadline), asyncio.TaskGroup() as tasks:
                await self._start_pages(tasks)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self.pages.put_nowait(None)

    async def _start_pages(self, tasks: asyncio.TaskGroup) -> None:
        source = self._document.pages()
        for number in self._document.selected:
            await self.ahead.acquire()
            await self._pixels.acquire()
            place = await self._parts.pixels.enter(self._caller, number)
            started = monotonic()
            # No name for the page here: it would keep the pixels while the next one waits for its place.
            reading = self._read_page(await _next_page(source, place), place, ms_since(started))
            task = tasks.create_task(reading)
            # A task that is cancelled before its first step never gets to its own `finally`.
            task.add_done_callback(partial(_leave, place))
            self.pages.put_nowait(task)
        await anext(source, None)  # to its end: a generator that is forgotten before takes a task of its own to close

    async def _read_page(self, page: PageImage | PageFailure, place: PixelPlace, intake_ms: int) -> ReadPage:
        """A page from pixels to Markdown. Whatever goes wrong costs this page only."""
        number = page.number
        try:
            async with asyncio.TaskGroup() as calls:
                try:
                    cut = await self._cut_page(page, place, calls)
                finally:
                    del page
                    place.leave()
                    self._pixels.release()
            if isinstance(cut, PageFailure):
                return failed_page(cut, intake_ms=intake_ms)
            is_vlm = self._parts.engine.is_scaling
            return await asyncio.to_thread(finished_page, cut, self._options, is_vlm=is_vlm, intake_ms=intake_ms)
        except Exception:
            log.exception("page_failed", page=number)
            failure = PageFailure(number, "page_failed", "the page could not be read because of an internal fault")
            return failed_page(failure, intake_ms=intake_ms)

    async def _cut_page(
        self, page: PageImage | PageFailure, place: PixelPlace, calls: asyncio.TaskGroup
    ) -> CutPage | PageFailure:
        """Finds the regions, starts their calls and takes the pictures: all that needs the page's pixels."""
        if isinstance(page, PageFailure):
            return page
        page = await self._upright(page)
        started = monotonic()
        try:
            layout = await self._layout(page)
        except Exception:
            log.exception("layout_failed", page=page.number)
            return PageFailure(page.number, "layout_failed", "the regions of the page could not be found")
        pixels, regions, size = self._parts.pixels, layout.regions, (page.width, page.height)
        cut = CutPage(page.number, *size, page.dpi, page.angle, layout, layout_ms=ms_since(started))
        for region in regions:
            first = cut.first_of_group(region)
            if first is None and self._calls.would_wait(region):
                place.leave()
            cut.readings.append(first or await self._calls.start(page, region, regions, calls))
        for region in regions:
            if self._options.images != "none" and is_picture(region.label, self._options):
                picture = await pixels.run(partial(cut_picture, page.pixels, region.bbox))
                cut.images[image_key(page.number, region)] = picture
        if self._view:
            cut.views.update(await pixels.run(partial(self._view, page, layout.detections)))
        return cut

    async def _upright(self, page: PageImage) -> PageImage:
        """The page as people hold it, where that is asked for and can be told."""
        if not self._options.orientation:
            return page
        try:
            return await self._parts.pixels.run(partial(upright, page, self._parts.orientation))
        except Exception:
            log.exception("orientation_failed", page=page.number)
            return page

    async def _layout(self, page: PageImage) -> PageLayout:
        if self._options.task != "document":
            return PageLayout([whole_page_region(page, self._options)], ())
        layout = await self._parts.layout.detect(page, self._options.layout)
        if not self._parts.engine.is_scaling:
            return layout
        regions = grouped(layout.regions, self._options) if self._options.merge_blocks else layout.regions
        return replace(layout, regions=with_tags(regions))


async def _next_page(source: AsyncIterator[PageImage | PageFailure], place: PixelPlace) -> PageImage | PageFailure:
    try:
        return await anext(source)
    except BaseException:
        place.leave()
        raise


def _leave(place: PixelPlace, _task: asyncio.Task[ReadPage]) -> None:
    place.leave()
