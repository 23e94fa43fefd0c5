"""The running service: its parts, started and stopped together, and what it knows of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import structlog

from gateway import __version__
from gateway.metrics import Metrics
from gateway.parts import Parts
from gateway.selfcheck import SelfCheck
from gateway.settings import Settings
from gateway.storage.bucket import Bucket
from gateway.storage.folders import FolderState, check_folder
from gateway.storage.pictures import create_store

_WATCH_S = 0.25
_STORAGE_CHECK_S = 30.0
_LAG_SAMPLE_S = 0.1

log = structlog.get_logger(__name__)


class Service:
    """One gateway process. `draining` is set when it was told to stop."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.parts = parts
        self.bucket = Bucket(settings)
        self.store = create_store(settings, self.bucket)
        self.metrics = Metrics()
        self.self_check = SelfCheck()
        self.version = __version__
        self.draining = False
        self.started = time.monotonic()
        self.output_dir = check_folder(settings.output_dir)
        self.temp_dir = check_folder(settings.temp_dir)
        self._watch_queue()

    @property
    def url(self) -> str:
        host = self.settings.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{self.settings.port}"

    def is_up(self) -> bool:
        """Whether both models are loaded and pages can be rendered."""
        parts = self.parts
        return parts.engine.state == "ready" and self._has_layout() and parts.pool.alive

    def unreadiness(self) -> list[str]:
        """Why a document can't be served now; empty when it can."""
        parts = self.parts
        reasons = {
            "draining": self.draining,
            f"vlm is {parts.engine.state}{_because(parts.engine.reason)}": parts.engine.state != "ready",
            f"layout is {parts.layout.state}{_because(parts.layout.reason)}": not self._has_layout(),
            "render workers are not running": not parts.pool.alive,
            f"OUTPUT_DIR can't be written{_because(self.output_dir.reason)}": not self.output_dir.writable,
            f"TEMP_DIR can't be written{_because(self.temp_dir.reason)}": not self.temp_dir.writable,
            f"self-check {self.self_check.state}{_because(self.self_check.reason)}": not self.self_check.passed,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def _has_layout(self) -> bool:
        """Whether pages can be laid out: with lazy loading, a model that no page has needed yet counts as there."""
        state, is_lazy = self.parts.layout.state, self.settings.layout_loading == "lazy"
        return state == "ready" or (is_lazy and state == "not_initialized")

    def is_loading(self) -> bool:
        """Whether it has not served yet, with nothing known to be broken."""
        broken = self.parts.layout.state == "failed" or self.parts.engine.state == "down"
        return not (self.draining or broken or self.self_check.state != "pending")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts all in the background, so that the gateway answers at once; stops all at the end."""
        self._announce_start()
        parts = self.parts
        starts = (parts.pool.start(), parts.layout.start(), parts.engine.start())
        duties = (self._check(), self._watch(), self._watch_storage(), self._watch_loop())
        tasks = [asyncio.create_task(_logged(work)) for work in (*starts, *duties)]
        try:
            yield
        finally:
            self.draining = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._stop()

    async def _stop(self) -> None:
        parts = self.parts
        for closing in (parts.engine.close(), parts.layout.close(), parts.pool.close(), self.bucket.close()):
            await _logged(closing)
        parts.pixels.close()
        log.info("service stopped")

    async def _check(self) -> None:
        await self.self_check.run(self.parts, self.is_up)
        engine = self.parts.engine
        command = f"curl -F file=@{_example()} '{self.url}/ocr?format=markdown'"
        if self.settings.log_format == "console":
            lines = [f"Ready: {self.url}  (engine {engine.kind}, model {engine.model})"]
            lines += [f"Reads: {', '.join(engine.scripts)}"] if engine.scripts else []
            print(*lines, f"Try:   {command}", f"Docs:  {self.url}/docs", sep="\n", flush=True)  # noqa: T201
        else:
            log.info(
                "service ready",
                url=self.url,
                engine=engine.kind,
                model=engine.model,
                reads=engine.scripts,
                curl=command,
            )

    async def _watch(self) -> None:
        """Logs each change of the engine's and the layout's state."""
        engine, layout = self.parts.engine, self.parts.layout
        last: tuple[str, str] = ("", "")
        while True:
            if (now := (engine.state, layout.state)) != last:
                log.info(
                    "state",
                    vlm=engine.state,
                    engine=engine.kind,
                    model=engine.model,
                    vlm_reason=engine.reason,
                    layout=layout.state,
                    layout_model=layout.name,
                    layout_engine=layout.engine,
                    layout_reason=layout.reason,
                )
                last = now
            await asyncio.sleep(_WATCH_S)

    def _watch_queue(self) -> None:
        queue, metrics = self.parts.queue, self.metrics
        metrics.watch("ocr_documents_in_work", "Documents in work", lambda: queue.documents)
        metrics.watch("ocr_chats_in_work", "Chat requests in work", lambda: queue.chats)
        metrics.watch("ocr_pages_in_work", "Pages being rendered, laid out or cut", lambda: self.parts.pixels.pages)
        metrics.watch("ocr_regions_waiting", "Region calls that wait", lambda: queue.waiting)
        metrics.watch("ocr_regions_running", "Region calls at the engine", lambda: queue.running)
        reader = self.parts.reader
        metrics.watch_total("ocr_runaways", "Readings stopped in a loop", lambda: reader.runaways)
        saved = "Tokens that stopped readings had left to their limits"
        metrics.watch_total("ocr_runaway_tokens_saved", saved, lambda: reader.tokens_saved)
        hedging = reader.hedging
        metrics.watch_total("ocr_hedges", "Calls asked beside silent ones", lambda: hedging.hedges)
        metrics.watch_total("ocr_hedges_won", "Those of them that were answered first", lambda: hedging.won)
        metrics.watch("ocr_regions_limit", "Most region calls at the engine, now", lambda: queue.turns.limit)

    async def _watch_storage(self) -> None:
        await self.bucket.check()
        while True:
            await asyncio.sleep(_STORAGE_CHECK_S)
            await self.bucket.check()
            self.output_dir = await asyncio.to_thread(check_folder, self.settings.output_dir)
            self.temp_dir = await asyncio.to_thread(check_folder, self.settings.temp_dir)

    async def _watch_loop(self) -> None:
        """Measures how long the event loop keeps a callback waiting that is due."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_SAMPLE_S
            await asyncio.sleep(_LAG_SAMPLE_S)
            self.metrics.loop_lag.observe(max(loop.time() - due, 0.0))

    def _announce_start(self) -> None:
        settings = self.settings
        log.info(
            "service starting",
            version=self.version,
            port=settings.port,
            vlm_engine=settings.vlm_engine,
            vlm_url=settings.engine_url,
            layout_model=self.parts.layout.name,
            keys=len(settings.keys),
        )
        for name, folder in (("OUTPUT_DIR", self.output_dir), ("TEMP_DIR", self.temp_dir)):
            _announce_folder(name, folder)


def _example() -> Path:
    """A page to try: of the checkout, or the one that is a part of the package."""
    page = Path("examples", "article-en.png")
    return page if page.is_file() else Path(str(files("gateway.assets").joinpath("selfcheck.png")))


def _announce_folder(name: str, folder: FolderState) -> None:
    write = log.info if folder.writable else log.warning
    write("folder", name=name, path=folder.path, writable=folder.writable, reason=folder.reason)


async def _logged(work: Coroutine[None, None, None]) -> None:
    """A part that fails to start or stop is told in the log and shown by its state; the others go on."""
    try:
        await work
    except Exception:
        log.exception("a part of the service failed")


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
