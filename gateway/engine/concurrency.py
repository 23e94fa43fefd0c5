"""How many calls the queue lets run at once, kept to what the engine can take."""

from __future__ import annotations

import math
from time import monotonic

import structlog

from common.cores import available_cores
from gateway.engine.client import EngineClient
from gateway.engine.monitor import EngineMonitor
from gateway.engine.probes import ask_load
from gateway.model import EngineKind
from gateway.scheduling.call_queue import RegionQueue
from gateway.scheduling.concurrency_limit import LEAST, MOST, Bounds, LimitByQueue, LimitByRate, is_too_much
from gateway.settings import Settings

REGIONS_AT_FIRST = 128
"""Calls in flight to an engine that does not say how many it works on at once, until it has shown it; one that does not
even tell of its queue gets there step by step."""
FED = 1.25
"""Calls in flight for each that the engine works on: the next is there when one ends."""
AMPLE = 2
"""More than this for each would only stand in the engine's own process."""

log = structlog.get_logger(__name__)


class Flow:
    """Sets the queue's bound anew when the engine has come (`begin`), and adapts it while it works (`adapt`).

    PP-OCR on the CPU keeps its bound: it reads one crop a core, whatever else is asked.
    """

    def __init__(self, settings: Settings, client: EngineClient, queue: RegionQueue) -> None:
        self._settings = settings
        self._client = client
        self._queue = queue
        self._by_queue: LimitByQueue | None = None
        self._by_rate: LimitByRate | None = None
        self._engine: EngineMonitor | None = None
        self._known: tuple[EngineKind | None, Bounds] | None = None
        self._refused = self._finished = 0
        self._is_in_effect = True

    def begin(self, engine: EngineMonitor) -> None:
        """What the engine is, and how many calls it works on at once, has just been learned. What was learned of the
        same engine before it went away stays."""
        self._queue.forget_times()
        bounds = bounds_for(self._settings, engine.kind, engine.sequences)
        if self._known == (engine.kind, bounds):
            return
        self._engine, self._known = engine, (engine.kind, bounds)
        is_fixed = bounds.least == bounds.most
        self._by_queue = None if is_fixed else LimitByQueue(bounds)
        self._by_rate = None if is_fixed else LimitByRate(bounds)
        self._set(self._by_rate.limit if self._by_rate and engine.kind == "external" else bounds.start)

    async def adapt(self) -> None:
        """One look at how the engine fares. An engine that once gave no metrics is not asked for them again."""
        queue = self._queue
        if self._is_refusing():
            self._lower()
            return
        is_full = queue.waiting > 0 and queue.running >= queue.turns.limit
        if self._by_queue and queue.running:
            load = await ask_load(self._client)
            if load:
                self._by_rate = None
                self._set(self._by_queue.look(load, is_full=is_full))
                return
            if self._by_rate:
                self._by_queue = None
        if self._by_rate:
            self._set(self._by_rate.look(monotonic(), queue.finished, is_full=is_full))

    def _is_refusing(self) -> bool:
        """Whether it has refused too many calls since the last look, in a time when the bound was in effect."""
        queue = self._queue
        refused, finished = self._engine.refused if self._engine else 0, queue.finished
        is_refusing = self._is_in_effect and is_too_much(refused - self._refused, finished - self._finished)
        self._refused, self._finished = refused, finished
        self._is_in_effect = not is_refusing and queue.running <= queue.turns.limit
        return is_refusing

    def _lower(self) -> None:
        if self._by_rate:
            self._set(self._by_rate.refused(monotonic(), self._queue.finished))
        elif self._by_queue:
            self._set(self._by_queue.refused())

    def _set(self, limit: int) -> None:
        if limit != self._queue.turns.limit:
            log.debug("concurrent_regions", limit=limit)
            self._queue.turns.limit = limit


def bounds_for(settings: Settings, kind: EngineKind | None, sequences: int | None) -> Bounds:
    """Where the bound begins and may go. `sequences`: how many calls the engine works on at once, where that is known.

    Calls beyond that and a few to follow would wait in the engine, where first come is first served, and not in our
    queue, which is fair. `MAX_CONCURRENT_REGIONS` is never exceeded.
    """
    highest = settings.max_concurrent_regions
    if kind in ("embedded", None):
        fixed = highest or available_cores() + 2
        return Bounds(fixed, fixed, fixed)
    start = math.ceil(sequences * FED) if sequences else REGIONS_AT_FIRST
    most = highest or (max(sequences * AMPLE, LEAST) if sequences else MOST)
    return Bounds(highest or start, min(LEAST, most), most)
