"""The embedded engine itself: takes crops and task prompts, shares the cores among them, and says when it is full."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TypeVar

import numpy as np

from common.cores import available_cores
from common.logs import log
from textlines.box_shapes import TickBox
from textlines.detection import LineDetector, Pixels, TextLine, upright_line
from textlines.frame import ReadingFrame, find_frame
from textlines.row_slope import find_row_frame
from textlines.tick_boxes import Rows, assign_inner, erase_tick_boxes, find_tick_boxes, is_beside
from textlines.watermarks import erase_watermarks
from vlm_backend.embedded.core_shares import CoreShares, Work
from vlm_backend.embedded.edges import find_rulings
from vlm_backend.embedded.languages import ModelMissing, fetch_cyrillic, load_recognizers, package_of
from vlm_backend.embedded.level_tables import restore_cells, restore_lines
from vlm_backend.embedded.line_order import join_paragraphs, order_lines
from vlm_backend.embedded.open_tables import build_open_table
from vlm_backend.embedded.protocol import ApiError
from vlm_backend.embedded.read_lines import ReadLine, add_tick_boxes, make_sign
from vlm_backend.embedded.reader import Cancelled, CropReader
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.table_heads import find_feet, lift_heads, part_heads, stand_at_feet
from vlm_backend.embedded.table_model import TableModel, measure_table_model
from vlm_backend.embedded.tables import (
    Grid,
    PlacedCell,
    Table,
    fill_grid,
    find_grid,
    find_missed,
    open_bands,
    order_by_cells,
    otsl,
    place_cells,
    spans,
    split_at_rules,
)
from vlm_backend.embedded.unread import refusal_of
from vlm_backend.settings import Settings

TABLE_PROMPT = "Table Recognition:"
T = TypeVar("T")
FETCH_WAIT_S = 20.0
"""How long the start waits for data that is being fetched; later it is taken in as soon as it comes."""
PLACES_PER_CORE, SPARE_PLACES = 2, 4
"""Crops in work at once: those of several callers share the cores, a few lines at a time."""
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
    steps: int = 0
    """Calls of recognisers, and other work done: an engine whose steps stand still though it is asked is frozen."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was read of a crop, in pieces; `refusal` says in a sentence what of it no model reads, None for nothing.

    `lines`: those of the text in reading order; `cells`: those of a table. None where nobody asked for them. `noise`:
    how many lines were found in which nothing was read.
    """

    pieces: list[LineText]
    refusal: str | None
    lines: list[ReadLine] | None = None
    cells: list[PlacedCell] | None = None
    noise: int = 0


@dataclass(frozen=True, slots=True)
class _Crop:
    """A crop in work, with what was found in it. `with_lines`, `with_words`: whether their places are asked for.

    `pixels` are those of `drawn` without its `boxes`."""

    work: Work
    drawn: Pixels
    pixels: Pixels
    lines: Sequence[TextLine]
    boxes: Sequence[TickBox]
    gone: threading.Event
    with_lines: bool
    with_words: bool


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
    _shares: CoreShares = field(init=False)
    _threads: ThreadPoolExecutor = field(init=False)
    _places: asyncio.Semaphore = field(init=False)
    _reader: CropReader = field(init=False)
    _missing: str | None = None
    _fetching: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self._cores = self.settings.embedded_threads or available_cores()
        places = PLACES_PER_CORE * self._cores + SPARE_PLACES
        self._shares = CoreShares(self._cores)
        self._threads = ThreadPoolExecutor(places + self._cores, thread_name_prefix="reader")
        self._places = asyncio.Semaphore(places)

    async def load(self) -> None:
        """Loads the models off the event loop. Never raises: what went wrong stands in `reason`."""
        try:
            await self._run(Work(), self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"the models can't be loaded: {error}"
            return
        if self._missing and self.settings.embedded_download:
            self.reason = "data for Cyrillic text is being fetched"
            self._fetching = asyncio.create_task(self._fetch(self._missing))
            await asyncio.wait([self._fetching], timeout=FETCH_WAIT_S)
        self.state, self.reason = "ready", None

    async def read(
        self,
        image: Callable[[], Pixels],
        prompt: str,
        gone: threading.Event,
        *,
        known: Sequence[TextLine] | None = None,
        with_lines: bool = False,
        with_words: bool = False,
    ) -> Answer:
        """The answer to `prompt` about the crop that `image()` decodes; `with_lines`: with the lines' places,
        `with_words`: and those of their words. `known` are its text lines, where they were found before.

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
            return await self._read(image, prompt, gone, known, with_lines=with_lines, with_words=with_words)
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
        self._reader = CropReader(LineDetector(), recognizers)
        self.model, self.scripts, self.warnings = recognizers.model, recognizers.scripts, recognizers.warnings
        self.models, self._missing = (recognizers.model, *self.models), recognizers.missing
        measure_table_model()

    async def _fetch(self, language: str) -> None:
        """Gets the data and loads anew. Without it the engine goes on with what it has."""
        log(f"fetching {package_of(language)} for Cyrillic text, some 10 MB, once")
        try:
            await fetch_cyrillic(language, self.settings)
            await self._run(Work(), self._load)
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

    async def _read(
        self,
        image: Callable[[], Pixels],
        prompt: str,
        gone: threading.Event,
        known: Sequence[TextLine] | None,
        *,
        with_lines: bool,
        with_words: bool,
    ) -> Answer:
        if gone.is_set():
            raise Cancelled
        work = Work()
        drawn = pixels = await self._run(work, lambda: erase_watermarks(image()))
        lines = await self._run(work, lambda: self._reader.find(pixels, known))
        is_table = prompt == TABLE_PROMPT
        frame = await self._run(work, _find_table_frame, pixels, lines) if is_table else None
        if frame:
            drawn = pixels = await self._run(work, frame.straighten, pixels)
            lines = await self._run(work, self._reader.find, pixels)
        boxes = await self._run(work, lambda: find_tick_boxes(pixels, [line.box for line in lines], in_table=is_table))
        if boxes:
            pixels = await self._run(work, erase_tick_boxes, pixels, boxes)
            lines = await self._run(work, self._reader.find, pixels)  # those known reach over the boxes
        crop = _Crop(work, drawn, pixels, lines, boxes, gone, with_lines, with_words)
        answer = await (self._table(crop) if is_table else self._text(crop))
        if frame:
            answer = _restore_places(answer, frame)
        self.load_now.served += 1
        self.load_now.lines += len(lines)
        return answer

    async def _text(self, crop: _Crop) -> Answer:
        inner, outer = assign_inner(crop.boxes, Rows([line.box for line in crop.lines]))
        read, refusal, noise = await self._read_lines(crop, inner)
        ordered = await self._run(
            crop.work, lambda: order_lines(add_tick_boxes(read, outer, with_words=crop.with_words))
        )
        lines = [line for paragraph in ordered for row in paragraph for line in row]
        text = await self._run(crop.work, join_paragraphs, ordered)
        return Answer(text, refusal, lines if crop.with_lines else None, noise=noise)

    async def _table(self, crop: _Crop) -> Answer:
        work, pixels = crop.work, crop.pixels
        heads, level = await self._run(work, part_heads, crop.lines, pixels)
        feet = find_feet(heads)
        crop, placed = replace(crop, lines=level), [*level, *map(upright_line, feet)]
        rulings = await self._run(work, find_rulings, crop.drawn)
        rulings = rulings.without([one.box for one in crop.boxes])
        # Rules tell first which boxes stand in a cell of their own; where there are none, these make columns.
        drawn = await self._run(work, find_grid, rulings, placed)
        pieces, alone = await self._run(work, _find_alone, crop, drawn)
        grid = await self._run(work, find_grid, rulings, [*placed, *(upright_line(one.box) for one in alone)])
        clean = await self._run(work, grid.rulings.erased, pixels)
        pieces = [*pieces, *await self._run(work, find_missed, clean, grid, [*pieces, *heads])]
        with_text = [one for one in crop.boxes if one not in alone]
        rows = Rows([line.box for line in pieces], drawn.find_walls)
        inner, outer = await self._run(work, assign_inner, with_text, rows)
        in_lines = [*inner, *(() for _ in heads)]
        whole = replace(crop, pixels=clean, lines=[*pieces, *heads])
        read, refusal, noise = await self._read_lines(whole, in_lines)
        read = stand_at_feet(read, heads, feet)
        add = partial(add_tick_boxes, read, outer, drawn.find_walls, with_words=crop.with_words)
        read = await self._run(work, add)
        read = [*read, *(make_sign(one, with_words=crop.with_words) for one in alone)]
        if not read:
            return Answer([], refusal, [] if crop.with_lines else None)
        if noise and not refusal:  # what holds no text makes no column
            grid = await self._run(work, find_grid, rulings, [upright_line(line.box) for line in read])
        # The model knows no slanted heads; their feet tell the columns.
        fill = partial(self._fill_table, pixels, grid, read, asks_model=not heads)
        table = lift_heads(await self._run(work, fill), heads)
        text = await self._run(work, otsl, table)
        if not crop.with_lines:
            return Answer(text, refusal)
        return Answer(text, refusal, await self._run(work, order_by_cells, table), place_cells(table))

    def _fill_table(self, pixels: Pixels, grid: Grid, lines: Sequence[ReadLine], *, asks_model: bool) -> Table:
        """The lines in cells: those that rules draw, or the model's where it parts the words at least as well."""
        grid = open_bands(grid, lines)
        drawn = fill_grid(grid, spans(grid, [line.box for line in lines]), lines)
        model = _load_table_model() if asks_model and (not grid.ruled_columns or grid.open_ys) else None
        seen = model(pixels, lines) if model else None
        return build_open_table(pixels, grid, drawn, seen, lines)

    async def _read_lines(
        self, crop: _Crop, boxes: Sequence[Sequence[TickBox]]
    ) -> tuple[list[ReadLine], str | None, int]:
        """Reads the lines, each with the boxes in it, on all cores where this is the only crop in work. Those that
        can't be read are left out, and the refusal says so; the number is of those that hold no text."""
        lines = crop.lines
        idle = self._cores - self.load_now.running
        shares = min(1 + max(idle, 0), max(1, len(lines) // SHARE))
        parts = [(lines[start::shares], boxes[start::shares]) for start in range(shares)]
        read = await asyncio.gather(*(self._read_part(crop, *part) for part in parts))
        found = [line for part in read for line in part]
        readable = [line for line in found if line.unread is None and line.text.text]
        return readable, _refusal(found, self.scripts), len(lines) - len(found)

    async def _read_part(
        self, crop: _Crop, lines: Sequence[TextLine], boxes: Sequence[Sequence[TickBox]]
    ) -> list[ReadLine]:
        work = crop.work.split()

        def step() -> bool:
            """Comes before each call of a recogniser; True ends the reading."""
            self.load_now.steps += 1
            self._shares.pause(work)
            return crop.gone.is_set()

        read = partial(self._reader.read, crop.pixels, lines, step, boxes=boxes, with_words=crop.with_words)
        return await self._run(work, read)

    async def _run(self, work: Work, function: Callable[..., T], *args: object) -> T:
        """Runs the function in a thread, as soon as there is a core for it."""

        def run() -> T:
            with self._shares.hold(work):
                answer = function(*args)
            self.load_now.steps += 1
            return answer

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)


@cache
def _load_table_model() -> TableModel | None:
    """Loaded with the first table without rules. Python 3.13 and later have no wheel with the file."""
    try:
        return TableModel()
    except FileNotFoundError:
        return None


def _find_table_frame(pixels: Pixels, lines: Sequence[TextLine]) -> ReadingFrame | None:
    """Where its rows are not level the frame in which they are."""
    height, width = pixels.shape[:2]
    if not lines or find_frame(lines, width, height).is_vertical:
        return None
    return find_row_frame(pixels, float(np.median([line.box[3] - line.box[1] for line in lines])))


def _restore_places(answer: Answer, frame: ReadingFrame) -> Answer:
    lines = None if answer.lines is None else restore_lines(answer.lines, frame)
    cells = None if answer.cells is None else restore_cells(answer.cells, frame)
    return replace(answer, lines=lines, cells=cells)


def _find_alone(crop: _Crop, grid: Grid) -> tuple[list[TextLine], set[TickBox]]:
    """The lines cut where drawn rules cross them, and the boxes that have a cell for themselves."""
    pieces = split_at_rules(crop.lines, grid)
    rows = Rows([line.box for line in pieces], grid.find_walls)
    return pieces, {one for one in assign_inner(crop.boxes, rows)[1] if not is_beside(one, rows)}


def _refusal(lines: Sequence[ReadLine], readable: Sequence[str]) -> str | None:
    unread = [line.unread for line in lines if line.unread]
    words = [line.unread_words for line in lines if line.unread_words and not line.unread]
    return refusal_of(unread, len(lines), readable, words)
