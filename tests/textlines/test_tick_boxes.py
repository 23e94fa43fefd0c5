"""Boxes to tick, drawn beside text."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from common.geometry import Box
from textlines.detection import Pixels
from textlines.tick_boxes import erase_tick_boxes, find_tick_boxes, label_index

Draw = ImageDraw.ImageDraw
LINES: list[Box] = [(150, 60 + 60 * row, 500, 100 + 60 * row) for row in range(3)]


def page(marks: list[Callable[[Draw, int], None] | None], size: int = 28, width: int = 3) -> Pixels:
    """A square for each mark, left of a line of text, which strokes stand for."""
    image = Image.new("RGB", (600, 300), "white")
    draw = ImageDraw.Draw(image)
    for row, mark in enumerate(marks):
        top = 66 + 60 * row
        draw.rectangle((100, top, 100 + size, top + size), outline="black", width=width)
        for x in range(152, 490, 14):
            draw.line((x, top, x + 5, top + 26), fill="black", width=3)
        if mark:
            mark(draw, top)
    return np.asarray(image)


def cross(draw: Draw, top: int) -> None:
    draw.line((104, top + 4, 124, top + 24), fill="black", width=3)
    draw.line((124, top + 4, 104, top + 24), fill="black", width=3)


def check(draw: Draw, top: int) -> None:
    draw.line([(105, top + 15), (112, top + 23), (131, top - 6)], fill="black", width=4)


def fill(draw: Draw, top: int) -> None:
    draw.rectangle((105, top + 5, 123, top + 23), fill="black")


@pytest.mark.parametrize("mark", [cross, check, fill])
def test_marks(mark: Callable[[Draw, int], None]) -> None:
    found = sorted(find_tick_boxes(page([mark, None, mark]), LINES), key=lambda one: one.box[1])
    assert [one.is_ticked for one in found] == [True, False, True]


@pytest.mark.parametrize("size", range(24, 34))
def test_cross_of_any_size(size: int) -> None:
    """Its arms end at the sides, and are no level strokes there."""

    def draw_cross(draw: Draw, top: int) -> None:
        draw.line((104, top + 4, 96 + size, top + size - 4), fill="black", width=4)
        draw.line((96 + size, top + 4, 104, top + size - 4), fill="black", width=4)

    found = sorted(find_tick_boxes(page([draw_cross, None, draw_cross], size), LINES), key=lambda one: one.box[1])
    assert [one.is_ticked for one in found] == [True, False, True]


def test_solid_squares_of_a_form_are_ticked() -> None:
    def solid(draw: Draw, top: int) -> None:
        draw.rectangle((100, top, 128, top + 28), fill="black")

    found = sorted(find_tick_boxes(page([None, solid, None]), LINES), key=lambda one: one.box[1])
    assert [one.is_ticked for one in found] == [False, True, False]


def test_squares_without_text_are_none() -> None:
    assert find_tick_boxes(page([None, None, None]), [(150, 260, 500, 296)]) == []
    assert find_tick_boxes(page([cross, None, None]), []) == []


def test_fields_for_letters_are_none() -> None:
    image = Image.fromarray(page([None]))
    for at in range(5):
        ImageDraw.Draw(image).rectangle((100 + 36 * at, 66, 128 + 36 * at, 94), outline="black", width=3)
    assert find_tick_boxes(np.asarray(image), [(300, 60, 500, 100)]) == []


def test_cells_of_a_grid_are_none() -> None:
    image = Image.new("RGB", (600, 300), "white")
    draw = ImageDraw.Draw(image)
    for at in range(40, 240, 28):
        draw.line((40, at, 236, at), fill="black", width=2)
        draw.line((at, 40, at, 236), fill="black", width=2)
    assert find_tick_boxes(np.asarray(image), LINES) == []


def test_sign_with_level_strokes_is_none() -> None:
    def strokes(draw: Draw, top: int) -> None:
        for y in (8, 14, 20):
            draw.line((106, top + y, 122, top + y), fill="black", width=2)

    assert len(find_tick_boxes(page([strokes, None, None]), LINES)) == 2


def test_erased_boxes_are_gone_and_the_text_stays() -> None:
    before = page([cross, None, check])
    boxes = find_tick_boxes(before, LINES)
    after = erase_tick_boxes(before, boxes)
    assert (after[:, 95:130] == 255).all()
    assert (after[:, 145:] == before[:, 145:]).all()


def test_label_right_before_left() -> None:
    (one, *_) = sorted(find_tick_boxes(page([None, None, None]), LINES), key=lambda box: box.box[1])
    assert label_index(one, [(20, 60, 90, 100), LINES[0]]) == (1, True)
    assert label_index(one, [(20, 60, 90, 100)]) == (0, False)
    assert label_index(one, [(20, 200, 90, 240)]) is None
