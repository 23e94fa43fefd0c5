"""PP-DocLayoutV2 and V3 on ONNX Runtime, from a folder that holds the model's `inference.onnx`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.hub import PADDLE_MODEL
from gateway.layout.base import LayoutEngine, LayoutState
from gateway.layout.batches import BatchQueue
from gateway.layout.description import Description, read_description
from gateway.layout.detections import page_layout
from gateway.model import LayoutOptions, PageImage, PageLayout, Pixels
from textlines.cores import available_cores

FILE = "inference.onnx"
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
        self._cores = thread_count(threads)
        self._batch = batch
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._description = Description()
        self._session: Any = None
        self._queue: BatchQueue[Prepared, Found]

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} did not load: {error}"
        else:
            self._queue = BatchQueue(self._run, self._thread, self._most_pages())
            self.state, self.reason = "ready", None

    def unheeded(self, options: LayoutOptions) -> list[str]:
        return []

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        rows, masks = await self._queue.put(await asyncio.to_thread(_prepared, page.pixels))
        size = (page.width, page.height)
        return await asyncio.to_thread(page_layout, rows, masks, size, options, self._description.labels)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        import onnxruntime

        file = self._folder / FILE
        if not file.is_file():
            raise FileNotFoundError(f"there is no {file}")
        self._description = read_description(self._folder, self._expected)
        self.name = self._description.name or self.name
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._cores
        providers = _providers(self._device, onnxruntime.get_available_providers())
        session = onnxruntime.InferenceSession(str(file), options, providers=providers)
        if {value.name for value in session.get_inputs()} != INPUTS:
            raise ValueError(f"{file} is no PP-DocLayout model: its inputs are not {', '.join(sorted(INPUTS))}")
        self._session = session
        self._run([_prepared(np.full((SIDE, SIDE, 3), 255, dtype=np.uint8))])

    def _most_pages(self) -> int:
        """One where the graph takes no more."""
        is_fixed = any(isinstance(value.shape[0], int) for value in self._session.get_inputs())
        if is_fixed:
            return 1
        return self._batch or (GPU_BATCH if CUDA in self._session.get_providers() else 1)

    def _run(self, pages: Sequence[Prepared]) -> list[Found]:
        inputs = {name: np.concatenate([page[name] for page in pages]) for name in INPUTS}
        rows, counts, *masks = self._session.run(None, inputs)
        ends = np.cumsum(counts)[:-1]
        return list(zip(np.split(rows, ends), np.split(masks[0], ends) if masks else [None] * len(pages), strict=True))


def thread_count(threads: int) -> int:
    """Of the setting `layout_threads`. 0: ONNX Runtime takes all physical cores, which is right where it may."""
    cores = available_cores()
    return threads or (cores if cores < (os.cpu_count() or 1) else 0)


def _prepared(pixels: Pixels) -> Prepared:
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
