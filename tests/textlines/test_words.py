"""Words in drawn lines, held against where they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from common.geometry import Rectangle, area, intersection_area
from tests.support.script_pages import FONT
from textlines.words import find_line_ink, place_words

TEXTS = [
    "Invoice number 2024-11-03 of Mississippi & Sons",
    "the total amount is 12,345.67 EUR (see page 4)",
    "Will fill it in an unusually WARM window",
    "Größe",
]


def drawn(text: str, size: int, ink: str = "black", paper: str = "white") -> tuple[np.ndarray, dict[int, Rectangle]]:
    """A picture of the line, and the box of each word's ink."""
    font = ImageFont.truetype(FONT, size)
    image = Image.new("RGB", (round(font.getlength(text)) + 20, 2 * size), paper)
    draw, x, boxes = ImageDraw.Draw(image), 10.0, {}
    for index, word in enumerate(text.split()):
        draw.text((x, size // 2), word, font=font, fill=ink)
        boxes[index] = draw.textbbox((x, size // 2), word, font=font)
        x += font.getlength(word + " ")
    return np.asarray(image), boxes


def iou(one: Rectangle, other: Rectangle) -> float:
    common = intersection_area(one, other)
    return common / (area(one) + area(other) - common)


@pytest.mark.parametrize("size", [14, 24, 40])
@pytest.mark.parametrize("text", TEXTS)
def test_words_take_the_ink_that_is_theirs(text: str, size: int) -> None:
    pixels, boxes = drawn(text, size)
    placed = place_words(find_line_ink(pixels), text.split())
    assert [word.text for word in placed] == text.split()
    assert min(iou(word.box, boxes[index]) for index, word in enumerate(placed)) > 0.7


def test_light_print_on_dark_has_its_ink() -> None:
    pixels, boxes = drawn(TEXTS[0], 20, ink="white", paper="#203040")
    placed = place_words(find_line_ink(pixels), TEXTS[0].split())
    assert min(iou(word.box, boxes[index]) for index, word in enumerate(placed)) > 0.7


def test_known_letters_part_words_that_widths_would_not() -> None:
    """Widths say nothing of ink of even bars; the middles of first and last letters do."""
    ink = np.zeros((20, 100), dtype=np.bool_)
    for left in range(0, 100, 10):
        ink[5:15, left : left + 6] = True
    placed = place_words(ink, ["a", "bbbbbbbb", "c"], [(3, 33), (43, 53), (63, 93)])
    assert [word.box for word in placed] == [(0, 5, 36, 15), (40, 5, 56, 15), (60, 5, 96, 15)]


def test_a_line_without_gaps_is_parted_by_widths() -> None:
    ink = np.ones((10, 125), dtype=np.bool_)
    first, second = place_words(ink, ["aaaaaa", "aaaaaa"])
    assert first.box[0] == 0
    assert second.box[2] == 125
    assert abs(first.box[2] - 60) < 3
    assert abs(second.box[0] - 65) < 3


def test_blank_paper_still_has_a_place_for_each_word() -> None:
    placed = place_words(find_line_ink(np.full((20, 200, 3), 250, dtype=np.uint8)), ["two", "words"])
    assert 0 <= placed[0].box[0] < placed[0].box[2] < placed[1].box[0] < placed[1].box[2] <= 200
