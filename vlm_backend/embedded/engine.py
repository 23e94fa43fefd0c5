"""The embedded engine itself: takes crops and task prompts, shares the cores among them, and says when it is full."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from common.cores import available_cores
from common.logs import log
from textlines.detection import LineDetector, Pixels, TextLine
from vlm_backend.embedded.debian import package_of
from vlm_backend.embedded.languages import ModelMissing, fetch_cyrillic, load_recognizers
from vlm_backend.embedded.protocol import ApiError
from vlm_backend.embedded.reader import Cancelled, CropReader, ReadLine, in_order, text_of
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.tables import find_grid, otsl, spans, split_at_rules
from vlm_backend.embedded.unread import refusal_of
from vlm_backend.settings import Settings

TABLE_PROMPT = "Table Recognition:"
T = TypeVar("T")
FETCH_WAIT_S = 20.0
"""How long the start waits for data that is being fetched; later it is taken in as soon as it comes."""
SHARE = 12  # lines of a crop that are worth a core of their own when cores are idle


@dataclass(slots=True)
class Load:
    """Requests in the engine now, and what became of the others."""

    waiting: int = 0
    running: int = 0
    served: int = 0
    cancelled: int = 0
    rejected: int = 0
    lines: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of a crop, in pieces; `refusal` says in a sentence what of it no model reads, None for nothing."""

    pieces: list[LineText]
    refusal: str | None


@dataclass(slots=True)
class EmbeddedEngine:
    """One per process. `state` is `loading` until `load()` has ended, then `ready` or `failed`."""

    settings: Settings
    state: str = "loading"
    reason: str | None = "the models are loading"
    model: str = ""
    models: tuple[str, ...] = ()
    """`model`, and the names it had before data was taken in."""
    scripts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    load_now: Load = field(default_factory=Load)
    _cores: int = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _reader: CropReader = field(init=False)
    _missing: str | None = None
    _fetching: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._cores = self.settings.embedded_threads or available_cores()
        self._threads = ThreadPoolExecutor(self._cores, thread_name_prefix="reader")
        self._places = asyncio.Semaphore(self._cores)

    async def load(self) -> None:
        """Loads the models off the event loop. Never raises: what went wrong stands in `reason`."""
        try:
            await self._run(self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"the models can't be loaded: {error}"
            return
        if self._missing and self.settings.embedded_download:
            self.reason = "data for Cyrillic text is being fetched"
            self._fetching = asyncio.create_task(self._fetch(self._missing))
            await asyncio.wait([self._fetching], timeout=FETCH_WAIT_S)
        self.state, self.reason = "ready", None

    async def read(self, image: Callable[[], Pixels], prompt: str, gone: threading.Event) -> Answer:
        """The answer to `prompt` about the crop that `image()` decodes.

        Raises `ApiError` 503 while loading or full, and `Cancelled` soon after `gone` is set.
        """
        self._require_room()
        self.load_now.waiting += 1
        try:
            await self._places.acquire()
        finally:
            self.load_now.waiting -= 1
        self.load_now.running += 1
        try:
            return await self._read(image, prompt, gone)
        except (Cancelled, asyncio.CancelledError):
            self.load_now.cancelled += 1
            raise
        finally:
            self.load_now.running -= 1
            self._places.release()

    def close(self) -> None:
        if self._fetching:
            self._fetching.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        recognizers = load_recognizers(self.settings)
        self._reader = CropReader(LineDetector(threads=1), recognizers)
        self.model, self.scripts, self.warnings = recognizers.model, recognizers.scripts, recognizers.warnings
        self.models, self._missing = (recognizers.model, *self.models), recognizers.missing

    async def _fetch(self, language: str) -> None:
        """Gets the data and loads anew. Without it the engine goes on with what it has."""
        log(f"fetching {package_of(language)} for Cyrillic text, some 10 MB, once")
        try:
            await fetch_cyrillic(language, self.settings)
            await self._run(self._load)
        except ModelMissing as missing:
            self.warnings = (str(missing),)
        except Exception as error:
            self.warnings = (f"Cyrillic text can't be read: the fetched data can't be loaded ({error})",)
        else:
            log("fetched", reads=", ".join(self.scripts))
            return
        if self.state == "ready":
            log(self.warnings[0], level=logging.WARNING)

    def _require_room(self) -> None:
        if self.state != "ready":
            raise ApiError(503, str(self.reason), "ServiceUnavailableError")
        if self.load_now.waiting >= self.settings.embedded_queue:
            self.load_now.rejected += 1
            raise ApiError(503, f"{self.load_now.waiting} requests are waiting already", "ServiceUnavailableError")

    async def _read(self, image: Callable[[], Pixels], prompt: str, gone: threading.Event) -> Answer:
        if gone.is_set():
            raise Cancelled
        pixels = await self._run(image)
        lines = await self._run(self._reader.find, pixels)
        answer = await (self._table if prompt == TABLE_PROMPT else self._text)(pixels, lines, gone)
        self.load_now.served += 1
        self.load_now.lines += len(lines)
        return answer

    async def _text(self, pixels: Pixels, lines: Sequence[TextLine], gone: threading.Event) -> Answer:
        read, refusal = await self._read_lines(pixels, lines, gone)
        return Answer(await self._run(lambda: text_of(in_order(read))), refusal)

    async def _table(self, pixels: Pixels, lines: Sequence[TextLine], gone: threading.Event) -> Answer:
        grid = await self._run(find_grid, pixels, lines)
        clean = await self._run(grid.rulings.erased, pixels)
        read, refusal = await self._read_lines(clean, split_at_rules(lines, grid), gone)
        if not read:
            return Answer([], refusal)
        return Answer(await self._run(lambda: otsl(grid, spans(grid, [line.box for line in read]), read)), refusal)

    async def _read_lines(
        self, pixels: Pixels, lines: Sequence[TextLine], gone: threading.Event
    ) -> tuple[list[ReadLine], str | None]:
        """Reads the lines, on all cores where this is the only crop in work. Those that can't be read are left out,
        and the refusal says so."""
        idle = self._cores - self.load_now.running
        shares = min(1 + max(idle, 0), max(1, len(lines) // SHARE))
        parts = [lines[start::shares] for start in range(shares)]
        read = await asyncio.gather(*(self._run(self._reader.read, pixels, part, gone.is_set) for part in parts))
        found = [line for part in read for line in part]
        return [line for line in found if line.unread is None], _refusal(found, self.scripts)

    async def _run(self, function: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *args)


def _refusal(lines: Sequence[ReadLine], readable: Sequence[str]) -> str | None:
    return refusal_of([line.unread for line in lines if line.unread], len(lines), readable)
