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
LEAST_GLYPH = 5  # no print is legible below this many pixels
MIN_LONG_SIDE = 960
MAX_LONG_SIDE = 2000  # what one look of the model may be; longer strips are looked at in bands
MAX_SHORT_SIDE = 1414  # a page of usual shape thus fits into one look
MAX_AREA = 16_000_000  # bounds the work for strips, some 0.4 s of one core for a million pixels
MIN_SIDE = 32  # thinner images are padded: RapidOCR would enlarge them without end ...
WIDEST = 8  # ... and put wider ones than this ratio on black, on which white paper looks like a line
BAND_OVERLAP = 96  # pixels of the scaled image that neighbouring bands share, so that no line is cut in both


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
        if min(pixels.shape[:2]) < LEAST_GLYPH:
            return []
        scale = detection_scale(pixels, min_long_side)
        is_tall = pixels.shape[0] >= pixels.shape[1]
        return [
            line
            for band in _bands(max(pixels.shape[:2]), scale)
            for line in self._in_band(pixels, band, is_tall, scale)
        ]

    def _in_band(self, pixels: Pixels, band: _Band, is_tall: bool, scale: float) -> list[TextLine]:
        part = pixels[band.start : band.end] if is_tall else pixels[:, band.start : band.end]
        small = _padded(_resize(part, scale))
        found = self._detect(np.ascontiguousarray(small[:, :, ::-1]))
        if found.boxes is None:
            return []
        across, along = (0, 1) if is_tall else (1, 0)
        quads = np.asarray(found.boxes, dtype=np.float32) / scale
        quads[..., across] = quads[..., across].clip(0, part.shape[1 - across])
        quads[..., along] = (quads[..., along] + band.start).clip(0, max(pixels.shape[:2]))
        lines = [TextLine(quad, float(score)) for quad, score in zip(quads, found.scores, strict=True)]
        return [line for line in (_cut(line, band, is_tall) for line in lines) if line is not None]


@dataclass(frozen=True, slots=True)
class _Band:
    """Part `start` to `end` of the long side; lines found in it count from `first` to `last`."""

    start: int
    end: int
    first: int
    last: int


def _bands(length: int, scale: float) -> list[_Band]:
    step, overlap = int((MAX_LONG_SIDE - BAND_OVERLAP) / scale), round(BAND_OVERLAP / scale)
    if length * scale <= MAX_LONG_SIDE:
        return [_Band(0, length, 0, length)]
    starts = range(0, max(length - overlap, 1), step)
    return [
        _Band(start, min(start + step + overlap, length), start and start + overlap // 2, start + step + overlap // 2)
        if start + step + overlap < length
        else _Band(start, length, start and start + overlap // 2, length)
        for start in starts
    ]


def _cut(line: TextLine, band: _Band, is_tall: bool) -> TextLine | None:
    """The line if it counts in its band: by its middle down a page, piece by piece along a row that goes on and on."""
    if is_tall:
        return line if band.first <= line.quad[:, 1].mean() <= band.last else None
    quad = line.quad.copy()
    quad[:, 0] = quad[:, 0].clip(band.first, band.last)
    return TextLine(quad, line.score) if np.ptp(quad[:, 0]) > 1 else None


def glyph_height(pixels: Pixels) -> float:
    """Typical height in pixels of what looks like a glyph: upper quartile over the connected components; 0 if none."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 25, 15)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    width, height, area = (stats[1:, column] for column in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA))
    rows, columns = gray.shape
    glyphs = height[
        (height >= LEAST_GLYPH) & (width >= 2) & (area >= 12) & (height < max(rows / 4, 40)) & (width < columns / 2)
    ]
    return float(np.percentile(glyphs, 75)) if len(glyphs) else 0.0


def detection_scale(pixels: Pixels, min_long_side: int) -> float:
    """Factor for the image before detection: enlarges tiny print up to twice, shrinks large print."""
    short_side, long_side = sorted(pixels.shape[:2])
    glyph = glyph_height(pixels)
    wanted = GLYPH_HEIGHT / glyph if glyph else 1.0
    floor = min(1.0, min_long_side / long_side)
    most = min(2.0, MAX_SHORT_SIDE / short_side, math.sqrt(MAX_AREA / (short_side * long_side)))
    return float(min(max(wanted, floor), most))


def _resize(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=interpolation), dtype=np.uint8)


def _padded(pixels: Pixels) -> Pixels:
    """White added below and on the right of what is thinner than the model takes."""
    height, width = pixels.shape[:2]
    missing = max(0, MIN_SIDE - height, math.ceil(width / WIDEST) - height), max(0, MIN_SIDE - width)
    if not any(missing):
        return pixels
    return np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), constant_values=255)
