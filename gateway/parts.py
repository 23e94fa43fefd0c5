"""The parts that the service is made of, chosen by the settings."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.engine.chat_proxy import ChatCaller
from gateway.engine.client import EngineClient
from gateway.engine.concurrency import Flow, bounds_for
from gateway.engine.monitor import EngineMonitor
from gateway.imaging.orientation import Orientation, angle_of
from gateway.intake.render.pool import RenderPool
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import RegionQueue
from gateway.scheduling.render_slots import PixelStage
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading a document, and chat, take; made once for the process."""

    settings: Settings
    pool: RenderPool
    layout: LayoutDetector
    pixels: PixelStage
    queue: RegionQueue
    engine: EngineMonitor
    reader: RegionReader
    chat: ChatCaller
    orientation: Orientation = angle_of


def create_parts(settings: Settings) -> Parts:
    """The parts that the settings ask for, not yet started.

    The queue takes more calls at once as soon as the engine says what it is.
    """
    client = EngineClient(settings)
    queue = RegionQueue(settings, bounds_for(settings, None, None).start)
    flow = Flow(settings, client, queue)
    engine = EngineMonitor(
        settings, client, is_busy=lambda: queue.running > 0, on_ready=flow.begin, while_ready=flow.adapt
    )
    return Parts(
        settings=settings,
        pool=RenderPool(settings),
        layout=create_layout(settings),
        pixels=PixelStage(settings),
        queue=queue,
        engine=engine,
        reader=RegionReader(settings, client, engine),
        chat=ChatCaller(client, engine),
    )
