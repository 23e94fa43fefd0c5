"""How many calls run at an engine at once, kept to what it can take."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic

import structlog

from common.cores import available_cores
from gateway.engine.client import EngineClient
from gateway.engine.monitor import EngineMonitor
from gateway.engine.probes import ask_load
from gateway.model import EngineKind
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.concurrency_limit import (
    MAX_LIMIT,
    MIN_LIMIT,
    LimitRange,
    QueueDepthLimit,
    ThroughputLimit,
    is_overloaded,
)
from gateway.settings import Settings

INITIAL_LIMIT = 128
"""Calls in flight to an engine that does not say how many it works on at once, until it has shown it; one that does not
even tell of its queue gets there step by step."""
FEED_FACTOR = 1.25
"""Calls in flight for each that the engine works on: the next is there when one ends."""
MAX_FEED_FACTOR = 2
"""More than this for each would only stand in the engine's own process."""

log = structlog.get_logger(__name__)


class ConcurrencyController:
    """Sets an engine's bound anew when it has come (`reset`), and adapts it while it works (`update`).

    `finished`: calls that the engine has answered since the start. `set_limit` hears of each new bound. What waits, and
    whether as many calls run as may, is the queue's to say, also where several engines share it.

    PP-OCR on the CPU keeps its bound: it reads one crop a core, whatever else is asked.
    """

    def __init__(
        self,
        settings: Settings,
        client: EngineClient,
        queue: CallQueue,
        *,
        finished: Callable[[], int],
        set_limit: Callable[[int], None],
    ) -> None:
        self.limit = limit_range(settings, None, None).start
        self._settings = settings
        self._client = client
        self._queue = queue
        self._count_finished = finished
        self._set_limit = set_limit
        self._depth_limit: QueueDepthLimit | None = None
        self._throughput_limit: ThroughputLimit | None = None
        self._engine: EngineMonitor | None = None
        self._known: tuple[EngineKind | None, LimitRange] | None = None
        self._refused = self._finished = 0
        self._is_in_effect = True

    def reset(self, engine: EngineMonitor) -> None:
        """What the engine is, and how many calls it works on at once, has just been learned. What was learned of the
        same engine before it went away stays."""
        limits = limit_range(self._settings, engine.kind, engine.sequences)
        if self._known == (engine.kind, limits):
            return
        self._engine, self._known = engine, (engine.kind, limits)
        is_fixed = limits.minimum == limits.maximum
        self._depth_limit = None if is_fixed else QueueDepthLimit(limits)
        self._throughput_limit = None if is_fixed else ThroughputLimit(limits)
        self._apply(
            self._throughput_limit.limit if self._throughput_limit and engine.kind == "external" else limits.start
        )

    async def update(self) -> None:
        """One look at how the engine fares. An engine that once gave no metrics is not asked for them again."""
        queue = self._queue
        if self._is_overloaded():
            self._back_off()
            return
        is_full = queue.waiting > 0 and queue.running >= queue.in_flight.limit
        if self._depth_limit and queue.running:
            load = await ask_load(self._client)
            if load:
                self._throughput_limit = None
                self._apply(self._depth_limit.update(load, is_full=is_full))
                return
            if self._throughput_limit:
                self._depth_limit = None
        if self._throughput_limit:
            self._apply(self._throughput_limit.update(monotonic(), self._count_finished(), is_full=is_full))

    def _is_overloaded(self) -> bool:
        """Whether it has refused too many calls since the last look, in a time when the bound was in effect."""
        queue = self._queue
        refused, finished = self._engine.refused if self._engine else 0, self._count_finished()
        is_overloaded_now = self._is_in_effect and is_overloaded(refused - self._refused, finished - self._finished)
        self._refused, self._finished = refused, finished
        self._is_in_effect = not is_overloaded_now and queue.running <= queue.in_flight.limit + queue.in_flight.reserve
        return is_overloaded_now

    def _back_off(self) -> None:
        if self._throughput_limit:
            self._apply(self._throughput_limit.back_off(monotonic(), self._count_finished()))
        elif self._depth_limit:
            self._apply(self._depth_limit.back_off())

    def _apply(self, limit: int) -> None:
        if limit != self.limit:
            log.debug("concurrent_regions", limit=limit)
            self.limit = limit
            self._set_limit(limit)


def limit_range(settings: Settings, kind: EngineKind | None, sequences: int | None) -> LimitRange:
    """Where the bound begins and may go. `sequences`: how many calls the engine works on at once, where that is known.

    Calls beyond that and a few to follow would wait in the engine, where first come is first served, and not in our
    queue, which is fair. `MAX_CONCURRENT_REGIONS` is never exceeded.
    """
    highest = settings.max_concurrent_regions
    if kind in ("embedded", None):
        fixed = highest or available_cores() + 2
        return LimitRange(fixed, fixed, fixed)
    start = math.ceil(sequences * FEED_FACTOR) if sequences else INITIAL_LIMIT
    maximum = highest or (max(sequences * MAX_FEED_FACTOR, MIN_LIMIT) if sequences else MAX_LIMIT)
    return LimitRange(highest or start, min(MIN_LIMIT, maximum), maximum)
