"""PP-DocLayoutV2 and V3 on ONNX Runtime, from a folder that holds the model's `inference.onnx`."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from gateway.layout.base import LayoutState
from gateway.layout.detections import regions_of
from gateway.model import PageImage, Pixels, Region

FILE = "inference.onnx"
SIDE = 800
"""The models see every page stretched to this many pixels, both ways."""
INPUTS = {"im_shape", "image", "scale_factor"}
Device = Literal["auto", "cpu", "cuda"]


class PaddleLayout:
    """`LayoutDetector` of the model in `folder`. Pages are looked at one after the other, each on all `threads`."""

    warning: str | None = None

    def __init__(self, name: str, folder: Path | None, device: Device, threads: int) -> None:
        self.name = name
        self.state: LayoutState = "not_initialized"
        self.reason: str | None = "the layout model is loading"
        self._folder = folder
        self._device = device
        self._cores = threads
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="layout")
        self._session: Any = None

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"{self.name} did not load: {error}"
        else:
            self.state, self.reason = "ready", None

    async def detect(self, page: PageImage) -> list[Region]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._detect, page.pixels)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        import onnxruntime

        if self._folder is None:
            raise FileNotFoundError("LAYOUT_MODEL_DIR names no folder")
        file = self._folder / FILE
        if not file.is_file():
            raise FileNotFoundError(f"there is no {file}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._cores
        providers = _providers(self._device, onnxruntime.get_available_providers())
        session = onnxruntime.InferenceSession(str(file), options, providers=providers)
        if {value.name for value in session.get_inputs()} != INPUTS:
            raise ValueError(f"{file} is no PP-DocLayout model: its inputs are not {', '.join(sorted(INPUTS))}")
        self._session = session
        self._detect(np.full((SIDE, SIDE, 3), 255, dtype=np.uint8))

    def _detect(self, pixels: Pixels) -> list[Region]:
        height, width = pixels.shape[:2]
        stretched = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        image = np.asarray(stretched, dtype=np.float32).transpose(2, 0, 1)[np.newaxis] / 255
        inputs = {
            "image": np.ascontiguousarray(image),
            "im_shape": np.array([[SIDE, SIDE]], dtype=np.float32),
            "scale_factor": np.array([[SIDE / height, SIDE / width]], dtype=np.float32),
        }
        rows, _, *masks = self._session.run(None, inputs)
        return regions_of(rows, masks[0] if masks else None, width, height)


def _providers(device: Device, available: list[str]) -> list[str]:
    cuda = "CUDAExecutionProvider"
    if device == "cuda" and cuda not in available:
        raise RuntimeError("LAYOUT_DEVICE is `cuda`, but this ONNX Runtime can't use a GPU")
    return [cuda, "CPUExecutionProvider"] if device != "cpu" and cuda in available else ["CPUExecutionProvider"]
