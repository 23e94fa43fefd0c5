"""PP-DocLayoutV2 and V3 on ONNX Runtime, from a folder that holds the model's `inference.onnx`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from common.cores import available_cores
from gateway.layout.base import LayoutEngine, LayoutState
from gateway.layout.fetch_model import PADDLE_MODEL
from gateway.layout.pp_doclayout.postprocess import LABELS, build_page_layout
from gateway.model import PageImage, PageLayout, Pixels
from gateway.reading_options import LayoutOptions

CONFIG_FILE = "inference.yml"
Item = TypeVar("Item")
Answer = TypeVar("Answer")
MODEL_FILE = "inference.onnx"
SIDE = 800
"""The models see every page stretched to this many pixels, both ways."""
INPUTS = {"im_shape", "image", "scale_factor"}
CUDA = "CUDAExecutionProvider"
GPU_BATCH = 8
"""Most pages at once that PaddleX builds the models for. A CPU is as busy with one page, which then waits for none."""
Device = Literal["auto", "cpu", "cuda"]
Prepared = dict[str, NDArray[np.float32]]
Found = tuple[NDArray[np.float32], NDArray[np.int32] | None]
"""A page's rows and, of V3, their masks."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """`name` is None where nothing tells it; `labels` stand at their classes' places."""

    name: str | None = None
    labels: Sequence[str] = LABELS


def read_model_config(folder: Path, expected: str | None = None) -> ModelConfig:
    """ValueError where the file is there and is not that of a PP-DocLayout model of 25 classes, or `expected`."""
    file = folder / CONFIG_FILE
    if not file.is_file():
        return ModelConfig()
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        name, labels = (content.get("Global") or {}).get("model_name"), content.get("label_list") or LABELS
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError) as error:
        raise ValueError(f"{file} is no description of a model") from error
    if len(labels) != len(LABELS):
        raise ValueError(f"{file} lists {len(labels)} labels, not {len(LABELS)}")
    if expected and name not in (None, expected):
        raise ValueError(f"{folder} holds {name}")
    # A label that our pipeline has no rule for is taken for what PaddleOCR-VL calls its class.
    return ModelConfig(name, [its if its in LABELS else ours for its, ours in zip(labels, LABELS, strict=True)])


class BatchQueue(Generic[Item, Answer]):
    """Hands items to `run`, which answers each of them, in `executor`: one batch at a time, of at most `max_items`.

    No item waits for another to come. What its caller gave up before its turn is not run.
    """

    def __init__(self, run: Callable[[Sequence[Item]], Sequence[Answer]], executor: Executor, max_items: int) -> None:
        self._run = run
        self._executor = executor
        self._max_items = max_items
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._serving: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Answer:
        """The item's answer. Raises what `run` raises for it alone."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve_all())
        return await answer

    async def _serve_all(self) -> None:
        while batch := self._next():
            await self._serve(batch)

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        wanted = [(item, answer) for item, answer in self._waiting if not answer.done()]
        self._waiting = wanted[self._max_items :]
        return wanted[: self._max_items]

    async def _serve(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        """One that can't be answered must not fail the others: after a failure each is run alone."""
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._run, [item for item, _ in batch])
        except asyncio.CancelledError:
            for _, future in (*batch, *self._waiting):
                future.cancel()
            raise
        except Exception as error:
            for one in batch if len(batch) > 1 else ():
                await self._serve([one])
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


class PaddleLayout:
    """`LayoutDetector` of the model in `folder`, which must be `name` unless that is None.

    `batch`: most pages that it sees at once; 0: as its device suggests.
    """

    engine: LayoutEngine = "onnx"
    warning: str | None = None

    def __init__(self, name: str | None, folder: Path, device: Device, threads: int, batch: int) -> None:
        self.name = name or PADDLE_MODEL
        self._expected = name
        self.state: LayoutState = "not_initialized"
        self.reason: str | None = "the layout model is loading"
        self._folder = folder
        self._device = device
        self._cores = choose_thread_count(threads)
        self._batch = batch
        self._pages_at_once = 2
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._config = ModelConfig()
        self._session: Any = None
        self._queue: BatchQueue[Prepared, Found]

    @property
    def pages_at_once(self) -> int:
        """A batch at work, and one that is made ready meanwhile."""
        return self._pages_at_once

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} did not load: {error}"
        else:
            batch = self._max_pages()
            self._queue, self._pages_at_once = BatchQueue(self._run, self._thread, batch), 2 * batch
            self.state, self.reason = "ready", None

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        return []

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        rows, masks = await self._queue.submit(await asyncio.to_thread(_preprocess, page.pixels))
        size = (page.width, page.height)
        return await asyncio.to_thread(build_page_layout, rows, masks, size, options, self._config.labels)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        import onnxruntime

        file = self._folder / MODEL_FILE
        if not file.is_file():
            raise FileNotFoundError(f"there is no {file}")
        self._config = read_model_config(self._folder, self._expected)
        self.name = self._config.name or self.name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._cores
        providers = _providers(self._device, onnxruntime.get_available_providers())
        session = onnxruntime.InferenceSession(str(file), options, providers=providers)
        if {value.name for value in session.get_inputs()} != INPUTS:
            raise ValueError(f"{file} is no PP-DocLayout model: its inputs are not {', '.join(sorted(INPUTS))}")
        self._session = session
        self._run([_preprocess(np.full((SIDE, SIDE, 3), 255, dtype=np.uint8))])

    def _max_pages(self) -> int:
        """One where the graph takes no more."""
        is_fixed = any(isinstance(value.shape[0], int) for value in self._session.get_inputs())
        if is_fixed:
            return 1
        return choose_batch(self._batch, self._session.get_providers())

    def _run(self, pages: Sequence[Prepared]) -> list[Found]:
        inputs = {name: np.concatenate([page[name] for page in pages]) for name in INPUTS}
        rows, counts, *masks = self._session.run(None, inputs)
        ends = np.cumsum(counts)[:-1]
        return list(zip(np.split(rows, ends), np.split(masks[0], ends) if masks else [None] * len(pages), strict=True))


def choose_batch(batch: int, providers: Sequence[str]) -> int:
    """Of the setting `layout_batch`, for ONNX Runtime's `providers` that are used."""
    return batch or (GPU_BATCH if CUDA in providers else 1)


def choose_thread_count(threads: int) -> int:
    """Of the setting `layout_threads`. 0: ONNX Runtime takes all physical cores, which is right where it may."""
    cores = available_cores()
    return threads or (cores if cores < (os.cpu_count() or 1) else 0)


def _preprocess(pixels: Pixels) -> Prepared:
    height, width = pixels.shape[:2]
    stretched = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    image = np.asarray(stretched, dtype=np.float32).transpose(2, 0, 1)[np.newaxis] / 255
    return {
        "image": np.ascontiguousarray(image),
        "im_shape": np.array([[SIDE, SIDE]], dtype=np.float32),
        "scale_factor": np.array([[SIDE / height, SIDE / width]], dtype=np.float32),
    }


def _providers(device: Device, available: list[str]) -> list[str]:
    if device == "cuda" and CUDA not in available:
        raise RuntimeError(
            "LAYOUT_DEVICE is `cuda`, but this ONNX Runtime can't use a GPU; onnxruntime-gpu in its place can"
        )
    return [CUDA, "CPUExecutionProvider"] if device != "cpu" and CUDA in available else ["CPUExecutionProvider"]
