"""A layout detector and a document that do what a test tells them."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from gateway.model import BBox, PageFailure, PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions


def blank(width: int = 400, height: int = 300, value: int = 255) -> Pixels:
    return np.full((height, width, 3), value, dtype=np.uint8)


def text_regions(count: int, label: str = "text") -> list[Region]:
    """`count` regions of one label below each other, 200 by 30 pixels."""
    return [Region(label, (10, 40 * i, 210, 40 * i + 30), order=i + 1, score=0.9) for i in range(count)]


@dataclass
class FakeLayout:
    """Gives `regions` for each page, or `by_page[number]`; an exception in its place is raised. `detections` are the
    same unless given; `failing` is why it does not load; `asked` are the options of its pages.
    `lines` None: it looks for none.
    """

    regions: Sequence[Region] = ()
    by_page: Mapping[int, Sequence[Region] | Exception] = field(default_factory=dict)
    delay_s: Callable[[int], float] = field(default=lambda _number: 0.0)
    name: str = "fake-layout"
    engine: Literal["onnx", "paddleocr"] = "onnx"
    state: Literal["not_initialized", "ready", "failed"] = "ready"
    reason: str | None = None
    warning: str | None = None
    pages_at_once: int = 64
    seen: list[int] = field(default_factory=list)
    asked: list[LayoutOptions] = field(default_factory=list)
    without_effect: list[str] = field(default_factory=list)
    detections: Sequence[Region] | None = None
    failing: str | None = None
    starts: int = 0
    lines: Sequence[BBox] | None = ()

    async def start(self) -> None:
        self.starts += 1
        await asyncio.sleep(0)
        self.state, self.reason = ("failed", self.failing) if self.failing else ("ready", None)

    async def close(self) -> None:
        self.state = "not_initialized"

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        return self.without_effect

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        self.seen.append(page.number)
        self.asked.append(options)
        await asyncio.sleep(self.delay_s(page.number))
        regions = self.by_page.get(page.number, self.regions)
        if isinstance(regions, Exception):
            raise regions
        detections = regions if self.detections is None else self.detections
        return PageLayout(list(regions), list(detections), lines=self.lines)


@dataclass
class FakeDocument:
    """White pages. `failing` pages come as PageFailure; `live` counts the pages whose pixels are still held."""

    pages_total: int = 1
    width: int = 400
    height: int = 300
    failing: frozenset[int] = frozenset()
    name: str = "fake.pdf"
    media_type: str = "application/pdf"
    sha256: str = "0" * 64
    live: int = 0
    most_live: int = 0
    delivered: int = 0
    closed: bool = False

    @property
    def selected(self) -> tuple[int, ...]:
        return tuple(range(1, self.pages_total + 1))

    async def pages(self) -> AsyncIterator[PageImage | PageFailure]:
        for number in self.selected:
            await asyncio.sleep(0)
            self.delivered += 1
            if number in self.failing:
                yield PageFailure(number, "page_unreadable", "the page could not be rendered")
            else:
                yield PageImage(number, self._pixels(), dpi=144)

    async def close(self) -> None:
        self.closed = True

    def _pixels(self) -> Pixels:
        pixels = blank(self.width, self.height)
        self.live += 1
        self.most_live = max(self.most_live, self.live)
        weakref.finalize(pixels, self._freed)
        return pixels

    def _freed(self) -> None:
        self.live -= 1
