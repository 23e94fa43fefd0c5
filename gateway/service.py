"""The running service: its parts, started and stopped together, and what it knows of itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.resources import files
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from gateway import __version__
from gateway.conversion.conversion_pool import ConversionPool
from gateway.engine.endpoint import Endpoint
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.intake.font_packages import provide_fonts
from gateway.keys.keyring import RELOAD_S, Keyring
from gateway.metrics import Metrics
from gateway.parts import Parts
from gateway.recognition.line_reader import LineReader
from gateway.runtime import repeat
from gateway.scheduling.fair_semaphore import Places
from gateway.scheduling.fair_threads import FairThreads
from gateway.selfcheck import SelfCheck
from gateway.settings import Settings
from gateway.storage.bucket import Bucket
from gateway.storage.files import FileStore
from gateway.storage.folders import FolderState, check_folder
from gateway.storage.objects import create_objects
from gateway.storage.pictures import create_store, not_stored
from gateway.storage.retention import retention_of, tidy_interval_s

if TYPE_CHECKING:
    from gateway.keys.shared_counts import SharedCounts

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_OPENING = "Open:  for this machine only; HOST=0.0.0.0 lets others in, API_KEYS says whom"
_WATCH_S = 0.25
_STORAGE_CHECK_S = 30.0
_LAG_SAMPLE_S = 0.1

log = structlog.get_logger(__name__)


class Service:
    """One gateway process. `draining` is set when it was told to stop."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self.parts = parts
        self.conversion = ConversionPool(settings)
        self.bucket = Bucket(settings)
        self.store = create_store(settings, self.bucket)
        self.objects = create_objects(settings, self.bucket)
        self.files = FileStore(settings, self.objects)
        self.metrics = Metrics()
        self.keyring = Keyring(settings.keys, settings.api_keys_file)
        self.shared_counts: SharedCounts | None = None
        """Where there are keys with limits and gateways that may share them, once the service has started."""
        self.uploads = Places(settings.max_uploads)
        self.self_check = SelfCheck()
        self.version = __version__
        self.draining = False
        self.started = time.monotonic()
        self.output_dir = check_folder(settings.output_dir)
        self.temp_dir = check_folder(settings.temp_dir)
        self._register_gauges()

    @property
    def engines(self) -> list[EnginePool]:
        """Of each model, the default one's first."""
        return [parts.engine for parts in self.parts.models]

    @property
    def url(self) -> str:
        host = self.settings.host
        return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{self.settings.port}"

    def is_up(self) -> bool:
        """Whether both models are loaded and pages can be rendered."""
        parts = self.parts
        return parts.engine.state == "ready" and self._has_layout() and parts.pool.alive

    def unreadiness(self, engine: EnginePool | None = None) -> list[str]:
        """Why a document can't be served now; empty when it can. `engine`: of the model that is to read it, by default
        the first one, which also reads the self-check."""
        parts, output, temp = self.parts, self.output_dir, self.temp_dir
        engine = engine or parts.engine
        is_checked = self.self_check.passed or engine is not parts.engine
        reasons = {
            "draining": self.draining,
            f"vlm is {engine.state}{_format_reason(engine.reason)}": engine.state != "ready",
            f"layout is {parts.layout.state}{_format_reason(parts.layout.reason)}": not self._has_layout(),
            "render workers are not running": not parts.pool.alive,
            f"OUTPUT_DIR can't be written{_format_reason(output.reason)}": not (output.writable or output.is_full),
            f"TEMP_DIR can't be written{_format_reason(temp.reason)}": not (temp.writable or temp.is_full),
            f"self-check {self.self_check.state}{_format_reason(self.self_check.reason)}": not is_checked,
        }
        return [reason for reason, holds in reasons.items() if holds]

    def limitations(self) -> list[str]:
        """What can't be served now though other documents can; empty when all can."""
        output, temp = self.output_dir, self.temp_dir
        is_kept = output.writable or self.bucket.state == "ok"
        away = [
            f"model {one.name} is {one.state}{_format_reason(one.reason)}" for one in self.engines[1:] if one.reason
        ]
        limits = {
            f"pictures can't be stored (images=stored): OUTPUT_DIR{_format_reason(output.reason)}": not is_kept,
            f"documents above 1 MiB can't be read: TEMP_DIR{_format_reason(temp.reason)}": temp.is_full,
        }
        shared = self.shared_counts.reason if self.shared_counts else None
        told = filter(None, [self.keyring.reason, shared])
        return [*(limit for limit, holds in limits.items() if holds), *away, *told]

    def require_picture_storage(self) -> None:
        """Raises ServiceError 503 `storage_unavailable` where pictures could not be stored."""
        if not (self.output_dir.writable or self.bucket.name):
            raise not_stored(f"OUTPUT_DIR can't be written{_format_reason(self.output_dir.reason)}")

    def _has_layout(self) -> bool:
        """Whether pages can be laid out: with lazy loading, a model that no page has needed yet counts as there."""
        state, is_lazy = self.parts.layout.state, self.settings.layout_loading == "lazy"
        return state == "ready" or (is_lazy and state == "not_initialized")

    def is_loading(self) -> bool:
        """Whether it has not served yet, with nothing known to be broken."""
        broken = self.parts.layout.state == "failed" or self.parts.engine.state == "down"
        return not (self.draining or broken or self.self_check.state != "pending")

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Starts all in the background, so that the gateway answers at once; stops all at the end."""
        self._announce_start()
        asyncio.get_running_loop().set_default_executor(FairThreads())
        self.objects.start(asyncio.get_running_loop())
        parts = self.parts
        starts = [parts.pool.start(), parts.layout.start(), *(engine.start() for engine in self.engines)]
        if parts.line_reader:
            starts.append(parts.line_reader.engine.start())
        tidy_s = tidy_interval_s(retention_of(self.settings))
        duties = (
            self._check(),
            self._log_states(),
            repeat(self._check_storage, _STORAGE_CHECK_S),
            repeat(self.store.tidy, tidy_s),
            repeat(self._remove_files, tidy_s),
            self._measure_lag(),
            repeat(self._reload_keys, RELOAD_S),
            self._share_counts(),
            provide_fonts(self.settings),
        )
        tasks = [asyncio.create_task(_log_failure(work)) for work in (*starts, *duties)]
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
        for engine in self.engines:
            await _log_failure(engine.close())
        for part in (parts.layout, parts.pool, self.conversion, self.bucket, parts.tracing):
            await _log_failure(part.close())
        if parts.line_reader:
            await _log_failure(parts.line_reader.engine.close())
        parts.slots.close()
        log.info("service stopped")

    async def _check(self) -> None:
        await self.self_check.run(self.parts, self.is_up)
        engine = self.parts.engine
        command = f"curl -F file=@{_example()} '{self.url}/ocr?format=markdown'"
        if self.settings.log_format == "console":
            lines = [f"Ready: {self.url}  (engine {engine.kind}, model {engine.model})"]
            lines += [f"Reads: {', '.join(engine.scripts)}"] if engine.scripts else []
            lines += [_OPENING] if self.settings.host in _LOOPBACK else []
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

    async def _log_states(self) -> None:
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

    def _register_gauges(self) -> None:
        queue, metrics = self.parts.queue, self.metrics
        queues = [parts.queue for parts in self.parts.models]
        metrics.watch("ocr_uploads", "Request bodies on their way", lambda: self.uploads.count)
        metrics.watch("ocr_documents_in_work", "Documents in work", lambda: queue.documents)
        metrics.watch("ocr_chats_in_work", "Chat requests in work", lambda: queue.chats)
        metrics.watch("ocr_pages_in_work", "Pages being rendered, laid out or cut", lambda: self.parts.slots.rendered)
        metrics.watch("ocr_regions_waiting", "Region calls that wait", lambda: sum(one.waiting for one in queues))
        metrics.watch("ocr_regions_running", "Region calls at the engine", lambda: sum(one.running for one in queues))
        self._watch_engines()
        if self.parts.line_reader:
            self._watch_line_reader(self.parts.line_reader)
        if not self.keyring.is_open:
            for what in ("requests", "refused", "pages"):
                count = partial(self.keyring.totals, attrgetter(what))
                metrics.watch_keys(f"ocr_key_{what}", f"Of each API key: {what}", count)
        readers = [parts.reader for parts in self.parts.models]
        metrics.watch_total("ocr_runaways", "Readings stopped in a loop", lambda: sum(one.runaways for one in readers))
        saved = "Tokens that stopped readings had left to their limits"
        metrics.watch_total("ocr_runaway_tokens_saved", saved, lambda: sum(one.tokens_saved for one in readers))
        hedgings = [reader.hedging for reader in readers]
        hedges = "Calls asked beside silent ones"
        metrics.watch_total("ocr_hedges", hedges, lambda: sum(one.hedges for one in hedgings))
        won = "Those of them that were answered first"
        metrics.watch_total("ocr_hedges_won", won, lambda: sum(one.won for one in hedgings))
        limit = "Most region calls at the engine, now"
        metrics.watch("ocr_regions_limit", limit, lambda: sum(one.in_flight.limit for one in queues))
        busy = "Seconds in which the engine had calls of this gateway"
        metrics.watch_total("ocr_engine_busy_seconds", busy, lambda: sum(one.engine_time.busy_s for one in queues))
        price = "PRICE_PER_GPU_HOUR; 0: none is set"
        metrics.watch("ocr_price_per_gpu_hour", price, lambda: self.settings.price_per_gpu_hour)
        metrics.watch("ocr_ready", "1 while a document can be served, as /readyz says", lambda: not self.unreadiness())

    def _watch_engines(self) -> None:
        engines, metrics = self.engines, self.metrics
        ready = partial(_values, engines, lambda engine: engine.monitor.is_ready)
        metrics.watch_engines("ocr_engine_ready", "Whether the engine is ready", ready)
        for what in ("running", "limit"):
            text = {"running": "Calls at the engine", "limit": "Most calls at the engine, now"}[what]
            metrics.watch_engines(f"ocr_engine_{what}", text, partial(_values, engines, attrgetter(what)))
        for what in ("answered", "failed"):
            text = {"answered": "Calls that it answered", "failed": "Calls that another engine took over"}[what]
            count = partial(_values, engines, attrgetter(what))
            metrics.watch_engines(f"ocr_engine_{what}", text, count, is_total=True)
        metrics.watch_total(
            "ocr_calls_moved", "Calls asked of another engine", lambda: sum(one.moved for one in engines)
        )

    def _watch_line_reader(self, reader: LineReader) -> None:
        metrics = self.metrics
        ready = "Whether the embedded engine beside the VLM is ready"
        metrics.watch("ocr_line_reader_ready", ready, lambda: reader.engine.state == "ready")
        metrics.watch("ocr_line_reader_waiting", "Calls that wait for it", lambda: reader.queue.waiting)
        metrics.watch_total("ocr_line_reader_calls", "Calls to it, for `recognition=hybrid`", lambda: reader.calls)
        taken = "Those of them whose reading was taken, so that the VLM was not asked"
        metrics.watch_total("ocr_line_reader_taken", taken, lambda: reader.taken)
        metrics.watch_total("ocr_line_reader_late", "Texts that it did not read in time", lambda: reader.late)

    async def _check_storage(self) -> None:
        await self.bucket.check()
        self.output_dir = await asyncio.to_thread(check_folder, self.settings.output_dir)
        self.temp_dir = await asyncio.to_thread(check_folder, self.settings.temp_dir)

    async def _remove_files(self) -> None:
        with suppress(OSError, ServiceError):  # the store is away
            begun = time.monotonic()
            found = await asyncio.to_thread(self.files.remove_expired, time.time())
            self.keyring.set_stored("files", found, begun)

    async def _reload_keys(self) -> None:
        await asyncio.to_thread(self.keyring.reload)

    async def _share_counts(self) -> None:
        url = self.settings.database_url
        if not self.settings.api_keys_file or not url:
            return
        # What the first page needs goes before: the database's library takes seconds of CPU.
        while self.is_loading():  # noqa: ASYNC110 - several parts tell how they are, each its own way
            await asyncio.sleep(_WATCH_S)
        from gateway.database import is_shared
        from gateway.keys.shared_counts import SharedCounts

        if is_shared(url):
            self.shared_counts = SharedCounts(self.keyring, url)
            await self.shared_counts.run()

    async def _measure_lag(self) -> None:
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
            vlm_url=", ".join(settings.engine_urls),
            layout_model=self.parts.layout.name,
            keys=len(self.keyring),
        )
        for name, folder in (("OUTPUT_DIR", self.output_dir), ("TEMP_DIR", self.temp_dir)):
            _announce_folder(name, folder)


def _values(engines: Iterable[EnginePool], value: Callable[[Endpoint], float]) -> Mapping[str, float]:
    """Something of each engine of all models."""
    return {label: found for one in engines for label, found in one.values(value).items()}


def _example() -> Path:
    """A page to try: of the checkout, or the one that is a part of the package."""
    page = Path("examples", "article-en.png")
    return page if page.is_file() else Path(str(files("gateway.assets").joinpath("selfcheck.png")))


def _announce_folder(name: str, folder: FolderState) -> None:
    write = log.info if folder.writable else log.warning
    write("folder", name=name, path=folder.path, writable=folder.writable, reason=folder.reason)


async def _log_failure(work: Coroutine[None, None, None]) -> None:
    """A part that fails to start or stop is told in the log and shown by its state; the others go on."""
    try:
        await work
    except Exception:
        log.exception("a part of the service failed")


def _format_reason(reason: str | None) -> str:
    return f": {reason}" if reason else ""
