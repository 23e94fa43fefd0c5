"""The parts that the service is made of, chosen by the settings."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.engine.chat_proxy import ChatProxy
from gateway.engine.concurrency import limit_range
from gateway.engine.pool import EnginePool
from gateway.imaging.orientation import Orientation, detect_angle
from gateway.intake.render.pool import RenderPool
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.layout.text_ink import TextInk
from gateway.recognition.reader import RegionReader
from gateway.scheduling.call_queue import CallQueue
from gateway.scheduling.page_slots import PageSlots
from gateway.settings import Settings
from gateway.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Parts:
    """What reading a document, and chat, take; made once for the process."""

    settings: Settings
    pool: RenderPool
    layout: LayoutDetector
    slots: PageSlots
    queue: CallQueue
    engine: EnginePool
    reader: RegionReader
    chat: ChatProxy
    tracing: Tracing
    orientation: Orientation = detect_angle
    ink: TextInk = field(default_factory=TextInk)


def create_parts(settings: Settings) -> Parts:
    """The parts that the settings ask for, not yet started.

    The queue takes more calls at once as soon as the engine says what it is.
    """
    tracing = Tracing(settings)
    queue = CallQueue(settings, limit_range(settings, None, None).start)
    engine = EnginePool(settings, queue, tracing)
    return Parts(
        settings=settings,
        pool=RenderPool(settings),
        layout=create_layout(settings),
        slots=PageSlots(settings),
        queue=queue,
        engine=engine,
        reader=RegionReader(settings, engine),
        chat=ChatProxy(engine),
        tracing=tracing,
    )
