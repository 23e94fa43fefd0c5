"""PP-DocLayoutV2 and V3 by PaddleOCR's own `LayoutDetection`, in a worker process with an environment of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import structlog

from common.remedies import command_of
from gateway.layout.base import DetectionError, LayoutEngine, LayoutState
from gateway.layout.fetch_model import FILES, PADDLE_MODEL
from gateway.layout.overlaps import remove_overlaps
from gateway.layout.paddleocr.layout_process import LayoutWorker, WorkerFailure, WorkerLost
from gateway.layout.pp_doclayout.onnx_model import BatchQueue, ModelConfig, choose_thread_count, read_model_config
from gateway.layout.pp_doclayout.postprocess import MERGE, V2_THRESHOLDS, V3_THRESHOLD, unclip
from gateway.model import BBox, PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions
from gateway.runtime import repeat
from gateway.settings import Settings
from gateway.workers.messages import Header

OWN_ENVIRONMENT = Path(__file__).resolve().parents[3] / ".venv-layout" / "bin" / "python"
START_TIMEOUT_S = 180.0
"""A cold disk under load; 3 to 7 s otherwise."""
CHECK_INTERVAL_S = 1.0
"""How soon a worker that died idle is noticed."""
MIN_RETRY_S, MAX_RETRY_S = 1.0, 60.0
"""Between starts that fail."""

Question = tuple[Pixels, Header]
Boxes = list[dict[str, Any]]
Value = TypeVar("Value")

log = structlog.get_logger(__name__)


class PaddleOcrLayout:
    """`LayoutDetector` of the model in `folder`, which must be `name` unless that is None.

    A worker that ends is started again, and the page that it had in hand goes to the next one once. `detect` raises
    DetectionError where that does not help either.
    """

    engine: LayoutEngine = "paddleocr"
    warning: str | None = None

    def __init__(self, name: str | None, folder: Path, settings: Settings) -> None:
        self.name = name or PADDLE_MODEL
        self.state: LayoutState = "not_initialized"
        self.reason: str | None = "the layout model is loading"
        self._expected = name
        self._folder = folder
        self._settings = settings
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._config = ModelConfig()
        self._worker: LayoutWorker | None = None
        self._batch = 1
        self._retry_s = MIN_RETRY_S
        self._next_start = 0.0
        self._closing = False
        self._queue: BatchQueue[Question, Boxes]
        self._watch: asyncio.Task[None] | None = None

    @property
    def pages_at_once(self) -> int:
        """A batch at work, and one that waits for the worker meanwhile."""
        return 2 * self._batch

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} did not load: {error}"
        else:
            self._queue = BatchQueue(self._run, self._thread, self._batch)
            self.state, self.reason = "ready", None
            self._watch = asyncio.create_task(repeat(self._restart_dead, CHECK_INTERVAL_S))

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        return []

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        boxes = await self._queue.submit((page.pixels, self._predict_options(options)))
        return await asyncio.to_thread(self._layout, boxes, (page.width, page.height), options)

    def _layout(self, boxes: Boxes, size: tuple[int, int], options: LayoutOptions) -> PageLayout:
        regions = [self._region(box, order, size) for order, box in enumerate(boxes, start=1)]
        # PaddleX stretches boxes only and leaves their outlines, by which crops are cut, as they were.
        detections = unclip(regions, options.stretch, size)
        return PageLayout(remove_overlaps(detections), detections)

    async def close(self) -> None:
        self._closing = True
        if self._watch:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if worker := self._worker:
            worker.kill()
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if worker := self._worker:
            await asyncio.to_thread(worker.close)

    def _load(self) -> None:
        for name in FILES:
            if not (self._folder / name).is_file():
                raise FileNotFoundError(
                    f"there is no {self._folder / name}; LAYOUT_MODEL or LAYOUT_MODEL_DIR names one"
                )
        self._config = read_model_config(self._folder, self._expected)
        self.name = self._config.name or self.name
        self._start_worker()

    def _start_worker(self) -> LayoutWorker:
        """Raises RuntimeError: a sentence."""
        settings = self._settings
        python = (settings.layout_python or OWN_ENVIRONMENT).absolute()
        if not python.exists():
            raise RuntimeError(
                f"there is no {python}; {command_of('layout')} installs PaddleOCR, LAYOUT_PYTHON names another place"
            )
        cache = settings.temp_dir / "paddlex"
        cache.mkdir(parents=True, exist_ok=True)
        arguments = (
            settings.layout_device,
            str(choose_thread_count(settings.layout_threads)),
            str(settings.layout_batch),
        )
        worker = LayoutWorker(python, [self.name, str(self._folder.absolute()), *arguments], cache)
        self._worker = worker
        try:
            if self._closing:
                raise WorkerLost("is not started any more")
            self._batch = int(worker.wait_ready(START_TIMEOUT_S)["batch"])
        except (WorkerLost, WorkerFailure) as error:
            worker.close()
            said = f"the layout worker {error}" if isinstance(error, WorkerLost) else str(error)
            raise RuntimeError(f"PaddleOCR of {python} can't be used: {said}") from error
        log.info("layout_worker_started", pid=worker.pid, model=self.name, batch=self._batch)
        return worker

    def _ensure_worker(self) -> LayoutWorker:
        """The worker, started anew where it has ended. Raises DetectionError."""
        if self._worker and self._worker.alive:
            return self._worker
        if self._closing or time.monotonic() < self._next_start:
            raise DetectionError(self.reason or "the layout worker has ended")
        if self._worker:
            self._worker.close()
        try:
            worker = self._start_worker()
        except (OSError, RuntimeError) as error:
            self.reason = f"the layout worker ended and can't be started again: {error}"
            self._next_start = time.monotonic() + self._retry_s
            self._retry_s = min(2 * self._retry_s, MAX_RETRY_S)
            log.error("layout_worker_start_failed", reason=str(error))
            raise DetectionError(self.reason) from error
        self.reason, self._retry_s = None, MIN_RETRY_S
        return worker

    async def _restart_dead(self) -> None:
        if self._worker and not self._worker.alive:
            with suppress(DetectionError):
                await asyncio.get_running_loop().run_in_executor(self._thread, self._ensure_worker)

    def _run(self, questions: Sequence[Question]) -> list[Boxes]:
        """One `predict` for all pages that have their options in common, as they hold for the whole of it."""
        answers: dict[int, Boxes] = {}
        for places in _groups(questions):
            pages = [questions[at][0] for at in places]
            answers.update(zip(places, self._predict(pages, questions[places[0]][1]), strict=True))
        return [answers[at] for at in range(len(questions))]

    def _predict(self, pages: Sequence[Pixels], options: Header) -> list[Boxes]:
        try:
            return self._ask_worker(pages, options)
        except WorkerLost as lost:
            # Of a batch each page is run alone after a failure. A page that took too long is not waited for twice.
            if len(pages) > 1 or lost.is_late:
                raise DetectionError(f"the layout worker {lost}") from lost
        try:
            return self._ask_worker(pages, options)
        except WorkerLost as lost:
            raise DetectionError(f"the layout worker {lost}, twice with this page") from lost

    def _ask_worker(self, pages: Sequence[Pixels], options: Header) -> list[Boxes]:
        worker = self._ensure_worker()
        try:
            return worker.detect(pages, options, self._settings.layout_timeout_s * len(pages))
        except WorkerLost as lost:
            log.warning("layout_worker_lost", pid=worker.pid, reason=str(lost), pages=len(pages))
            raise
        except WorkerFailure as failure:
            raise DetectionError(f"PaddleOCR fails on it ({failure})") from failure

    def _predict_options(self, options: LayoutOptions) -> Header:
        """What `LayoutDetection.predict` is given, with the numbers of classes for labels."""
        usual = V2_THRESHOLDS if self.name == "PP-DocLayoutV2" else V3_THRESHOLD
        threshold = usual if options.threshold is None else options.threshold
        merge = MERGE if options.merge is None else options.merge
        return {
            # PaddleX heeds no threshold that is a whole number.
            "threshold": self._map_to_classes(threshold) if isinstance(threshold, Mapping) else float(threshold),
            "layout_nms": options.nms,
            "layout_merge_bboxes_mode": self._map_to_classes(merge) if isinstance(merge, Mapping) else merge,
            "layout_shape_mode": options.shape,
        }

    def _map_to_classes(self, values: Mapping[str, Value]) -> dict[int, Value]:
        return {at: values[label] for at, label in enumerate(self._config.labels) if label in values}

    def _region(self, box: Mapping[str, Any], order: int, size: tuple[int, int]) -> Region:
        x1, y1, x2, y2 = box["box"]
        outline = tuple((round(x), round(y)) for x, y in box["outline"] or ())
        # The box itself may reach beyond the page there, which it does not in `box`.
        on_page = {(min(max(x, 0), size[0]), min(max(y, 0), size[1])) for x, y in outline}
        polygon = outline if outline and on_page != {(x1, y1), (x2, y1), (x2, y2), (x1, y2)} else None
        bbox: BBox = (x1, y1, x2, y2)
        return Region(self._config.labels[box["class"]], bbox, order, min(box["score"], 1.0), polygon)


def _groups(questions: Sequence[Question]) -> Iterator[list[int]]:
    """Places of the questions that have their options in common."""
    left = list(range(len(questions)))
    while left:
        options = questions[left[0]][1]
        yield [at for at in left if questions[at][1] == options]
        left = [at for at in left if questions[at][1] != options]
