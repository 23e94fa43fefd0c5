"""The calls of one document's regions: each gets its crop, then its turn, then its reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import structlog

from gateway.engine.pool import EnginePool
from gateway.imaging.crops import Crop, cut_crop, is_inside, place_lines
from gateway.model import BBox, InkedLine, PageImage, PageLayout, Pixels, Reading, Region
from gateway.reading_options import OcrOptions
from gateway.recognition.easy_text import may_be_easy
from gateway.recognition.line_reader import NOT_TRIED, Attempt, LineReader, TextPart
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.fair_semaphore import Flow, engine_priority
from gateway.scheduling.page_slots import PageSlot, PageSlots
from gateway.tasks import RegionTask, fit_context, task_for
from gateway.tracing import OFF, Tracing, mark_status
from textlines.detection import upright_line

Proof = Callable[[], Awaitable[Reading | None]]
"""Waits until it is known whether the engine is needed; the reading, where it is not."""
Prove = Callable[[Callable[[Pixels, Sequence[BBox]], Awaitable[Reading]]], Awaitable[Sequence[Reading]]]
"""Takes what reads a picture of lines whose boxes are told, and calls it as often as it needs to; the readings."""

log = structlog.get_logger(__name__)


class _Question(NamedTuple):
    """`easy`: the same text for the embedded engine beside a VLM; empty where it is not asked."""

    crop: Crop
    task: RegionTask
    easy: Sequence[TextPart] = ()


@dataclass(frozen=True, slots=True)
class RegionDispatcher:
    """`line_reader`: the embedded engine beside a VLM, where easy text is to be read by it."""

    queue: CallQueue
    slots: PageSlots
    engine: EnginePool
    reader: RegionReader
    flow: Flow
    options: OcrOptions
    tracing: Tracing = OFF
    line_reader: LineReader | None = None

    async def dispatch(
        self,
        page: PageImage,
        slot: PageSlot,
        region: Region,
        layout: PageLayout,
        tasks: asyncio.TaskGroup,
        proof: Proof | None = None,
        lines: Sequence[InkedLine] | None = None,
    ) -> asyncio.Future[Reading]:
        """Cuts the crop, which then waits for its turn; the page's slot counts that.

        The region's reading is on its way in `tasks`, or there at once where nobody asked for it or it can't be cut.
        `proof`: what the PDF's text layer may have in the engine's place. `lines`: what is known of the page's ink.
        """
        task = task_for(region.label, self.options)
        if task is None:
            return answer_at_once(Reading(status="skipped"))
        try:
            partners = find_partners(region, layout.regions)
            question = await self._cut(page.number, page.pixels, region, task, partners)
            if self.engine.kind == "embedded":
                question = question._replace(crop=self._place_lines(question.crop, region, layout))
            if self.line_reader and may_be_easy([region, *partners], layout):
                rows = [line for line in lines or () if line.is_row]
                question = question._replace(easy=await self._cut_parts(page, [region, *partners], task, layout, rows))
        except Exception:
            log.exception("cut_failed", page=page.number, bbox=region.bbox)
            return answer_at_once(Reading(status="failed", error="The region could not be cut from its page."))
        slot.add_call()
        return tasks.create_task(self._read(page.number, slot, region.label, question, proof))

    def dispatch_sample(
        self, number: int, slot: PageSlot, tasks: asyncio.TaskGroup, prove: Prove
    ) -> asyncio.Future[Sequence[Reading]]:
        """Has `prove` decide whether lines of page `number` are read for their own sake, and which."""
        slot.add_call()
        return tasks.create_task(self._prove(number, slot, prove))

    async def _cut(
        self, number: int, pixels: Pixels, region: Region, task: RegionTask, partners: Sequence[Region]
    ) -> _Question:
        task = fit_context(task, self.engine.context) if self.engine.is_scaling else task
        cut = partial(cut_crop, pixels, region, task, fit=self.engine.is_scaling, partners=partners)
        return _Question(await self.slots.run(self.flow, number, cut), task)

    async def _cut_parts(
        self,
        page: PageImage,
        parts: Sequence[Region],
        task: RegionTask,
        layout: PageLayout,
        rows: Sequence[InkedLine],
    ) -> list[TextPart]:
        """Each part of a text as it is on the page, with its lines."""
        found = []
        for part in (replace(part, group=None) for part in parts):
            cut = partial(cut_crop, page.pixels, part, task, fit=False)
            crop = self._place_lines(await self.slots.run(self.flow, page.number, cut), part, layout)
            found.append(TextPart(crop, [row.box for row in rows if is_inside(_middle(row), part)]))
        return found

    def _place_lines(self, crop: Crop, region: Region, layout: PageLayout) -> Crop:
        # A picture that nobody reads must not take lines away from a text in it.
        read = [other for other in layout.regions if task_for(other.label, self.options)]
        return place_lines(crop, region, layout.detected, read)

    async def _prove(self, number: int, slot: PageSlot, prove: Prove) -> Sequence[Reading]:
        try:
            return await prove(partial(self._read_sample, number))
        finally:
            slot.advance()

    async def _read_sample(self, number: int, sample: Pixels, lines: Sequence[BBox]) -> Reading:
        region = Region("text", (0, 0, sample.shape[1], sample.shape[0]), order=1)
        try:
            question = await self._cut(number, sample, region, RegionTask(), ())
            if self.engine.kind == "embedded":
                question = question._replace(crop=place_lines(question.crop, region, list(map(upright_line, lines))))
        except Exception:
            log.exception("font_sample_failed", page=number)
            return Reading(status="skipped")
        return await self._ask(number, "font sample", question)

    async def _read(
        self, page: int, slot: PageSlot, label: str, question: _Question, proof: Proof | None = None
    ) -> Reading:
        if proof is not None and (proved := await proof()) is not None:
            slot.advance()
            return proved
        attempt = await self._read_easy(page, question)
        if attempt.reading is not None:
            slot.advance()
            return attempt.reading
        question = question._replace(easy=())  # which would lie in memory for as long as the VLM is waited for
        return replace(await self._ask(page, label, question, slot.advance), line_reader_calls=attempt.calls)

    async def _ask(
        self, page: int, label: str, question: _Question, on_turn: Callable[[], None] = lambda: None
    ) -> Reading:
        crop, task, _ = question
        with self.tracing.span("region", {"ocr.region.label": label}) as span:
            async with self.queue.run_slot(self.flow, page) as taken_s:
                span.add_event("turn")
                on_turn()
                reading = await self.reader.read(
                    crop, replace(task, engine_priority=engine_priority(self.flow.priority, page))
                )
                reading = replace(reading, engine_s=taken_s())
            mark_status(span, reading.status)
            return reading

    async def _read_easy(self, page: int, question: _Question) -> Attempt:
        if self.line_reader is None or not question.easy:
            return NOT_TRIED
        return await self.line_reader.read(question.easy, question.task, self.flow, page)


def find_partners(region: Region, regions: Sequence[Region]) -> list[Region]:
    """The regions that are cut together with this one: the rest of its group, or the pictures inside a table."""
    return [other for other in regions if other is not region and region.order in (other.parent_table, other.group)]


def _middle(line: InkedLine) -> tuple[float, float]:
    x1, y1, x2, y2 = line.box
    return (x1 + x2) / 2, (y1 + y2) / 2


def answer_at_once(reading: Reading) -> asyncio.Future[Reading]:
    future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
    future.set_result(reading)
    return future
