"""Boxes to tick, drawn beside text."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from common.geometry import Box
from textlines.box_shapes import TickBox
from textlines.detection import Pixels
from textlines.tick_boxes import Rows, assign_inner, erase_tick_boxes, find_tick_boxes, label_index

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


def cross_by_hand(draw: Draw, top: int) -> None:
    """Its arms reach out of the corners."""
    draw.line([(95, top - 6), (112, top + 13), (134, top + 35)], fill="navy", width=3)
    draw.line([(135, top - 5), (115, top + 15), (94, top + 33)], fill="navy", width=3)


def check_by_hand(draw: Draw, top: int) -> None:
    """It leaves through the upper right corner."""
    draw.line([(105, top + 14), (113, top + 22), (138, top - 10)], fill="navy", width=4)


@pytest.mark.parametrize("mark", [cross, check, fill, cross_by_hand, check_by_hand])
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


@pytest.mark.parametrize("radius", [3, 6, 8])
def test_round_corners(radius: int) -> None:
    """As browsers and forms on screens draw them."""
    image = Image.fromarray(page([]))
    draw = ImageDraw.Draw(image)
    for row, mark in enumerate([check, None, cross]):
        top = 66 + 60 * row
        draw.rounded_rectangle((100, top, 128, top + 28), radius, outline="black", width=3)
        draw.text((150, top), "Refrigerated", fill="black")
        if mark:
            mark(draw, top)
    found = sorted(find_tick_boxes(np.asarray(image), LINES), key=lambda one: one.box[1])
    assert [one.is_ticked for one in found] == [True, False, True]


def test_light_boxes_on_dark_paper() -> None:
    light = 255 - page([check, None, cross])
    assert [one.is_ticked for one in sorted(find_tick_boxes(light, LINES), key=lambda one: one.box[1])] == [
        True,
        False,
        True,
    ]


def test_square_with_an_uneven_base_is_a_sign() -> None:
    """As 图 before a figure's number, whose top is longer; a box that a mark has crossed is as large as others."""

    def draw_sign(draw: Draw, top: int) -> None:
        draw.rectangle((128, top, 134, top + 2), fill="black")
        draw.line((106, top + 8, 122, top + 22), fill="black", width=3)

    image = np.array(page([draw_sign]))
    assert find_tick_boxes(image, LINES[:1]) == []
    assert len(find_tick_boxes(page([draw_sign, None, None]), LINES)) == 3


def test_letter_with_a_bow_is_none() -> None:
    """A wide D, alone in its cell."""
    image = Image.new("RGB", (600, 300), "white")
    draw = ImageDraw.Draw(image)
    for row in range(3):
        top = 66 + 60 * row
        draw.rounded_rectangle(
            (100, top, 128, top + 28), 8, outline="black", width=3, corners=(False, True, True, False)
        )
    lines: list[Box] = [(96, 60 + 60 * row, 132, 100 + 60 * row) for row in range(3)]
    assert find_tick_boxes(np.asarray(image), [*lines, *LINES], in_table=True) == []


def test_a_column_far_behind_its_texts() -> None:
    """As far as a form's last column stands."""
    far: list[Box] = [(5, 60 + 60 * row, 40, 100 + 60 * row) for row in range(3)]
    pixels = np.array(page([None, check, None]))
    pixels[:, 145:] = 255
    for lines, count in ((far, 3), (far[:2], 0)):
        pixels[(62 + 60 * len(lines)) :] = 255
        moved = np.full((300, 900, 3), 255, dtype=np.uint8)
        moved[:, 600:750] = pixels[:, 95:245]
        assert len(find_tick_boxes(moved, lines)) == count


def test_sign_with_feet_is_none() -> None:
    """口 ends so in most fonts."""

    def feet(draw: Draw, top: int) -> None:
        for x in (100, 126):
            draw.rectangle((x, top + 28, x + 2, top + 31), fill="black")

    assert len(find_tick_boxes(page([feet, None, cross]), LINES)) == 2


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
    assert label_index(one, Rows([(20, 60, 90, 100), LINES[0]])) == (1, True)
    assert label_index(one, Rows([(20, 60, 90, 100)])) == (0, False)
    assert label_index(one, Rows([(20, 200, 90, 240)])) is None


@pytest.mark.parametrize("top", [65, 66, 67])
@pytest.mark.parametrize("size", range(17, 34))
def test_empty_box_of_any_size(size: int, top: int) -> None:
    image = Image.fromarray(page([]))
    draw = ImageDraw.Draw(image)
    draw.rectangle((100, top, 100 + size, top + size), outline="black", width=2)
    draw.rectangle((154, top, 160, top + 24), fill="black")
    assert [one.is_ticked for one in find_tick_boxes(np.asarray(image), [(150, 60, 500, 100)])] == [False]


def test_boxes_as_small_as_letters() -> None:
    """A font's signs: 15 pixels beside lines of 44."""
    image = Image.fromarray(page([]))
    draw = ImageDraw.Draw(image)
    for row in range(2):
        top = 76 + 60 * row
        draw.rectangle((100, top, 114, top + 13), outline="black", width=2)
        for x in range(124, 400, 14):
            draw.line((x, top - 8, x + 5, top + 14), fill="black", width=3)
    draw.line([(103, 82), (106, 86), (111, 79)], fill="black", width=2)
    found = sorted(
        find_tick_boxes(np.asarray(image), [(92, 58, 410, 102), (92, 118, 410, 162)]), key=lambda one: one.box
    )
    assert [one.is_ticked for one in found] == [True, False]


def test_light_check_in_a_solid_square() -> None:
    """As browsers draw a ticked box; a logo with a letter is none."""
    image = Image.fromarray(page([]))
    draw = ImageDraw.Draw(image)
    for row in range(2):
        draw.rounded_rectangle((100, 66 + 60 * row, 126, 92 + 60 * row), 4, fill=(0, 117, 255))
    draw.line([(106, 79), (111, 85), (121, 73)], fill="white", width=3)
    draw.line([(113, 132), (113, 148)], fill="white", width=4)
    draw.line([(108, 134), (119, 134)], fill="white", width=4)
    found = find_tick_boxes(np.asarray(image), [(140, 60, 500, 100), (140, 120, 500, 160)])
    assert [(one.box[1], one.is_ticked) for one in found] == [(66, True)]


def test_same_sign_within_several_lines_is_none() -> None:
    """Chinese has signs that are a frame with strokes in it."""
    image = Image.fromarray(page([]))
    draw = ImageDraw.Draw(image)
    for row in range(3):
        top = 66 + 60 * row
        for x in (100, 126, 220, 250):
            draw.line((x, top, x + 5, top + 26), fill="black", width=3)
        draw.rectangle((156, top, 182, top + 26), outline="black", width=3)
        draw.line((162, top + 20, 169, top + 6, 176, top + 20), fill="black", width=3)
    assert find_tick_boxes(np.asarray(image), [(96, 60 + 60 * row, 260, 100 + 60 * row) for row in range(3)]) == []


def draw_square(draw: Draw, x: int, top: int, *, is_ticked: bool) -> None:
    draw.rectangle((x, top, x + 22, top + 22), outline="black", width=2)
    if is_ticked:
        draw.line((x + 5, top + 5, x + 17, top + 17), fill="black", width=3)
        draw.line((x + 5, top + 17, x + 17, top + 5), fill="black", width=3)


def draw_circle(draw: Draw, x: int, top: int, *, is_ticked: bool) -> None:
    draw.ellipse((x, top, x + 22, top + 22), outline="black", width=2)
    if is_ticked:
        draw.ellipse((x + 6, top + 6, x + 16, top + 16), fill="black")


def write_choices(draw_box: Callable[..., None], states: tuple[bool, bool]) -> Pixels:
    """A line of strokes, a box, strokes, a box, strokes, with a word's space around each."""
    image = Image.new("RGB", (500, 160), "white")
    draw = ImageDraw.Draw(image)
    for start, end in ((60, 190), (231, 292), (331, 420)):
        for x in range(start, end, 14):
            draw.line((x, 66, x + 3, 88), fill="black", width=3)
    for x, is_ticked in zip((200, 300), states, strict=True):
        draw_box(draw, x, 66, is_ticked=is_ticked)
    return np.asarray(image)


@pytest.mark.parametrize("draw_box", [draw_square, draw_circle])
@pytest.mark.parametrize("states", [(True, False), (False, True)])
def test_boxes_within_a_line(draw_box: Callable[..., None], states: tuple[bool, bool]) -> None:
    found = find_tick_boxes(write_choices(draw_box, states), [(50, 56, 430, 98)])
    assert tuple(one.is_ticked for one in sorted(found, key=lambda one: one.box)) == states


def test_circles_without_a_dot_may_be_letters() -> None:
    assert find_tick_boxes(write_choices(draw_circle, (False, False)), [(50, 56, 430, 98)]) == []


@pytest.mark.parametrize(("size", "width"), [(20, 2), (25, 2), (22, 4)])
def test_letter_o_beside_a_ticked_circle(size: int, width: int) -> None:
    """A word of one letter, rounder than others: it is of another size, or bolder."""
    image = Image.fromarray(write_choices(draw_circle, (False, True)))
    draw = ImageDraw.Draw(image)
    draw.rectangle((195, 60, 228, 94), fill="white")
    draw.ellipse((200, 66, 200 + size, 66 + size), outline="black", width=width)
    found = find_tick_boxes(np.asarray(image), [(50, 56, 430, 98)])
    assert [one for one in found if not one.is_ticked] == []


def draw_square_sheet(count: int) -> tuple[Pixels, list[Box]]:
    """Boxes in rows of twenty, each with a line of text."""
    image = Image.new("RGB", (2000, 20 + 40 * (count // 20)), "white")
    draw, lines = ImageDraw.Draw(image), []
    for at in range(count):
        x, top = 20 + 98 * (at % 20), 10 + 40 * (at // 20)
        draw.rectangle((x, top, x + 16, top + 16), outline="black", width=2)
        for place in range(x + 34, x + 70, 10):
            draw.line((place, top - 2, place + 3, top + 18), fill="black", width=3)
        lines.append((x + 30, top - 5, x + 74, top + 23))
    return np.asarray(image), lines


def test_sheet_of_many_boxes() -> None:
    """The calls made for a box do not grow with the sheet."""

    def count_steps(count: int) -> int:
        pixels, lines = draw_square_sheet(count)
        steps = 0

        def count_step(*_: object) -> None:
            nonlocal steps
            steps += 1

        sys.setprofile(count_step)
        try:
            found = find_tick_boxes(pixels, lines)
            _, outer = assign_inner(found, Rows(lines))
        finally:
            sys.setprofile(None)
        assert len(found) == len(outer) == count
        return steps

    assert count_steps(320) < 6 * count_steps(80)


def test_box_alone_in_its_cell() -> None:
    image = Image.new("RGB", (700, 200), "white")
    draw = ImageDraw.Draw(image)
    for top in (40, 110):
        for x in range(40, 180, 14):
            draw.line((x, top, x + 3, top + 22), fill="black", width=3)
    draw_square(draw, 460, 40, is_ticked=True)
    draw_square(draw, 600, 110, is_ticked=False)
    lines = [(30, 30, 190, 72), (30, 100, 190, 142)]
    assert find_tick_boxes(np.asarray(image), lines) == []
    found = find_tick_boxes(np.asarray(image), lines, in_table=True)
    assert [(one.box[0], one.is_ticked) for one in sorted(found, key=lambda one: one.box)] == [
        (460, True),
        (600, False),
    ]


def test_each_box_parts_one_line() -> None:
    inner, outer = TickBox((200, 66, 222, 88), True), TickBox((20, 66, 42, 88), False)
    rows = Rows([(50, 56, 212, 98), (60, 56, 430, 98)])
    assert assign_inner([inner, outer], rows) == ([[inner], []], [outer])
