"""The parts that the service is made of, chosen by the settings."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.intake.render.pool import RenderPool
from gateway.layout.base import LayoutDetector
from gateway.layout.factory import create_layout
from gateway.orientation import Orientation, angle_of
from gateway.pixels import PixelStage
from gateway.recognition import create_recognition
from gateway.recognition.admission import RegionQueue
from gateway.recognition.chat import ChatCaller
from gateway.recognition.engine import EngineMonitor
from gateway.recognition.vlm import RegionReader
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
    """The parts that the settings ask for, not yet started."""
    made = create_recognition(settings)
    pool, layout = RenderPool(settings), create_layout(settings)
    return Parts(settings, pool, layout, PixelStage(settings), made.queue, made.engine, made.reader, made.chat)
