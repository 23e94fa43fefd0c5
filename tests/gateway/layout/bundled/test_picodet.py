"""Boxes from the outputs of a PicoDet model."""

from __future__ import annotations

import numpy as np
import pytest

from common.inference.sessions import Floats
from gateway.layout.bundled.picodet import STRIDES, find_boxes

SIZE, PAGE = (128, 192), (256, 768)
DISTANCES = 8


def blank_outputs() -> list[Floats]:
    counts = [(SIZE[0] // stride) * (SIZE[1] // stride) for stride in STRIDES]
    scores = [np.zeros((1, count, 2), np.float32) for count in counts]
    return [*scores, *(np.zeros((1, count, 4 * DISTANCES), np.float32) for count in counts)]


def put(outputs: list[Floats], level: int, place: tuple[int, int], score: float, label: int, reach: int) -> None:
    """Something around the middle of a place, its column and row told, that reaches so many strides to each side."""
    at = place[1] * (SIZE[0] // STRIDES[level]) + place[0]
    outputs[level][0, at, label] = score
    outputs[len(STRIDES) + level][0, at].reshape(4, DISTANCES)[:, reach] = 50


def test_box_stands_around_its_place_on_the_page() -> None:
    outputs = blank_outputs()
    put(outputs, 1, (3, 4), 0.9, 1, 2)
    [found] = find_boxes(outputs, SIZE, PAGE)
    # Its middle is at 3.5 and 4.5 strides of 16; the page is twice as wide and four times as high.
    assert found.box == pytest.approx((2 * 24, 4 * 40, 2 * 88, 4 * 104), abs=0.01)
    assert found.label == 1
    assert found.score == pytest.approx(0.9)


def test_box_ends_with_the_page() -> None:
    outputs = blank_outputs()
    put(outputs, 3, (0, 2), 0.9, 0, 3)
    [found] = find_boxes(outputs, SIZE, PAGE)
    assert found.box == (0, 0, *PAGE)


def test_best_of_boxes_in_one_place_counts() -> None:
    outputs = blank_outputs()
    put(outputs, 0, (6, 6), 0.6, 0, 5)
    put(outputs, 0, (7, 6), 0.8, 0, 5)
    put(outputs, 0, (6, 7), 0.7, 1, 5)
    put(outputs, 0, (12, 18), 0.5, 0, 2)
    found = find_boxes(outputs, SIZE, PAGE)
    assert [(one.label, round(one.score, 2)) for one in found] == [(0, 0.8), (0, 0.5), (1, 0.7)]


def test_unsure_boxes_do_not_count() -> None:
    outputs = blank_outputs()
    put(outputs, 2, (1, 1), 0.39, 0, 1)
    assert find_boxes(outputs, SIZE, PAGE) == []
