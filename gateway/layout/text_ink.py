"""Text lines of a page, those included that no region holds: what its result is held against, so that none is lost in
silence."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np

from common.geometry import clip
from gateway.model import BBox, PageLayout, Pixels, Region
from textlines.detection import LineDetector
from textlines.glyphs import StrayInk, find_glyphs
from textlines.order import reading_order

MIN_GLYPHS = 4
"""Fewer outside of all regions are specks, and not worth a look of the line detector."""
MIN_HEIGHT = 6
MAX_HEIGHT = 0.35
"""Of a line, beside the shorter side of its page; what is higher is a picture in which the detector sees something."""
MIN_CONTRAST = 40
"""Grey levels between a line's ink and its paper."""
MIN_ASPECT = 1.2
"""Of width to height, or of height to width where text stands upright; less is a single sign."""
MIN_LETTER, MAX_LETTER = 0.25, 3.0
"""Height of a letter, least, and its width, most, in line heights: letters that touch count as one."""
MIN_LETTERS, LETTERS_PER_HEIGHT = 2, 0.5
"""So many letters are text, and so many for each line height of a line's length."""


class TextInk:
    """Thread-safe. The line detector is loaded when a page needs it first."""

    def __init__(self) -> None:
        self._detector: LineDetector | None = None
        self._lock = threading.Lock()

    def find_lines(self, pixels: Pixels, layout: PageLayout, read: Sequence[BBox], stray: StrayInk) -> list[BBox]:
        """Boxes of the page's text lines, all of those outside of `read`, which are the regions that will be read;
        `stray` is of the same pixels.

        A detector that looks for lines itself has found them; else a page is looked at only where something like print
        stands outside: 2 ms of one core show whether there is ink, up to 40 ms whether it is print; then 0.3 s.
        """
        lines = layout.lines
        if lines is None:
            lines = self._detect(_hide(pixels, read)) if _has_glyphs(pixels, read, stray) else []
        return [line for line in lines if is_text(pixels, line)]

    def detect_lines(self, pixels: Pixels, layout: PageLayout) -> Sequence[BBox]:
        """Boxes of all text lines of the page, where the layout has none in 0.3 s of one core."""
        return self._detect(pixels) if layout.lines is None else layout.lines

    def lay_out(self, pixels: Pixels) -> PageLayout:
        """Every text line a region of its own, in reading order: what PP-OCR's clients ask for."""
        boxes = self._detect(pixels)
        regions = [Region("text", boxes[at], order) for order, at in enumerate(reading_order(boxes), 1)]
        return PageLayout(regions, regions, lines=boxes)

    def _detect(self, pixels: Pixels) -> list[BBox]:
        with self._lock:
            self._detector = self._detector or LineDetector()
        return [line.box for line in self._detector(pixels)]


def is_text(pixels: Pixels, line: BBox) -> bool:
    """Whether ink of a clear contrast stands in the line in pieces like letters; in photos lines are seen, too."""
    x1, y1, x2, y2 = clip(line, pixels.shape[1], pixels.shape[0])
    if not MIN_HEIGHT <= min(x2 - x1, y2 - y1) <= max(MAX_HEIGHT * min(pixels.shape[:2]), MIN_HEIGHT):
        return False
    gray = cv2.cvtColor(np.ascontiguousarray(pixels[y1:y2, x1:x2]), cv2.COLOR_RGB2GRAY)
    if gray.shape[0] > gray.shape[1]:
        gray = np.ascontiguousarray(gray.T)
    height, width = gray.shape
    _, ink = cv2.threshold(gray, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light, dark = gray[ink > 0], gray[ink == 0]
    if width < MIN_ASPECT * height or not len(dark) or float(light.mean() - dark.mean()) < MIN_CONTRAST:
        return False
    if len(dark) < len(light):
        ink = cv2.bitwise_not(ink)
    _, _, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    heights, widths = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_WIDTH]
    letters = int(((heights >= MIN_LETTER * height) & (widths <= MAX_LETTER * height)).sum())
    return bool(letters >= max(MIN_LETTERS, LETTERS_PER_HEIGHT * width / height))


def _has_glyphs(pixels: Pixels, boxes: Sequence[BBox], stray: StrayInk) -> bool:
    area = stray.find_area(boxes)
    if area is None:
        return False
    glyphs = find_glyphs(pixels, area)
    middle = (glyphs[:, :2] + glyphs[:, 2:]) / 2
    outside = np.ones(len(glyphs), dtype=np.bool_)
    for x1, y1, x2, y2 in boxes:
        outside &= ~((middle >= (x1, y1)) & (middle < (x2, y2))).all(axis=1)
    return int(outside.sum()) >= MIN_GLYPHS


def _hide(pixels: Pixels, boxes: Sequence[BBox]) -> Pixels:
    """The page with the boxes painted over, in the colour that it has most of."""
    hidden = pixels.copy()
    paper = np.median(pixels[::16, ::16].reshape(-1, 3), axis=0).astype(np.uint8)
    for box in boxes:
        x1, y1, x2, y2 = clip(box, pixels.shape[1], pixels.shape[0])
        hidden[y1:y2, x1:x2] = paper
    return hidden
