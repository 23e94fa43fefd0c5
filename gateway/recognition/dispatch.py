"""The calls of one document's regions: each gets its place in the queue, then its crop, then its reading."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from gateway.engine.monitor import EngineMonitor
from gateway.imaging.crops import Crop, cut_crop
from gateway.model import OcrOptions, PageImage, Reading, Region
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import Place, RegionQueue
from gateway.scheduling.fair_semaphore import Caller, engine_priority
from gateway.scheduling.render_slots import PixelStage
from gateway.tasks import RegionTask, fit_context, task_for

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RegionCalls:
    """`deadline`: a time of the running loop."""

    queue: RegionQueue
    pixels: PixelStage
    engine: EngineMonitor
    reader: RegionReader
    caller: Caller
    options: OcrOptions
    deadline: float

    def would_wait(self, region: Region) -> bool:
        """Whether the region's call would have to wait for its place in the queue."""
        return task_for(region.label, self.options) is not None and not self.queue.has_room(self.caller)

    async def start(
        self, page: PageImage, region: Region, regions: Sequence[Region], tasks: asyncio.TaskGroup
    ) -> asyncio.Future[Reading]:
        """Takes a place in the queue (waiting while it is full), then cuts the crop that will wait there.

        The region's reading is on its way in `tasks`, or there at once where nobody asked for it or it can't be cut.
        """
        task = task_for(region.label, self.options)
        if task is None:
            return _settled(Reading(status="skipped"))
        place = await self.queue.place(self.caller, page.number)
        call: asyncio.Future[Reading] | None = None
        try:
            task = fit_context(task, self.engine.context) if self.engine.is_scaling else task
            fit, partners = self.engine.is_scaling, _partners_of(region, regions)
            crop = await self.pixels.run(partial(cut_crop, page.pixels, region, task, fit=fit, partners=partners))
            call = tasks.create_task(self._call(place, crop, task))
        except Exception:
            log.exception("cut_failed", page=page.number, bbox=region.bbox)
        finally:
            if call is None:
                place.leave()
        return call or _settled(Reading(status="failed", error="The region could not be cut from its page."))

    async def _call(self, place: Place, crop: Crop, task: RegionTask) -> Reading:
        async with place.turn():
            task = replace(task, priority=engine_priority(place.caller.urgency, place.page))
            return await self.reader.read(crop, task, self.deadline)


def _partners_of(region: Region, regions: Sequence[Region]) -> list[Region]:
    """The regions that are cut together with this one: the rest of its group, or the pictures inside a table."""
    return [other for other in regions if other is not region and region.order in (other.parent_table, other.group)]


def _settled(reading: Reading) -> asyncio.Future[Reading]:
    future: asyncio.Future[Reading] = asyncio.get_running_loop().create_future()
    future.set_result(reading)
    return future
