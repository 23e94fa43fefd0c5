"""Which pixels of a page's picture are its text layer's, by the page without it, and where nothing else is drawn, or
where what else is drawn has an edge."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box
from gateway.intake.render.page_source import BACKGROUND_ROWS
from gateway.text_layer.characters import Color, Mask

MIN_CONTRAST = 32
"""Levels of a channel by which ink differs from what is below it; less is hardly seen."""
EDGE = 80
"""Levels by which a stroke differs from what is around it that can be taken for a part of a letter; a watermark's less.
"""
Pixels = NDArray[np.uint8]


class InkFinder:
    """Takes the page without its characters strip by strip: never is there a second picture of it."""

    def __init__(self, pixels: Pixels) -> None:
        self.ink: Mask = np.empty(pixels.shape[:2], np.bool_)
        self._edges: Mask | None = None
        self._pixels = pixels
        self._papers: list[Color | None] = []

    def add_strip(self, background: bytes) -> None:
        """The next `BACKGROUND_ROWS` rows, or the only pixel that they have: RGB."""
        top = len(self._papers) * BACKGROUND_ROWS
        part = self._pixels[top : top + BACKGROUND_ROWS]
        if is_plain := len(background) == 3:
            is_paper = find_paper(part, (background[0], background[1], background[2]), MIN_CONTRAST)
        else:
            other = np.frombuffer(background, np.uint8).reshape(part.shape)
            is_paper = find_paper(np.asarray(cv2.absdiff(part, other), np.uint8), (0, 0, 0), MIN_CONTRAST)
            if self._edges is None:
                self._edges = np.zeros(self.ink.shape, np.bool_)
            self._edges[top : top + BACKGROUND_ROWS] = find_edges(other)
        np.equal(is_paper, 0, out=self.ink[top : top + BACKGROUND_ROWS])
        self._papers.append((background[0], background[1], background[2]) if is_plain else None)

    def find_background(self) -> tuple[Color | None, tuple[Box, ...], Mask | None]:
        """`paper`, `drawn` and `edges` of the `TextLayer`."""
        colors = Counter(paper for paper in self._papers if paper)
        if not colors:
            return None, (), self._edges
        [(paper, _)] = colors.most_common(1)
        height, width = self.ink.shape
        drawn: list[Box] = []
        for at, own in enumerate(self._papers):
            top, bottom = at * BACKGROUND_ROWS, min((at + 1) * BACKGROUND_ROWS, height)
            if own != paper:
                top = drawn.pop()[1] if drawn and drawn[-1][3] == top else top
                drawn.append((0, top, width, bottom))
        return paper, tuple(drawn), self._edges


def find_edges(pixels: Pixels) -> Mask:
    """Where neighbouring pixels differ as a stroke from paper."""
    change = cv2.morphologyEx(pixels, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    return np.asarray((change >= EDGE).any(2))


def find_paper(pixels: Pixels, paper: Color, contrast: int) -> Pixels:
    """255 where no channel of an RGB picture differs from the paper by `contrast` levels, else 0."""
    low, high = ([level + sign * (contrast - 1) for level in paper] for sign in (-1, 1))
    return np.asarray(cv2.inRange(pixels, np.clip(low, 0, 255), np.clip(high, 0, 255)), np.uint8)
