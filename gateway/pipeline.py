"""The whole way of a document: pages to regions, regions to readings, readings to Markdown, pages out in order.

Memory: a crop is cut and encoded when it has its place in the queue, and a page's pixels are freed when all its crops
are cut, while its calls still wait. So the pixels alive are bounded by `pages_in_flight` for each document, and the
crops by the queue's capacity. Cutting at the call's turn would hold a page until its last call: the few pages that may
hold pixels would not keep an engine busy that reads a hundred regions at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import monotonic

import structlog

from gateway.assembly.clean import clean_reading
from gateway.assembly.images import image_key
from gateway.assembly.labels import is_picture
from gateway.assembly.page import assemble_failure, assemble_page
from gateway.errors import ServiceError
from gateway.intake.workers import RenderPool
from gateway.layout import create_layout
from gateway.layout.base import LayoutDetector
from gateway.model import Document, OcrOptions, PageFailure, PageImage, PageLayout, PageResult, Reading, Region, Usage
from gateway.orientation import Orientation, angle_of, upright
from gateway.recognition import create_recognition
from gateway.recognition.admission import Place, RegionQueue
from gateway.recognition.chat import ChatCaller
from gateway.recognition.crops import Crop, cut_crop, cut_picture
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.fairness import INTERACTIVE, Caller, Urgency, engine_priority
from gateway.recognition.figures import with_tags
from gateway.recognition.groups import grouped
from gateway.recognition.tasks import RegionTask, task_for, whole_page
from gateway.recognition.vlm import RegionReader
from gateway.settings import Settings

log = structlog.get_logger(__name__)

PAGES_AHEAD = 64
"""Pages read beyond the one that the client takes next; a slow client holds up its own document, not our memory."""

PageSource = PageImage | PageFailure
PageView = Callable[[PageImage, Sequence[Region]], Mapping[str, bytes]]
"""Pictures of a whole page by name, made in a thread while its pixels are there."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading a document, and chat, take; made once for the process."""

    settings: Settings
    pool: RenderPool
    layout: LayoutDetector
    queue: RegionQueue
    engine: EngineMonitor
    reader: RegionReader
    chat: ChatCaller
    orientation: Orientation = angle_of


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page, finished. `images` maps keys of the Markdown to JPEG bytes; times are milliseconds.

    `regions` stand as the result's blocks do; `detections` are the layout model's boxes; `views` are what the caller's
    `PageView` made of the page and those.
    """

    result: PageResult
    images: Mapping[str, bytes] = field(default_factory=dict)
    regions: Sequence[Region] = ()
    detections: Sequence[Region] = ()
    views: Mapping[str, bytes] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    intake_ms: int = 0
    layout_ms: int = 0
    recognition_ms: int = 0


def create_parts(settings: Settings) -> Parts:
    """The parts that the settings ask for, not yet started."""
    made = create_recognition(settings)
    pool, layout = RenderPool(settings), create_layout(settings)
    return Parts(settings, pool, layout, made.queue, made.engine, made.reader, made.chat)


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
    work = _Work(parts, document, options, deadline, urgency, view)
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


class _Work:
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
        self._caller = Caller(urgency)
        self._view = view

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
        with suppress(StopAsyncIteration):
            while True:
                await self.ahead.acquire()
                await self._pixels.acquire()
                started = monotonic()
                reading = self._read_page(await anext(source), _ms_since(started))
                self.pages.put_nowait(tasks.create_task(reading))

    async def _read_page(self, page: PageSource, intake_ms: int) -> ReadPage:
        """A page from pixels to Markdown. Whatever goes wrong costs this page only."""
        number = page.number
        try:
            async with asyncio.TaskGroup() as calls:
                try:
                    cut = await self._cut_page(page, calls)
                finally:
                    del page
                    self._pixels.release()
            return await asyncio.to_thread(self._assembled, cut, intake_ms)
        except Exception:
            log.exception("page_failed", page=number)
            failure = PageFailure(number, "page_failed", "the page could not be read because of an internal fault")
            return self._assembled(failure, intake_ms)

    async def _cut_page(self, page: PageSource, calls: asyncio.TaskGroup) -> _CutPage | PageFailure:
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
        regions, size = layout.regions, (page.width, page.height)
        cut = _CutPage(page.number, *size, page.dpi, page.angle, layout, layout_ms=_ms_since(started))
        for region in regions:
            first = cut.first_of_group(region)
            cut.readings.append(first or await self._start_call(page, region, regions, calls))
        for region in filter(self._is_picture, regions):
            cut.images[image_key(page.number, region)] = await asyncio.to_thread(cut_picture, page.pixels, region.bbox)
        if self._view:
            cut.views.update(await asyncio.to_thread(self._view, page, layout.detections))
        return cut

    async def _upright(self, page: PageImage) -> PageImage:
        """The page as people hold it, where that is asked for and can be told."""
        if not self._options.orientation:
            return page
        try:
            return await asyncio.to_thread(upright, page, self._parts.orientation)
        except Exception:
            log.exception("orientation_failed", page=page.number)
            return page

    async def _layout(self, page: PageImage) -> PageLayout:
        if self._options.task != "document":
            return PageLayout([whole_page(page, self._options)], ())
        layout = await self._parts.layout.detect(page, self._options.layout)
        if not self._parts.engine.is_scaling:
            return layout
        regions = grouped(layout.regions, self._options) if self._options.merge_blocks else layout.regions
        return replace(layout, regions=with_tags(regions))

    async def _start_call(
        self, page: PageImage, region: Region, regions: Sequence[Region], calls: asyncio.TaskGroup
    ) -> asyncio.Future[Reading]:
        """Takes a place in the queue (waiting while it is full), then cuts the crop that will wait there."""
        task = task_for(region.label, self._options)
        if task is None:
            return _settled(Reading(status="skipped"))
        place = await self._parts.queue.place(self._caller, page.number)
        call: asyncio.Future[Reading] | None = None
        try:
            fit, partners = self._parts.engine.is_scaling, _partners_of(region, regions)
            crop = await asyncio.to_thread(cut_crop, page.pixels, region, task, fit=fit, partners=partners)
            call = calls.create_task(self._call(place, crop, task))
        except Exception:
            log.exception("cut_failed", page=page.number, bbox=region.bbox)
        finally:
            if call is None:
                place.leave()
        return call or _settled(Reading(status="failed", error="The region could not be cut from its page."))

    async def _call(self, place: Place, crop: Crop, task: RegionTask) -> Reading:
        async with place.turn():
            task = replace(task, priority=engine_priority(place.caller.urgency, place.page))
            return await self._parts.reader.read(crop, task, self._deadline)

    def _is_picture(self, region: Region) -> bool:
        return self._options.images != "none" and is_picture(region.label, self._options)

    def _assembled(self, cut: _CutPage | PageFailure, intake_ms: int) -> ReadPage:
        if isinstance(cut, PageFailure):
            return ReadPage(assemble_failure(cut), intake_ms=intake_ms)
        is_vlm = self._parts.engine.is_scaling
        readings = [
            _following(reading.result())
            if region.group not in (None, region.order)
            else clean_reading(reading.result(), region, is_vlm=is_vlm)
            for region, reading in zip(cut.regions, cut.readings, strict=True)
        ]
        result = assemble_page(cut.number, cut.width, cut.height, cut.dpi, cut.regions, readings, self._options)
        return ReadPage(
            self._with_angle(result, cut.angle),
            cut.images,
            cut.regions,
            cut.layout.detections,
            cut.views,
            usage=_usage([reading.result() for reading in dict.fromkeys(cut.readings)]),
            intake_ms=intake_ms,
            layout_ms=cut.layout_ms,
            recognition_ms=_ms_since(cut.cut_at),
        )

    def _with_angle(self, result: PageResult, angle: int | None) -> PageResult:
        warnings = result.warnings
        if self._options.orientation and angle is None:
            warnings = [*warnings, f"page {result.page}: its orientation could not be told; it was read as it stands"]
        return result.model_copy(update={"angle": angle, "warnings": warnings})


@dataclass(frozen=True, slots=True)
class _CutPage:
    """A page without its pixels: its regions, each with the reading that is on its way, and its pictures."""

    number: int
    width: int
    height: int
    dpi: int | None
    angle: int | None
    layout: PageLayout
    readings: list[asyncio.Future[Reading]] = field(default_factory=list)
    images: dict[str, bytes] = field(default_factory=dict)
    views: dict[str, bytes] = field(default_factory=dict)
    layout_ms: int = 0
    cut_at: float = field(default_factory=monotonic)

    @property
    def regions(self) -> Sequence[Region]:
        return self.layout.regions

    def first_of_group(self, region: Region) -> asyncio.Future[Reading] | None:
        """The call, already begun, that reads this region too."""
        if region.group is None:
            return None
        begun = zip(self.regions, self.readings, strict=False)
        return next((call for other, call in begun if other.order == region.group), None)


def _partners_of(region: Region, regions: Sequence[Region]) -> list[Region]:
    """The regions that are cut together with this one: the rest of its group, or the pictures inside a table."""
    return [other for other in regions if other is not region and region.order in (other.holder, other.group)]


def _following(reading: Reading) -> Reading:
    """What is left to say of a region whose text stands in the first of its group."""
    return replace(reading, text="", confidence=None, prompt_tokens=0, completion_tokens=0)


def _settled(reading: Reading) -> asyncio.Future[Reading]:
    future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
    future.set_result(reading)
    return future


def _usage(readings: Sequence[Reading]) -> Usage:
    return Usage(
        pages=1,
        regions=sum(reading.status != "skipped" for reading in readings),
        prompt_tokens=sum(reading.prompt_tokens for reading in readings),
        completion_tokens=sum(reading.completion_tokens for reading in readings),
    )


def _ms_since(started: float) -> int:
    return round(1000 * (monotonic() - started))
