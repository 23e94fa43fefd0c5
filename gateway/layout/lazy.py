"""A layout detector that loads with the first page."""

from __future__ import annotations

import asyncio

from gateway.layout.base import LayoutDetector, LayoutEngine, LayoutState
from gateway.model import LayoutOptions, PageImage, PageLayout


class LazyLayout:
    """`LayoutDetector` that starts `inner` once, when a page comes; pages that come meanwhile wait for it."""

    def __init__(self, inner: LayoutDetector) -> None:
        self._inner = inner
        self._starting: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._inner.name

    @property
    def engine(self) -> LayoutEngine:
        return self._inner.engine

    @property
    def state(self) -> LayoutState:
        return self._inner.state

    @property
    def reason(self) -> str | None:
        return self._inner.reason if self._starting else "the layout model loads with the first page"

    @property
    def warning(self) -> str | None:
        return self._inner.warning

    async def start(self) -> None:
        """Nothing: loading is for the first page."""

    def unheeded(self, options: LayoutOptions) -> list[str]:
        return self._inner.unheeded(options)

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        self._starting = self._starting or asyncio.create_task(self._inner.start())
        # A client that goes away takes its page with it, not the model that others wait for.
        await asyncio.shield(self._starting)
        if self._inner.state != "ready":
            raise RuntimeError(self._inner.reason)
        return await self._inner.detect(page, options)

    async def close(self) -> None:
        if self._starting:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._inner.close()
