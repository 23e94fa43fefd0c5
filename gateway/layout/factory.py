"""The layout detector that the settings ask for: loaded at the start or with the first page, and another in its place
while it can't be had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import structlog

from common.download import DownloadError
from gateway.layout.additions import PictureText
from gateway.layout.base import DetectionError, LayoutDetector, LayoutWrapper
from gateway.layout.bundled.rapid_model import BundledLayout
from gateway.layout.fetch_model import PADDLE_MODEL, cache_folder, fetch_in_subprocess
from gateway.layout.paddleocr.detector import PaddleOcrLayout
from gateway.layout.pp_doclayout.onnx_model import MODEL_FILE, PaddleLayout
from gateway.model import PageImage, PageLayout
from gateway.reading_options import LayoutOptions
from gateway.settings import Settings

MIN_RETRY_S, MAX_RETRY_S = 30.0, 1800.0
log = structlog.get_logger(__name__)


def create_layout(settings: Settings) -> LayoutDetector:
    """The layout detector that the settings ask for, not started yet."""
    layout = _choose_layout(settings)
    return LazyLayout(layout) if settings.layout_loading == "lazy" else layout


def _choose_layout(settings: Settings) -> LayoutDetector:
    bundled = BundledLayout(settings.layout_threads)
    is_auto = settings.layout_model == "auto"
    name = PADDLE_MODEL if is_auto else settings.layout_model
    folder = settings.layout_model_dir or cache_folder(settings, name)
    is_paddleocr = settings.layout_engine == "paddleocr"
    is_wished = is_paddleocr or settings.layout_model_dir is not None or not is_auto
    if name == "bundled" or not (is_wished or (folder / MODEL_FILE).is_file()):
        return bundled
    expected = None if is_auto else name
    wanted: LayoutDetector
    if is_paddleocr:
        wanted = PaddleOcrLayout(expected, folder, settings)
    else:
        wanted = PaddleLayout(expected, folder, settings.layout_device, settings.layout_threads, settings.layout_batch)
    is_fetched = not is_auto and settings.layout_model_dir is None
    return FallbackLayout(
        PictureText(wanted), bundled, partial(fetch_in_subprocess, name, folder) if is_fetched else None
    )


class FallbackLayout(LayoutWrapper):
    """`LayoutDetector` that serves with `wanted`, and with `other` where that one does not load; `warning` says so.

    `fetch` gets the wanted model's files, or raises DownloadError. Nobody waits for it: `other` serves
    until it is done.
    A page that `wanted` can't lay out though it is loaded (DetectionError) is laid out by `other`, with a warning.
    """

    def __init__(
        self, wanted: LayoutDetector, other: LayoutDetector, fetch: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        super().__init__(wanted)
        self._detectors = (wanted, other)
        self._warning: str | None = None
        self._why: str | None = None
        self._fetch = fetch
        self._fetching: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    @property
    def reason(self) -> str | None:
        return self._inner.reason or self._why

    @property
    def warning(self) -> str | None:
        return self._warning

    async def start(self) -> None:
        wanted, other = self._detectors
        await wanted.start()
        if wanted.state == "ready":
            return
        self._inner = other
        if self._fetch:
            self._warning = f"the layout is by {other.name} until {wanted.name} is downloaded"
            self._fetching = asyncio.create_task(self._replace(self._fetch))
        else:
            self._warn(wanted.reason or "")
        await self._start_other()

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        try:
            return await self._inner.detect(page, options)
        except DetectionError as failure:
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
        retry_s = MIN_RETRY_S
        while not await self._try_fetch(fetch):
            await asyncio.sleep(retry_s)
            retry_s = min(2 * retry_s, MAX_RETRY_S)
        await wanted.start()
        if wanted.state != "ready":
            self._warn(wanted.reason or "")
            return
        self._inner, self._warning, self._why = wanted, None, None
        log.info("layout_model_downloaded", used=wanted.name, before=other.name)

    async def _try_fetch(self, fetch: Callable[[], Awaitable[None]]) -> bool:
        try:
            await fetch()
        except DownloadError as error:
            self._warn(str(error))
            return False
        return True

    def _warn(self, reason: str) -> None:
        wanted, other = self._detectors
        if reason != self._why:
            log.warning("layout_model_replaced", wanted=wanted.name, used=other.name, reason=reason)
        self._warning, self._why = f"the layout is by {other.name}, for {wanted.name} could not be loaded", reason


class LazyLayout(LayoutWrapper):
    """`LayoutDetector` that starts `inner` once, when a page comes; pages that come meanwhile wait for it."""

    def __init__(self, inner: LayoutDetector) -> None:
        super().__init__(inner)
        self._starting: asyncio.Task[None] | None = None

    @property
    def reason(self) -> str | None:
        return self._inner.reason if self._starting else "the layout model loads with the first page"

    async def start(self) -> None:
        """Nothing: loading is for the first page."""

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
