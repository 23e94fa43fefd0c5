"""The gateway as users run it, but for its layout model, in whose place stand the boxes of the scripted page.

BENCH_BOXES=boxes.json python -m benchmarks.load.app; the settings are the gateway's own. `GET /lag` gives the delays
of its event loop since the last such request, and nothing at the first one, which starts the measurement.
"""

from __future__ import annotations

import asyncio
import json
import os
from array import array
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from fastapi import FastAPI

from common.memory import give_back_freed_memory
from gateway.app import create_app
from gateway.layout.base import LayoutEngine
from gateway.model import PageImage, PageLayout, Region
from gateway.parts import create_parts
from gateway.reading_options import LayoutOptions
from gateway.runtime import configure_logs, shorten_pauses
from gateway.server.serving import create_server
from gateway.settings import Settings

TICK_S = 0.01


@dataclass
class RecordedLayout:
    """The same boxes on every page, at no cost; like PP-DocLayout it finds no text lines."""

    boxes: list[tuple[str, float, float, float, float]]
    name: str = "recorded"
    engine: LayoutEngine = "onnx"
    state: Literal["not_initialized", "ready", "failed"] = "not_initialized"
    reason: str | None = None
    warning: str | None = None
    pages_at_once: int = 64

    async def start(self) -> None:
        self.state = "ready"

    async def close(self) -> None:
        self.state = "not_initialized"

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        return []

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        width, height = page.width, page.height
        regions = [
            Region(label, (round(x1 * width), round(y1 * height), round(x2 * width), round(y2 * height)), order, 0.9)
            for order, (label, x1, y1, x2, y2) in enumerate(self.boxes, start=1)
        ]
        return PageLayout(regions, regions)


@dataclass
class LoopLag:
    """How much later than asked for the event loop comes back to a timer, seconds."""

    delays: array[float] = field(default_factory=lambda: array("f"))
    """Four bytes each: hours of them must not look like memory that the gateway has lost."""
    sampling: asyncio.Task[None] | None = None

    async def sample(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_S
            await asyncio.sleep(TICK_S)
            self.delays.append(max(loop.time() - due, 0.0))

    async def take(self) -> dict[str, float]:
        """Milliseconds at percentiles since the last call."""
        self.sampling = self.sampling or asyncio.create_task(self.sample())
        taken, self.delays = sorted(self.delays), array("f")
        if not taken:
            return {}
        return {f"p{share}": 1000 * taken[min(len(taken) * share // 100, len(taken) - 1)] for share in (50, 99, 100)}


def bench_app(settings: Settings, boxes: Path) -> FastAPI:
    layout, lag = RecordedLayout(json.loads(boxes.read_text())), LoopLag()
    app = create_app(settings, replace(create_parts(settings), layout=layout))
    app.add_api_route("/lag", lag.take)
    return app


def main() -> None:
    give_back_freed_memory()
    settings = Settings()
    configure_logs(settings.log_level, settings.log_format)
    app = bench_app(settings, Path(os.environ["BENCH_BOXES"]))
    shorten_pauses()
    create_server(app).run()


if __name__ == "__main__":
    main()
