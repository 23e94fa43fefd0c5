"""The whole way of a document: pages to regions, regions to readings, readings to Markdown, pages out in order.

Memory: a page begins when it has a page slot, and becomes pixels when it has a render slot too. It gives that back when
all its crops are cut, while its calls still wait, and the page slot when the last of them has begun. So render slots
bound the pixels alive, page slots the crops, and `pages_in_flight` what one document has of these. Cutting at the
call's turn would hold a page until its last call: the few pages that may hold pixels would not keep an engine busy that
reads a hundred regions at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from time import monotonic
from traceback import clear_frames

import structlog

from gateway.assembly.page import image_key, page_image_key
from gateway.assembly.running_heads import RunningHeads
from gateway.errors import ServiceError
from gateway.imaging.crops import cut_picture
from gateway.labels import is_picture
from gateway.model import Document, PageFailure, PageImage, PageLayout, PageResult, Pixels, Reading, Region, TextPage
from gateway.page_inspection import PageInspector
from gateway.parts import Parts
from gateway.reading_options import OcrOptions
from gateway.recognition.dispatch import RegionDispatcher, answer_at_once, find_partners
from gateway.recognized_page import (
    PageInProgress,
    PageView,
    RecognizedPage,
    elapsed_ms,
    finish_page,
    make_failed_page,
    make_text_page,
)
from gateway.scheduling.fair_semaphore import Flow, Slot
from gateway.scheduling.page_slots import PageSlot
from gateway.tasks import task_for
from gateway.text_layer.document_text import (
    NOT_PROVED,
    DocumentText,
    Offer,
    PageText,
    SeenLayer,
    find_offer,
)
from gateway.text_layer.words import Word
from gateway.tracing import Attributes, mark_status
from textlines.glyphs import StrayInk

log = structlog.get_logger(__name__)

MAX_PAGE_IMAGE_SIDE = 2400
"""Pixels of a page's picture: all that a screen shows of A4 at 200 dpi; a poster's would be tens of megabytes."""
PAGES_AHEAD = 64
"""Pages read beyond the one that the client takes next; a slow client holds up its own document, not our memory."""


async def read_pages(
    parts: Parts,
    document: Document,
    options: OcrOptions,
    deadline: float,
    *,
    flow: Flow | None = None,
    view: PageView | None = None,
    before: Sequence[PageResult] = (),
) -> AsyncGenerator[RecognizedPage, None]:
    """Reads the document's pages; gives each, in order, as soon as it and all before it are done. `before`: the last of
    those that were read before.

    `deadline` is a time of the running loop; ServiceError 504 `deadline_exceeded` once it has passed. A page that fails
    is given with status `failed`. Closing the generator drops queued calls and closes running ones.
    """
    work = _DocumentWork(parts, document, options, deadline, flow or Flow(), view)
    heads = RunningHeads(options, before)
    reading = asyncio.create_task(work.read_document())
    try:
        while (page := await work.pages.get()) is not None:
            await asyncio.wait([page])
            if page.cancelled():
                break
            read = page.result()
            yield await _mark_heads(heads, read)
            work.ahead.release()
        await reading
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The document was not read before the deadline.") from None
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _mark_heads(heads: RunningHeads, page: RecognizedPage) -> RecognizedPage:
    try:
        return replace(page, result=await asyncio.to_thread(heads.mark, page.result))
    except Exception:
        log.exception("running_heads_failed", page=page.result.page)
        return page


class _DocumentWork:
    """One document in work. `pages` holds a task for each page, in order, then None."""

    def __init__(
        self,
        parts: Parts,
        document: Document,
        options: OcrOptions,
        deadline: float,
        flow: Flow,
        view: PageView | None,
    ) -> None:
        self.pages: asyncio.Queue[asyncio.Task[RecognizedPage] | None] = asyncio.Queue()
        self.ahead = asyncio.Semaphore(PAGES_AHEAD)
        self._share = asyncio.Semaphore(parts.settings.pages_in_flight)
        self._parts = parts
        self._document = document
        self._options = options
        self._deadline = deadline
        self._view = view
        self._flow = flow
        self._text = DocumentText()
        self._inspector = PageInspector(parts, flow, options)
        refused = parts.refuse_recognition(options.recognition)
        self._warnings = (f"one engine has read all; {refused}",) if refused else ()
        self._dispatcher = RegionDispatcher(
            parts.queue,
            parts.slots,
            parts.engine,
            parts.reader,
            self._flow,
            options,
            parts.tracing,
            parts.line_reader if options.recognition == "hybrid" and not refused else None,
        )

    async def read_document(self) -> None:
        """Starts a task for each page as soon as there is a slot for it; ends when all have ended."""
        about: Attributes = {"ocr.media_type": self._document.media_type, "ocr.pages": len(self._document.selected)}
        try:
            with self._parts.tracing.root_span("read document", about):
                async with asyncio.timeout_at(self._deadline), asyncio.TaskGroup() as tasks:
                    await self._start_pages(tasks)
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        finally:
            self.pages.put_nowait(None)

    async def _start_pages(self, tasks: asyncio.TaskGroup) -> None:
        source, slots = self._document.pages(), self._parts.slots
        for number in self._document.selected:
            await self.ahead.acquire()
            with ExitStack() as stack:
                page_slot = await slots.acquire_page(self._flow, number, self._share)
                stack.callback(page_slot.release)
                render_slot = await slots.acquire_render(self._flow, number)
                stack.callback(render_slot.release)
                started = monotonic()
                # No name for the page here: it would keep the pixels while the next one waits for its slots.
                reading = self._read_page(await anext(source), page_slot, render_slot, started, elapsed_ms(started))
                task = tasks.create_task(reading)
                # A task that is cancelled before its first step never gets to its own `finally`.
                task.add_done_callback(partial(_close, stack.pop_all()))
            self.pages.put_nowait(task)
        await anext(source, None)  # to its end: a generator that is forgotten before takes a task of its own to close

    async def _read_page(
        self,
        page: PageImage | PageFailure | TextPage,
        slot: PageSlot,
        render_slot: Slot,
        began: float,
        intake_ms: int,
    ) -> RecognizedPage:
        """A page from pixels to Markdown. Whatever goes wrong costs this page only."""
        number = page.number
        with self._parts.tracing.span("page", {"ocr.page": number}, began=began) as span:
            try:
                async with asyncio.TaskGroup() as calls:
                    try:
                        cut = await self._cut_page(page, slot, calls)
                    finally:
                        del page
                        render_slot.release()
                        slot.advance()
                read = await self._finish_page(cut, intake_ms)
            except asyncio.CancelledError as error:
                # On Python 3.11 a task group's error and the frames that it went through hold each other, and with them
                # the pixels, until garbage is looked for.
                clear_frames(error.__traceback__)
                raise
            except Exception:
                log.exception("page_failed", page=number)
                failure = PageFailure(number, "page_failed", "the page could not be read because of an internal fault")
                read = make_failed_page(failure, intake_ms=intake_ms)
            mark_status(span, read.result.status)
            return read

    async def _finish_page(self, cut: PageInProgress | PageFailure | TextPage, intake_ms: int) -> RecognizedPage:
        if isinstance(cut, PageFailure):
            return make_failed_page(cut, intake_ms=intake_ms)
        if isinstance(cut, TextPage):
            return make_text_page(cut, intake_ms=intake_ms)
        engine = self._parts.engine
        finish = partial(
            finish_page,
            is_vlm=engine.is_scaling,
            reads_formulas=engine.kind != "embedded",
            price=self._parts.settings.price_per_gpu_hour,
            intake_ms=intake_ms,
        )
        return await asyncio.to_thread(finish, cut, self._options)

    async def _cut_page(
        self, page: PageImage | PageFailure | TextPage, slot: PageSlot, calls: asyncio.TaskGroup
    ) -> PageInProgress | PageFailure | TextPage:
        """Finds the regions, starts their calls and takes the pictures: all that needs the page's pixels."""
        if isinstance(page, PageFailure | TextPage):
            return page
        if self._options.orientation:
            page = await self._inspector.rotate(page)
        seen = await self._inspector.look_at_layer(page)
        started = monotonic()
        try:
            stray = StrayInk(page.pixels)
            with self._parts.tracing.span("layout"):
                layout = await self._inspector.find_layout(replace(page, lines=seen.lines), stray)
        except Exception:
            log.exception("layout_failed", page=page.number)
            return PageFailure(page.number, "layout_failed", "the regions of the page could not be found")
        regions, size = layout.regions, (page.width, page.height)
        lines = await self._inspector.find_text_lines(page, layout, stray, seen.texts)
        if not self._options.orientation:
            page = await self._inspector.check_turn(page, layout, stray)
        del stray
        text = await self._examine_layer(page, layout, seen)
        sample = self._start_sample(page.number, slot, text, calls)
        cut = PageInProgress(
            page.number,
            *size,
            page.dpi,
            page.angle,
            layout,
            lines,
            (*page.warnings, *seen.warnings, *self._warnings),
            page.is_partial,
            line_inks=await self._inspector.find_line_inks(page, layout),
            layer_words=seen.count_words(),
            sample=sample,
            layout_ms=elapsed_ms(started),
        )
        for region in regions:
            first = cut.first_of_group(region)
            cut.readings.append(first or await self._start_reading(page, slot, region, cut, text, calls))
        for region in regions:
            if self._options.images != "none" and is_picture(region.label, self._options):
                picture = await self._inspector.run(page, partial(cut_picture, page.pixels, region.bbox))
                cut.images[image_key(page.number, region)] = picture
        if self._options.images != "none" and self._options.page_image:
            cut.images[page_image_key(page.number)] = await self._inspector.run(page, partial(_draw_page, page.pixels))
        if self._view:
            cut.views.update(await self._inspector.run(page, partial(self._view, page, layout.detections)))
        return cut

    def _start_sample(
        self, number: int, slot: PageSlot, text: PageText, calls: asyncio.TaskGroup
    ) -> asyncio.Future[Sequence[Reading]] | None:
        """The readings of lines that prove the fonts of the page's text layer, if it needs any."""
        if not text.rows:
            return None
        return self._dispatcher.dispatch_sample(number, slot, calls, partial(self._text.prove, text))

    async def _start_reading(
        self,
        page: PageImage,
        slot: PageSlot,
        region: Region,
        cut: PageInProgress,
        text: PageText,
        calls: asyncio.TaskGroup,
    ) -> asyncio.Future[Reading]:
        """The region's reading, by the page's text layer or by the engine."""
        is_only = self._options.text_layer == "only"
        offer = find_offer(text, region, find_partners(region, cut.regions))
        is_asked = task_for(region.label, self._options) is not None
        if offer and is_asked and (is_only or self._text.is_proved(offer)):
            return answer_at_once(offer.reading)
        if is_only and is_asked:
            return answer_at_once(Reading(status="skipped", error=NOT_PROVED))
        proof = partial(self._wait_for_proof, offer, cut.sample) if offer and cut.sample else None
        reading = await self._dispatcher.dispatch(page, slot, region, cut.layout, calls, proof, cut.lines)
        words = text.tables.get(region.order)
        return calls.create_task(self._correct_table(reading, words)) if words else reading

    async def _wait_for_proof(self, offer: Offer, sample: asyncio.Future[Sequence[Reading]]) -> Reading | None:
        await asyncio.wait([sample])
        return offer.reading if self._text.is_proved(offer) else None

    async def _correct_table(self, reading: asyncio.Future[Reading], words: Sequence[Word]) -> Reading:
        read = await reading
        try:
            return await self._text.correct_table(read, words) if read.cells else read
        except Exception:
            log.exception("text_layer_failed")
            return read

    async def _examine_layer(self, page: PageImage, layout: PageLayout, seen: SeenLayer) -> PageText:
        if not seen.words:
            return PageText()
        has_sample = self._options.text_layer == "auto"
        try:
            return await self._inspector.run(
                page, partial(self._text.examine, page, layout, seen, has_sample=has_sample)
            )
        except Exception:
            log.exception("text_layer_failed", page=page.number)
            return PageText()


def _draw_page(pixels: Pixels) -> bytes:
    """JPEG bytes."""
    height, width = pixels.shape[:2]
    return cut_picture(pixels, (0, 0, width, height), MAX_PAGE_IMAGE_SIDE)


def _close(stack: ExitStack, _task: asyncio.Task[RecognizedPage]) -> None:
    stack.close()
