"""The bundled layout model in the place of one that can't be had, or that is still on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from gateway.hub import FetchError
from gateway.layout.base import DetectionFailed, LayoutDetector, LayoutEngine, LayoutState
from gateway.model import LayoutOptions, PageImage, PageLayout

FIRST_RETRY_S, LONGEST_RETRY_S = 30.0, 1800.0

log = structlog.get_logger(__name__)


class FallbackLayout:
    """`LayoutDetector` that serves with `wanted`, and with `other` where that one does not load; `warning` says so.

    `fetch` gets the wanted model's files, or raises FetchError. Nobody waits for it: `other` serves until it is done.
    A page that `wanted` can't lay out though it is loaded (DetectionFailed) is laid out by `other`, with a warning.
    """

    def __init__(
        self, wanted: LayoutDetector, other: LayoutDetector, fetch: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.warning: str | None = None
        self._detectors = (wanted, other)
        self._used = wanted
        self._why: str | None = None
        self._fetch = fetch
        self._fetching: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self._used.name

    @property
    def engine(self) -> LayoutEngine:
        return self._used.engine

    @property
    def state(self) -> LayoutState:
        return self._used.state

    @property
    def reason(self) -> str | None:
        return self._used.reason or self._why

    async def start(self) -> None:
        wanted, other = self._detectors
        await wanted.start()
        if wanted.state == "ready":
            return
        self._used = other
        if self._fetch:
            self.warning = f"the layout is by {other.name} until {wanted.name} is downloaded"
            self._fetching = asyncio.create_task(self._replace(self._fetch))
        else:
            self._warn(wanted.reason or "")
        await self._start_other()

    def unheeded(self, options: LayoutOptions) -> list[str]:
        return self._used.unheeded(options)

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        try:
            return await self._used.detect(page, options)
        except DetectionFailed as failure:
            wanted, other = self._detectors
            log.warning(
                "layout_page_replaced", wanted=wanted.name, used=other.name, page=page.number, reason=str(failure)
            )
            await self._start_other()
            layout = await other.detect(page, options)
            return replace(layout, warning=f"its layout is by {other.name}, for {wanted.name} failed: {failure}")

    async def close(self) -> None:
        for task in (self._fetching, self._starting):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        for detector in self._detectors:
            await detector.close()

    async def _start_other(self) -> None:
        """Once, whoever needs it first; a client that goes away leaves it to the others."""
        self._starting = self._starting or asyncio.create_task(self._detectors[1].start())
        await asyncio.shield(self._starting)

    async def _replace(self, fetch: Callable[[], Awaitable[None]]) -> None:
        """Serves with the wanted model as soon as it is there. Later tries come later and later."""
        wanted, other = self._detectors
        retry_s = FIRST_RETRY_S
        while not await self._fetched(fetch):
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)
        await wanted.start()
        if wanted.state != "ready":
            self._warn(wanted.reason or "")
            return
        self._used, self.warning, self._why = wanted, None, None
        log.info("layout_model_downloaded", used=wanted.name, before=other.name)

    async def _fetched(self, fetch: Callable[[], Awaitable[None]]) -> bool:
        try:
            await fetch()
        except FetchError as error:
            self._warn(str(error))
            return False
        return True

    def _warn(self, reason: str) -> None:
        wanted, other = self._detectors
        if reason != self._why:
            log.warning("layout_model_replaced", wanted=wanted.name, used=other.name, reason=reason)
        self.warning, self._why = f"the layout is by {other.name}, for {wanted.name} could not be loaded", reason
