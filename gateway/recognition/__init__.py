"""From regions to text: the one queue, the engine's monitor and the reader of regions, wired together."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.client import EngineClient
from gateway.recognition.admission import RegionQueue
from gateway.recognition.chat import ChatCaller
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.flow import Flow, bounds_for
from gateway.recognition.vlm import RegionReader
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Recognition:
    """`engine.start()` and `engine.close()` begin and end all of it."""

    queue: RegionQueue
    engine: EngineMonitor
    reader: RegionReader
    chat: ChatCaller


def create_recognition(settings: Settings) -> Recognition:
    """The parts, not yet running. The queue takes more calls at once as soon as the engine says what it is."""
    client = EngineClient(settings)
    queue = RegionQueue(settings, bounds_for(settings, None, None).start)
    flow = Flow(settings, client, queue)
    engine = EngineMonitor(
        settings, client, is_busy=lambda: queue.running > 0, on_ready=flow.begin, while_ready=flow.adapt
    )
    return Recognition(queue, engine, RegionReader(settings, client, engine), ChatCaller(client, engine))
