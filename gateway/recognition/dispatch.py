"""The calls of one document's regions: each gets its crop, then its turn, then its reading."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from gateway.engine.pool import EnginePool
from gateway.imaging.crop_lines import place_lines
from gateway.imaging.crops import Crop, cut_crop
from gateway.model import OcrOptions, PageImage, PageLayout, Pixels, Reading, Region
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.fair_semaphore import Flow, engine_priority
from gateway.scheduling.page_slots import PageSlot, PageSlots
from gateway.tasks import RegionTask, fit_context, task_for
from gateway.tracing import OFF, Tracing, mark_status

Proof = Callable[[], Awaitable[Reading | None]]
"""Waits until it is known whether the engine is needed; the reading, where it is not."""
Prove = Callable[[Callable[[], Awaitable[Reading]]], Awaitable[Reading | None]]
"""Takes what reads a sample, and calls it or not."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RegionDispatcher:
    queue: CallQueue
    slots: PageSlots
    engine: EnginePool
    reader: RegionReader
    flow: Flow
    options: OcrOptions
    tracing: Tracing = OFF

    async def dispatch(
        self,
        page: PageImage,
        slot: PageSlot,
        region: Region,
        layout: PageLayout,
        tasks: asyncio.TaskGroup,
        proof: Proof | None = None,
    ) -> asyncio.Future[Reading]:
        """Cuts the crop, which then waits for its turn; the page's slot counts that.

        The region's reading is on its way in `tasks`, or there at once where nobody asked for it or it can't be cut.
        `proof`: what the PDF's text layer may have in the engine's place.
        """
        task = task_for(region.label, self.options)
        if task is None:
            return completed_future(Reading(status="skipped"))
        try:
            partners = find_partners(region, layout.regions)
            crop, task = await self._cut(page.number, page.pixels, region, task, partners)
            if self.engine.kind == "embedded":
                # A picture that nobody reads must not take lines away from a text in it.
                read = [other for other in layout.regions if task_for(other.label, self.options)]
                crop = place_lines(crop, region, layout.detected, read)
        except Exception:
            log.exception("cut_failed", page=page.number, bbox=region.bbox)
            return completed_future(Reading(status="failed", error="The region could not be cut from its page."))
        slot.add_call()
        return tasks.create_task(self._read(page.number, slot, region.label, crop, task, proof))

    async def dispatch_sample(
        self, number: int, slot: PageSlot, sample: Pixels, tasks: asyncio.TaskGroup, prove: Prove
    ) -> asyncio.Future[Reading | None]:
        """Has `prove` decide whether lines of page `number` are read for their own sake."""
        region = Region("text", (0, 0, sample.shape[1], sample.shape[0]), order=1)
        crop, task = await self._cut(number, sample, region, RegionTask(), ())
        slot.add_call()
        return tasks.create_task(self._prove(number, slot, crop, task, prove))

    async def _cut(
        self, number: int, pixels: Pixels, region: Region, task: RegionTask, partners: Sequence[Region]
    ) -> tuple[Crop, RegionTask]:
        task = fit_context(task, self.engine.context) if self.engine.is_scaling else task
        cut = partial(cut_crop, pixels, region, task, fit=self.engine.is_scaling, partners=partners)
        return await self.slots.run(self.flow, number, cut), task

    async def _prove(self, number: int, slot: PageSlot, crop: Crop, task: RegionTask, prove: Prove) -> Reading | None:
        reading = await prove(partial(self._read, number, slot, "font sample", crop, task))
        if reading is None:
            slot.advance()
        return reading

    async def _read(
        self, page: int, slot: PageSlot, label: str, crop: Crop, task: RegionTask, proof: Proof | None = None
    ) -> Reading:
        if proof is not None and (proved := await proof()) is not None:
            slot.advance()
            return proved
        with self.tracing.span("region", {"ocr.region.label": label}) as span:
            async with self.queue.run_slot(self.flow, page) as taken_s:
                span.add_event("turn")
                slot.advance()
                reading = await self.reader.read(
                    crop, replace(task, engine_priority=engine_priority(self.flow.priority, page))
                )
                reading = replace(reading, engine_s=taken_s())
            mark_status(span, reading.status)
            return reading


def find_partners(region: Region, regions: Sequence[Region]) -> list[Region]:
    """The regions that are cut together with this one: the rest of its group, or the pictures inside a table."""
    return [other for other in regions if other is not region and region.order in (other.parent_table, other.group)]


def completed_future(reading: Reading) -> asyncio.Future[Reading]:
    future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
    future.set_result(reading)
    return future
