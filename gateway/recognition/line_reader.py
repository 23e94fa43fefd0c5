"""The embedded engine beside a VLM: it reads text that proves easy, and leaves everything else to the VLM.

Whether it was easy is told by what was read (`easy_text.py`), so a region that was not costs a call to either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

from gateway.engine.concurrency import limit_range
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.imaging.crops import Crop
from gateway.model import Reading
from gateway.recognition.easy_text import is_easy
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings
from gateway.tasks import RegionTask
from gateway.tracing import Tracing


class Attempt(NamedTuple):
    """`reading` is None where the VLM is to read; `calls` were made in any case."""

    reading: Reading | None
    calls: int


NOT_TRIED = Attempt(None, 0)


class LineReader:
    """The engine at `LINE_READER_PORT`, with a queue of its own. `calls` were made since the start; the readings of
    `taken` of them were, and `late` were not answered in time."""

    def __init__(self, settings: Settings, tracing: Tracing) -> None:
        own = settings.model_copy(
            update={
                "vlm_engine": "embedded",
                "vlm_models": "",
                "vlm_port": settings.line_reader_port,
                "max_concurrent_regions": 0,
                "max_wait_s": settings.line_reader_timeout_s,
                "max_batch_wait_s": settings.line_reader_timeout_s,
            }
        )
        self._timeout_s = settings.line_reader_timeout_s
        self.calls = self.taken = self.late = 0
        self.queue = CallQueue(own, limit_range(own, "embedded", None).start)
        self.engine = EnginePool(own, self.queue, tracing)
        self._reader = RegionReader(own, self.engine)

    async def read(self, crops: Sequence[Crop], task: RegionTask, flow: Flow, page: int) -> Attempt:
        """The text of crops that are read as one, where all of it is easy and there in time. Only cancellation
        raises."""
        if self.engine.state != "ready" or not self._has_time(flow):
            return NOT_TRIED
        self.calls += len(crops)
        try:
            async with asyncio.timeout(self._timeout_s):
                readings = await asyncio.gather(*(self._read(crop, task, flow, page) for crop in crops))
        except TimeoutError:
            self.late += len(crops)
            return Attempt(None, len(crops))
        if not all(is_easy(reading, task) for reading in readings):
            return Attempt(None, len(crops))
        self.taken += len(crops)
        return Attempt(replace(reduce(_join, readings), line_reader_calls=len(crops)), len(crops))

    def _has_time(self, flow: Flow) -> bool:
        try:
            self.queue.require_capacity(flow)
        except ServiceError:
            return False
        return True

    async def _read(self, crop: Crop, task: RegionTask, flow: Flow, page: int) -> Reading:
        async with self.queue.run_slot(flow, page):
            reading = await self._reader.read(crop, task)
        # Its tokens are characters, and no VLM's.
        return replace(reading, prompt_tokens=0, completion_tokens=0)


def _join(one: Reading, other: Reading) -> Reading:
    """Of two parts of a text that the page's columns or pictures divide."""
    lengths = len(one.text), len(other.text)
    shares = [reading.confidence or 0.0 for reading in (one, other)]
    mean = sum(share * length for share, length in zip(shares, lengths, strict=True)) / max(sum(lengths), 1)
    return replace(
        one, text=f"{one.text}\n{other.text}", confidence=mean, lines=(*(one.lines or ()), *(other.lines or ()))
    )
