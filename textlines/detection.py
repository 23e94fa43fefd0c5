"""Finds text lines with PP-OCR's detection model (DB), at the smallest scale at which they can be found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Quad = NDArray[np.float32]
"""Corners of a text line, shape (4, 2): top left, top right, bottom right, bottom left."""

# Glyph height, in pixels of the scaled image, at which DB still finds every line. Measured on nine OmniDocBench pages:
# at 5 px recall is complete on print, below it drops; 8 leaves room for photos and thin fonts.
GLYPH_HEIGHT = 8
MIN_LONG_SIDE = 960
MAX_LONG_SIDE = 2000


@dataclass(frozen=True, slots=True)
class TextLine:
    """`quad` in pixels of the image given; `score` is DB's mean probability inside it, 0 to 1."""

    quad: Quad
    score: float

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Upright bounding box x1, y1, x2, y2 with exclusive x2, y2."""
        (x1, y1), (x2, y2) = self.quad.min(axis=0), self.quad.max(axis=0)
        return math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)


class LineDetector:
    """Thread-safe; one call uses `threads` cores."""

    def __init__(self, threads: int) -> None:
        from rapidocr import RapidOCR  # slow import: paid by whoever detects, off the event loop

        self._detect: Any = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.use_cls": False,
                "Global.use_rec": False,
                "Global.max_side_len": MAX_LONG_SIDE,
                "Det.limit_type": "max",
                "Det.limit_side_len": MAX_LONG_SIDE,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            }
        )

    def __call__(self, pixels: Pixels, min_long_side: int = MIN_LONG_SIDE) -> list[TextLine]:
        """Lines of an RGB image, unordered. The image is scaled so that its glyphs are still `GLYPH_HEIGHT` high, but
        never below `min_long_side` unless it is smaller itself."""
        scale = detection_scale(pixels, min_long_side)
        small = _resize(pixels, scale)
        found = self._detect(np.ascontiguousarray(small[:, :, ::-1]))
        if found.boxes is None:
            return []
        limits = np.array([pixels.shape[1], pixels.shape[0]], dtype=np.float32)
        ratio = limits / np.array([small.shape[1], small.shape[0]], dtype=np.float32)
        quads = np.clip(np.asarray(found.boxes, dtype=np.float32) * ratio, 0, limits)
        return [TextLine(quad, float(score)) for quad, score in zip(quads, found.scores, strict=True)]


def glyph_height(pixels: Pixels) -> float:
    """Typical height in pixels of what looks like a glyph: upper quartile over the connected components; 0 if none."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 15)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    width, height, area = (stats[1:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    rows, columns = gray.shape
    glyphs = height[(height >= 5) & (width >= 2) & (area >= 12) & (height < max(rows / 4, 40)) & (width < columns / 2)]
    return float(np.percentile(glyphs, 75)) if len(glyphs) else 0.0


def detection_scale(pixels: Pixels, min_long_side: int) -> float:
    """Factor for the image before detection: enlarges tiny print up to twice, shrinks large print."""
    long_side = max(pixels.shape[:2])
    glyph = glyph_height(pixels)
    wanted = GLYPH_HEIGHT / glyph if glyph else 1.0
    floor = min(1.0, min_long_side / long_side)
    return float(min(max(wanted, floor), 2.0, MAX_LONG_SIDE / long_side))


def _resize(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=interpolation)
    return np.asarray(resized, dtype=np.uint8)
