"""The outputs of a PicoDet model to boxes.

RapidLayout's own does the same, in 10 ms a page: it decodes all of 10,000 places, of which hardly any holds something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.geometry import Boxes, Rectangle
from common.inference.sessions import Floats

STRIDES = (8, 16, 32, 64)
"""Pixels of the model's picture between neighbouring places, of each of its levels."""
MIN_SCORE, MAX_OVERLAP = 0.4, 0.5
"""Of a box; of two boxes of a class, intersection over union."""
MAX_BOXES = 100
"""Of a class."""


class Found(NamedTuple):
    """`box`: in pixels of the page. `label`: place of its class among the model's."""

    box: Rectangle
    label: int
    score: float


def find_boxes(outputs: Sequence[Floats], size: tuple[int, int], page: tuple[int, int]) -> list[Found]:
    """Boxes that the model has found, by class and score. `outputs`: of each level the classes' scores, shape
    (1, places, classes), then of each level the logits of distances to a box's sides, (1, places, 4 * distances).
    `size` and `page`: width and height of the model's picture and of the page."""
    levels = len(outputs) // 2
    parts = [
        _decode(scores[0], distances[0], stride, size)
        for scores, distances, stride in zip(outputs[:levels], outputs[levels:], STRIDES, strict=True)
    ]
    scores, boxes = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    scale = np.array((page[0] / size[0], page[1] / size[1]) * 2)
    boxes = boxes.clip(0, (*size, *size))
    return [
        Found(tuple((boxes[at] * scale).tolist()), label, float(scores[at, label]))
        for label in range(scores.shape[1])
        for at in _choose(boxes, scores[:, label])
    ]


def _decode(scores: Floats, distances: Floats, stride: int, size: tuple[int, int]) -> tuple[Floats, Boxes]:
    """Of the places where something may be: the scores of its classes, and its box in the model's picture."""
    places = np.flatnonzero(scores.max(axis=1) > MIN_SCORE)
    logits = distances[places].reshape(len(places), 4, distances.shape[1] // 4).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=2, keepdims=True))
    sides = stride * (shares @ np.arange(logits.shape[2])) / shares.sum(axis=2)
    rows, columns = np.divmod(places, -(-size[0] // stride))
    middles = (np.stack([columns, rows, columns, rows], axis=1) + 0.5) * stride
    return scores[places], middles + sides * (-1, -1, 1, 1)


def _choose(boxes: Boxes, scores: Floats) -> Iterator[int]:
    """Places of the boxes of a class, the best first, without those that overlap a better one."""
    order = np.argsort(-scores, kind="stable")
    left = order[scores[order] > MIN_SCORE]
    for _ in range(MAX_BOXES):
        if not len(left):
            return
        best, left = left[0], left[1:]
        yield int(best)
        left = left[_overlap(boxes[best], boxes[left]) <= MAX_OVERLAP]


def _overlap(box: NDArray[np.float64], others: Boxes) -> Boxes:
    shared = (np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])).clip(0).prod(axis=1)
    areas = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1)
    result: Boxes = shared / (areas - shared + 1e-5)
    return result
