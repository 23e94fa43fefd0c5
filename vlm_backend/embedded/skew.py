"""Tables that lie turned by some degrees, as on a scanner's glass, made level: their rules and rows run along the
picture's edges then, and what stands in one row has one height."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Rectangle
from textlines.detection import Pixels, TextLine
from textlines.glyphs import CONTRAST, NEIGHBOURHOOD

MAX_DEGREES, STEP, FINE_STEP = 8.0, 0.5, 0.1
"""Angles that are tried, to both sides, and how far they are apart: all of them, then those around the best one."""
MIN_RISE = 0.25
"""Of the lines' height: a table whose lines rise or fall by less from one edge to the other is level."""
CLEARER = 1.1
"""How much clearer rows stand out at an angle than they do level, at least."""
MAX_POINTS = 20_000
"""Of the ink, every so many pixels of which tell as much as all."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From a picture to the same one made level. `matrix`: of an affine map, shape (2, 3); `size`: of the level one."""

    matrix: NDArray[np.float64]
    size: tuple[int, int]

    def level_pixels(self, pixels: Pixels) -> Pixels:
        paper = np.median(pixels[::4, ::4].reshape(-1, 3), axis=0).tolist()
        level = cv2.warpAffine(pixels, self.matrix, self.size, flags=cv2.INTER_CUBIC, borderValue=paper)
        return np.asarray(level, dtype=np.uint8)

    def level_lines(self, lines: Sequence[TextLine]) -> list[TextLine]:
        return [replace(line, quad=_apply(self.matrix, line.quad).astype(np.float32)) for line in lines]

    def restore(self, box: Rectangle) -> Rectangle:
        """The upright box in the picture around one of the level picture."""
        x1, y1, x2, y2 = box
        corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)
        places = _apply(np.asarray(cv2.invertAffineTransform(self.matrix), dtype=np.float64), corners)
        (left, top), (right, bottom) = places.min(axis=0).tolist(), places.max(axis=0).tolist()
        return left, top, right, bottom

    def restore_box(self, box: Box) -> Box:
        left, top, right, bottom = self.restore(box)
        return math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom)


def find_turn(pixels: Pixels, lines: Sequence[TextLine]) -> Turn | None:
    """The turn that makes an RGB picture level; None where it is, and where nothing tells."""
    height, width = pixels.shape[:2]
    thickness = float(np.median([np.linalg.norm(line.quad[3] - line.quad[0]) for line in lines])) if lines else 0.0
    points = _find_ink(pixels)
    if not thickness or not len(points):
        return None
    degrees = _find_angle(points, thickness)
    if abs(math.tan(math.radians(degrees))) * width <= MIN_RISE * thickness:
        return None
    matrix = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), dtype=np.float64)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = math.ceil(width * cosine + height * sine), math.ceil(width * sine + height * cosine)
    matrix[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return Turn(matrix, size)


def _find_ink(pixels: Pixels) -> NDArray[np.float64]:
    """Points x, y of ink."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    ink = cv2.adaptiveThreshold(gray, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, NEIGHBOURHOOD, CONTRAST)
    points = np.argwhere(ink)[:, ::-1]
    return points[:: max(1, len(points) // MAX_POINTS)].astype(np.float64)


def _find_angle(points: NDArray[np.float64], thickness: float) -> float:
    """Degrees by which the rows of ink fall, 0 where they stand out no clearer at any angle."""
    bin_height = max(thickness / 16, 1.0)
    best = max(_list_angles(0.0, MAX_DEGREES, STEP), key=lambda angle: _measure_rows(points, angle, bin_height))
    best = max(_list_angles(best, STEP, FINE_STEP), key=lambda angle: _measure_rows(points, angle, bin_height))
    is_clearer = _measure_rows(points, best, bin_height) >= CLEARER * _measure_rows(points, 0.0, bin_height)
    return best if is_clearer else 0.0


def _list_angles(middle: float, reach: float, step: float) -> list[float]:
    count = round(reach / step)
    return [middle + step * index for index in range(-count, count + 1)]


def _measure_rows(points: NDArray[np.float64], degrees: float, bin_height: float) -> float:
    """How clearly ink stands in rows that fall by an angle: the squares of what rows hold of it."""
    heights = points[:, 1] - math.tan(math.radians(degrees)) * points[:, 0]
    counts = np.bincount(((heights - heights.min()) / bin_height).astype(np.int64))
    return float((counts.astype(np.float64) ** 2).sum())


def _apply(matrix: NDArray[np.float64], points: NDArray[np.floating]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = points.astype(np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return result
