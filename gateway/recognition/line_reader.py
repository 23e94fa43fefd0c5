"""The embedded engine beside a VLM: it reads text that proves easy, and leaves everything else to the VLM.

Whether it was easy is told by what was read (`easy_text.py`), so a region that was not costs a call to either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from time import monotonic
from typing import NamedTuple

from gateway.engine.concurrency import limit_range
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.imaging.crops import Crop
from gateway.model import BBox, Reading
from gateway.recognition.easy_text import is_easy
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.fair_semaphore import Flow
from gateway.settings import Settings
from gateway.tasks import RegionTask
from gateway.tracing import Tracing


class TextPart(NamedTuple):
    """`rows`: of ink on the page, in the part, where no layout tells its lines."""

    crop: Crop
    rows: Sequence[BBox] = ()


class Attempt(NamedTuple):
    """`reading` is None where the VLM is to read; `calls` were made in any case."""

    reading: Reading | None
    calls: int


NOT_TRIED = Attempt(None, 0)
WAIT_SHARE = 0.5
"""Of the time-out, what may be spent on waiting for a turn; the rest is for being read."""


class LineReader:
    """The engine at `LINE_READER_PORT`, with a queue of its own. Since the start `calls` were made, the readings of
    `taken` of them were taken, and `late` texts were not read in time, whether they had their turn or not."""

    def __init__(self, settings: Settings, tracing: Tracing) -> None:
        self._timeout_s = settings.line_reader_timeout_s
        max_wait_s = WAIT_SHARE * self._timeout_s
        own = settings.model_copy(
            update={
                "vlm_engine": "embedded",
                "vlm_models": "",
                "vlm_api_key": None,
                "vlm_port": settings.line_reader_port,
                "max_concurrent_regions": 0,
                "max_wait_s": max_wait_s,
                "max_batch_wait_s": max_wait_s,
            }
        )
        self.calls = self.taken = self.late = 0
        self.queue = CallQueue(own, limit_range(own, "embedded", None).start)
        self.engine = EnginePool(own, self.queue, tracing)
        self._reader = RegionReader(own, self.engine)

    async def read(self, parts: Sequence[TextPart], task: RegionTask, flow: Flow, page: int) -> Attempt:
        """The text of parts that are read as one, where all of it is easy and there in time. Only cancellation
        raises."""
        if self.engine.state != "ready" or not self._has_time(flow):
            return NOT_TRIED
        attempts = await asyncio.gather(*(self._read(part, task, flow, page) for part in parts))
        calls = sum(attempt.calls for attempt in attempts)
        readings = [attempt.reading for attempt in attempts if attempt.reading is not None]
        if len(readings) < len(parts):
            return Attempt(None, calls)
        self.taken += calls
        return Attempt(replace(reduce(_join, readings), line_reader_calls=calls), calls)

    def _has_time(self, flow: Flow) -> bool:
        """Whether a turn comes, and is over, in time, by how long others took lately."""
        if (self.queue.mean_call_s or 0.0) > (1 - WAIT_SHARE) * self._timeout_s:
            return False
        try:
            self.queue.require_capacity(flow)
        except ServiceError:
            return False
        return True

    async def _read(self, part: TextPart, task: RegionTask, flow: Flow, page: int) -> Attempt:
        began, calls = monotonic(), 0
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        turn_by = deadline - (1 - WAIT_SHARE) * self._timeout_s
        try:
            async with asyncio.timeout_at(turn_by) as limit, self.queue.run_slot(flow, page):
                limit.reschedule(deadline)
                calls = 1
                self.calls += 1
                reading = await self._reader.read(part.crop, task)
        except TimeoutError:
            self.late += 1
            if calls:
                # Nobody knows how long it would have taken, but for longer than it had.
                self.queue.record_call(began)
            return Attempt(None, calls)
        # Its tokens are characters, and no VLM's.
        is_taken = is_easy(reading, task, part.rows)
        return Attempt(replace(reading, prompt_tokens=0, completion_tokens=0) if is_taken else None, calls)


def _join(one: Reading, other: Reading) -> Reading:
    """Of two parts of a text that the page's columns or pictures divide."""
    lengths = len(one.text), len(other.text)
    shares = [reading.confidence or 0.0 for reading in (one, other)]
    mean = sum(share * length for share, length in zip(shares, lengths, strict=True)) / max(sum(lengths), 1)
    return replace(
        one, text=f"{one.text}\n{other.text}", confidence=mean, lines=(*(one.lines or ()), *(other.lines or ()))
    )
