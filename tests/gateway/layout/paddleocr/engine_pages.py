"""Forty pages on which the two layout engines are compared: what the network says of each, made by chance.

Pages 25 to 29 have outlines with corners of about 45 degrees, pages 30 to 34 boxes that reach beyond the page, pages 35
to 39 boxes that hold each other.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.layout.pp_doclayout.postprocess import LABELS
from gateway.model import PageImage

COUNT, ROWS, WIDTH, FIRST_HEIGHT = 40, 16, 900, 1000
SHARP, BEYOND, MUTUAL = range(25, 30), range(30, 35), range(35, 40)
REDNESS = 0.04
"""What red adds to scores, so that an engine that takes blue for red gives others."""
MASK_SIDE = 200

Corners = tuple[float, float, float, float]


class Network(NamedTuple):
    rows: NDArray[np.float32]
    masks: NDArray[np.uint8]


def pages() -> list[PageImage]:
    """Coloured noise; FIRST_HEIGHT is a multiple of COUNT, so page i is answered by the network's row i."""
    chance = np.random.default_rng(1)
    colour = np.array([0.9, 0.3, 0.5])
    return [
        PageImage(at + 1, (chance.integers(0, 256, (FIRST_HEIGHT + at, WIDTH, 3)) * colour).astype(np.uint8))
        for at in range(COUNT)
    ]


def network() -> Network:
    chance = np.random.default_rng(7)
    rows = np.zeros((COUNT, ROWS, 7), dtype=np.float32)
    masks = np.zeros((COUNT, ROWS, MASK_SIDE, MASK_SIDE), dtype=np.uint8)
    for page in range(COUNT):
        orders = chance.permutation(ROWS)
        for row in range(ROWS):
            box = _box(chance, rows[page, :row, 2:6], page)
            rows[page, row] = (chance.integers(len(LABELS)), chance.uniform(0.15, 0.95), *box, orders[row])
            masks[page, row] = _mask(chance, box, FIRST_HEIGHT + page)
        if page in MUTUAL:
            _hold_each_other(rows[page])
        if page in SHARP:
            _sharpen(rows[page], masks[page])
    return Network(rows, masks)


def _box(chance: np.random.Generator, before: NDArray[np.float32], page: int) -> Corners:
    """Anywhere, or near one of those before it."""
    height = FIRST_HEIGHT + page
    width, tall = chance.integers(60, 500), chance.integers(20, 300)
    x, y = float(chance.integers(WIDTH - 60)), float(chance.integers(height - 40))
    if len(before) and chance.random() < 0.4:
        x1, y1, x2, y2 = before[chance.integers(len(before))]
        x, y = x1 + chance.integers(-8, 40), y1 + chance.integers(-8, 30)
        width = np.maximum(20, (x2 - x1) * chance.choice([0.3, 0.6, 1, 1.1]))
        tall = np.maximum(8, (y2 - y1) * chance.choice([0.3, 0.6, 1, 1.1]))
    if page in BEYOND:
        return x - 30, y, x + width + 0.5, y + tall + 0.25
    x, y = max(x, 0.0), max(y, 0.0)
    return x, y, min(x + width + 0.25, WIDTH - 1), min(y + tall + 0.75, height - 1)


def _mask(chance: np.random.Generator, box: Corners, height: int) -> NDArray[np.uint8]:
    """The box, a tilted one, or a shape with corners that point in and out."""
    mask = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8)
    x1, y1, x2, y2 = np.array(box) * np.tile([MASK_SIDE / WIDTH, MASK_SIDE / height], 2)
    middle, size = np.array([(x1 + x2) / 2, (y1 + y2) / 2]), np.array([x2 - x1, y2 - y1])
    kind = chance.integers(3)
    if kind == 0:
        outline = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    elif kind == 1:
        tilted = cv2.boxPoints((middle.tolist(), (size * [0.8, 0.5]).tolist(), float(chance.uniform(-30, 30))))
        outline = np.asarray(tilted)
    else:
        angles = np.sort(chance.uniform(0, 2 * np.pi, chance.integers(5, 9)))
        reach = chance.uniform(0.2, 0.5, (len(angles), 1))
        outline = middle + np.stack([np.cos(angles), np.sin(angles)], axis=1) * reach * size
    cv2.fillPoly(mask, [outline.astype(np.int32)], 1)
    return mask


def _hold_each_other(rows: NDArray[np.float32]) -> None:
    """Two titles of different kinds, and a formula in each, on nearly the same place: PaddleX deletes all of them."""
    names = ("doc_title", "paragraph_title", "display_formula")
    for row, name in enumerate(names):
        rows[row, :6] = (LABELS.index(name), 0.9 - 0.1 * row, 100 + row, 200, 400, 260 + row)


def _sharpen(rows: NDArray[np.float32], masks: NDArray[np.uint8]) -> None:
    """Parallelograms, each a little steeper than the one before: one of them has the angle on a page of any height."""
    for row, slant in enumerate((42, 43, 44, 45, 46)):
        top = 5 + 39 * row
        corners = np.array([[20 + slant, top], [140, top], [140 - slant, top + 38], [20, top + 38]])
        masks[row] = 0
        cv2.fillPoly(masks[row], [corners.astype(np.int32)], 1)
        box = (20 * 4.5, top * 5, 140 * 4.5, (top + 38) * 5)
        rows[row, :6] = (LABELS.index("text"), 0.9, *box)
