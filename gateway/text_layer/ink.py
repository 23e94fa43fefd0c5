"""Which pixels of a page's picture are its text layer's, by the page without it, and where nothing else is drawn."""

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
Pixels = NDArray[np.uint8]


class InkFinder:
    """Takes the page without its characters strip by strip: never is there a second picture of it."""

    def __init__(self, pixels: Pixels) -> None:
        self.ink: Mask = np.empty(pixels.shape[:2], np.bool_)
        self._pixels = pixels
        self._papers: list[Color | None] = []

    def add_strip(self, background: bytes) -> None:
        """The next `BACKGROUND_ROWS` rows, or the only pixel that they have: RGB."""
        top = len(self._papers) * BACKGROUND_ROWS
        part = self._pixels[top : top + BACKGROUND_ROWS]
        if is_plain := len(background) == 3:
            is_paper = find_paper(part, (background[0], background[1], background[2]), MIN_CONTRAST)
        else:
            difference = cv2.absdiff(part, np.frombuffer(background, np.uint8).reshape(part.shape))
            is_paper = find_paper(np.asarray(difference, np.uint8), (0, 0, 0), MIN_CONTRAST)
        np.equal(is_paper, 0, out=self.ink[top : top + BACKGROUND_ROWS])
        self._papers.append((background[0], background[1], background[2]) if is_plain else None)

    def find_background(self) -> tuple[Color | None, tuple[Box, ...]]:
        """`paper` and `drawn` of the `TextLayer`."""
        colors = Counter(paper for paper in self._papers if paper)
        if not colors:
            return None, ()
        [(paper, _)] = colors.most_common(1)
        height, width = self.ink.shape
        drawn: list[Box] = []
        for at, own in enumerate(self._papers):
            top, bottom = at * BACKGROUND_ROWS, min((at + 1) * BACKGROUND_ROWS, height)
            if own != paper:
                top = drawn.pop()[1] if drawn and drawn[-1][3] == top else top
                drawn.append((0, top, width, bottom))
        return paper, tuple(drawn)


def find_paper(pixels: Pixels, paper: Color, contrast: int) -> Pixels:
    """255 where no channel of an RGB picture differs from the paper by `contrast` levels, else 0."""
    low, high = ([level + sign * (contrast - 1) for level in paper] for sign in (-1, 1))
    return np.asarray(cv2.inRange(pixels, np.clip(low, 0, 255), np.clip(high, 0, 255)), np.uint8)
