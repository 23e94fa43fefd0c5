"""Fractions with a bar, and what looks like them, on pages drawn here."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import part_at_fractions, upright_line
from textlines.fractions import find_fractions
from textlines.glyphs import Pixels, find_ink

FONT = ImageFont.load_default(28)


def draw_words(*rows: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGB", (900, 120 + 90 * len(rows)), "white")
    draw = ImageDraw.Draw(image)
    for row, text in enumerate(rows):
        draw.text((60, 60 + 90 * row), text, fill="black", font=FONT)
    return image, draw


def draw_fraction(draw: ImageDraw.ImageDraw, x: int, y: int, above: str, below: str, size: int = 24) -> None:
    """Its bar begins at x and lies at y."""
    font = ImageFont.load_default(size)
    width = 6 + max(draw.textlength(number, font=font) for number in (above, below))
    draw.rectangle((x, y, x + width, y + 1), fill="black")
    for number, anchor, edge in ((above, "md", y - 2), (below, "mt", y + 5)):
        draw.text((x + width / 2, edge), number, fill="black", font=font, anchor=anchor)


def count(image: Image.Image) -> int:
    return len(find_fractions(find_ink(np.asarray(image))))


@pytest.mark.parametrize(("above", "below"), [("3", "4"), ("5", "22"), ("120", "7"), ("1", "1000")])
def test_a_fraction_is_found_around_both_numbers(above: str, below: str) -> None:
    image, draw = draw_words("Which is less than", "the others of the list")
    draw_fraction(draw, 320, 78, above, below)
    (found,) = find_fractions(find_ink(np.asarray(image)))
    assert found.box[1] < 60 < 78 <= found.top < found.bottom <= 81 < 95 < found.box[3]


def test_underlined_words_and_dashes_are_no_fractions() -> None:
    image, draw = draw_words("The first word is set", "12 – 14")
    draw.rectangle((60, 94, 106, 95), fill="black")
    draw.text((60, 98), "and goes on below", fill="black", font=FONT)
    assert count(image) == 0


def test_a_sum_above_its_result_is_no_fraction() -> None:
    """Its rule is as long as the column of numbers, which go on above."""
    image, draw = draw_words("Sum")
    for row, number in enumerate(("120", "340", "460")):
        draw.text((300, 30 + 34 * row), number, fill="black", font=FONT)
    draw.rectangle((200, 98, 620, 99), fill="black")
    assert count(image) == 0


@pytest.mark.parametrize("amounts", [("5.50", "7.80", "2.20", "15.50"), ("12", "30", "42"), ("371", "74", "445")])
def test_a_rule_as_long_as_the_total_below_it_makes_no_fraction(amounts: tuple[str, ...]) -> None:
    """Nothing beside the amounts: they go on above."""
    image, draw = draw_words("", "")
    draw_amounts(draw, amounts)
    assert count(image) == 0


def test_a_rule_between_two_rows_makes_no_fraction() -> None:
    image, draw = draw_words("", "")
    draw_amounts(draw, ("48", "120"))
    for row, word in enumerate(("Oak", "Sum")):
        draw.text((150, 40 + 34 * row), word, fill="black", font=FONT)
    assert count(image) == 0


def draw_amounts(draw: ImageDraw.ImageDraw, amounts: tuple[str, ...]) -> None:
    for row, amount in enumerate(amounts):
        draw.text((400, 40 + 34 * row), amount, fill="black", font=FONT, anchor="ra")
    left, y = 398 - draw.textlength(amounts[-1], FONT), 38 + 34 * (len(amounts) - 1)
    draw.rectangle((left, y, 402, y + 1), fill="black")


def test_fractions_beside_and_below_each_other() -> None:
    image, draw = draw_words("", "", "")
    for x, y in ((100, 80), (200, 80), (300, 80), (100, 150), (200, 150)):
        draw_fraction(draw, x, y, "3", "4")
    assert count(image) == 5


def test_a_line_is_parted_at_its_fraction() -> None:
    image, draw = draw_words("Is", "more?")
    draw_fraction(draw, 120, 78, "3", "4")
    draw.text((170, 60), "more than", fill="black", font=FONT)
    draw_fraction(draw, 330, 78, "2", "3")
    draw.text((380, 60), "?", fill="black", font=FONT)
    line, below = upright_line((55, 45, 400, 110)), upright_line((55, 145, 150, 185))
    parted = part_at_fractions([line, below], find_ink(np.asarray(image)))
    in_order = sorted((one for one in parted if one is not below), key=lambda one: one.box[0])
    assert [one.bar is not None for one in in_order] == [False, True, False, True, False]
    assert below in parted
    edges = [(one.box[0], one.box[2]) for one in in_order]
    assert all(right <= left + 14 for (_, right), (left, _) in pairwise(edges))


def test_strokes_of_a_sign_in_a_column_are_no_fraction() -> None:
    """The line that runs down holds other signs too."""
    image, draw = draw_words("Chapter and verse", "of the book", "in small print")
    draw_fraction(draw, 700, 100, "8", "8", size=32)
    column = upright_line((690, 20, 760, 380))
    assert count(image) == 1
    assert part_at_fractions([column], find_ink(np.asarray(image))) == [column]


def test_a_page_without_bars_stays_as_it_is() -> None:
    blank: Pixels = np.full((200, 300, 3), 255, dtype=np.uint8)
    assert find_fractions(find_ink(blank)) == []
