"""Reads a crop: finds its text lines, reads each, and puts them in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from textlines.detection import LineDetector, Pixels, Quad, TextLine
from textlines.order import Box, reading_order
from textlines.paragraphs import paragraphs, rows, union
from vlm_backend.embedded.recognizers import LineRecognizer, LineText

MIN_LONG_SIDE = 320  # crops are small: nothing is gained by looking at them larger than their glyphs need
MIN_CONFIDENCE = 0.5  # below it a line is noise, RapidOCR's own default
VERTICAL = 1.5  # a line image this much higher than wide holds vertical text, RapidOCR's own rule
DOUBTFUL = 0.75  # a line read with less confidence is tried upside down too


class Cancelled(Exception):
    """The caller went away; what was read so far is of no use."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A text line in place: `box` in pixels of the crop."""

    box: Box
    content: LineText


class CropReader:
    """Thread-safe: holds models only. One call uses one core."""

    def __init__(self, detector: LineDetector, recognizer: LineRecognizer) -> None:
        self._detector, self._recognizer = detector, recognizer

    def lines(self, pixels: Pixels, cancelled: Callable[[], bool] = lambda: False) -> list[ReadLine]:
        """Lines of an RGB crop, unordered, noise left out. Raises `Cancelled` soon after `cancelled()` turns true."""
        found = self._detector(pixels, MIN_LONG_SIDE) or [_whole(pixels)]
        result: list[ReadLine] = []
        for line in found:
            if cancelled():
                raise Cancelled
            content = self._read(cut_line(pixels, line.quad))
            if content.text and content.confidence >= MIN_CONFIDENCE:
                result.append(ReadLine(line.box, content))
        return result

    def _read(self, line: Pixels) -> LineText:
        upright = self._recognizer(line)
        if upright.confidence >= DOUBTFUL:
            return upright
        turned = self._recognizer(np.ascontiguousarray(line[::-1, ::-1]))
        return max(upright, turned, key=lambda content: content.confidence)


def in_order(lines: Sequence[ReadLine]) -> list[list[ReadLine]]:
    """Printed rows in reading order, columns one after the other; each row holds its pieces from left to right."""
    boxes = [line.box for line in lines]
    groups = paragraphs(boxes)
    order = reading_order([union([boxes[i] for i in group]) for group in groups])
    return [
        [lines[groups[place][i]] for i in row] for place in order for row in rows([boxes[i] for i in groups[place]])
    ]


def cut_line(pixels: Pixels, quad: Quad) -> Pixels:
    """The line straightened; vertical text turned by a quarter so that it reads from left to right."""
    width = max(1, round(float(max(np.linalg.norm(quad[0] - quad[1]), np.linalg.norm(quad[2] - quad[3])))))
    height = max(1, round(float(max(np.linalg.norm(quad[0] - quad[3]), np.linalg.norm(quad[1] - quad[2])))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(quad.astype(np.float32), target)
    line = cv2.warpPerspective(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if height >= VERTICAL * width:
        line = np.rot90(line)
    return np.ascontiguousarray(line, dtype=np.uint8)


def _whole(pixels: Pixels) -> TextLine:
    """The detector is blind to a few glyphs that fill the crop: then the crop is taken for one line."""
    height, width = pixels.shape[:2]
    return TextLine(np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32), 0.0)
