"""From regions to text: the one queue, the engine's monitor and the reader of regions, wired together."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from gateway.recognition.admission import RegionQueue
from gateway.recognition.chat import ChatCaller
from gateway.recognition.connection import EngineConnection
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.failures import EngineKind
from gateway.recognition.vlm import RegionReader
from gateway.settings import Settings

REGIONS_ON_GPU = 128
"""Calls in flight to an engine that does not say how many it works on at once."""
FED = 1.25
"""Calls in flight for each that the engine works on: the next is there when one ends."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """`engine.start()` and `engine.close()` begin and end all of it."""

    queue: RegionQueue
    engine: EngineMonitor
    reader: RegionReader
    chat: ChatCaller


def create_recognition(settings: Settings) -> Recognition:
    """The parts, not yet running. The queue takes more calls at once as soon as the engine says what it is."""
    connection = EngineConnection(settings)
    queue = RegionQueue(settings, concurrent_regions(settings, None, None))

    def resize_queue(engine: EngineMonitor) -> None:
        queue.turns.limit = concurrent_regions(settings, engine.kind, engine.sequences)

    engine = EngineMonitor(settings, connection, is_busy=lambda: queue.running > 0, on_ready=resize_queue)
    return Recognition(queue, engine, RegionReader(settings, connection, engine), ChatCaller(connection, engine))


def concurrent_regions(settings: Settings, kind: EngineKind | None, sequences: int | None) -> int:
    """How many calls run at once: the setting, or what keeps the engine fed.

    `sequences` is how many it works on at once, where that is known. Calls beyond that and a few to follow would wait
    in the engine, where first come is first served, and not in our queue, which is fair. PP-OCR on the CPU reads one
    crop a core; two more calls keep it fed while answers travel.
    """
    if settings.max_concurrent_regions:
        return settings.max_concurrent_regions
    if kind in ("embedded", None):
        return (os.cpu_count() or 1) + 2
    return math.ceil(sequences * FED) if sequences else REGIONS_ON_GPU
