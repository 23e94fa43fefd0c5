"""From regions to text: the one queue, the engine's monitor and the reader of regions, wired together."""

from __future__ import annotations

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
"""Calls in flight that keep vLLM's batch full; it schedules them itself."""


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
    queue = RegionQueue(settings, concurrent_regions(settings, None))

    def resize_queue(engine: EngineMonitor) -> None:
        queue.turns.limit = concurrent_regions(settings, engine.kind)

    engine = EngineMonitor(settings, connection, is_busy=lambda: queue.running > 0, on_ready=resize_queue)
    return Recognition(queue, engine, RegionReader(settings, connection, engine), ChatCaller(connection, engine))


def concurrent_regions(settings: Settings, kind: EngineKind | None) -> int:
    """How many region calls run at once: the setting, or what the engine's kind suggests.

    PP-OCR on the CPU reads one crop a core; two more calls keep it fed while answers travel.
    """
    if settings.max_concurrent_regions:
        return settings.max_concurrent_regions
    return (os.cpu_count() or 1) + 2 if kind in ("embedded", None) else REGIONS_ON_GPU
