"""Columns of a page that are none, on pictures drawn here."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import Pixels
from textlines.vertical_text import find_figure_rows


def write(rows: list[str], pitch: int) -> Pixels:
    image = Image.new("RGB", (90, 40 + pitch * len(rows)), "white")
    for row, text in enumerate(rows):
        ImageDraw.Draw(image).text((20, 20 + row * pitch), text, fill="black", font=ImageFont.load_default(30))
    return np.asarray(image)


@pytest.mark.parametrize("rows", [["7", "1", "8", "4"], ["25", "26", "1", "10", "9"], ["1", "1", "1", "1"]])
def test_rows_of_figures_are_parted(rows: list[str]) -> None:
    found = find_figure_rows(write(rows, 38))
    assert len(found) == len(rows)
    for row, (left, top, right, bottom) in enumerate(found):
        assert top < 20 + row * 38 + 18 < bottom
        assert left >= 18
        assert right - left < 18 * len(rows[row]) + 4


@pytest.mark.parametrize("rows", [["2", "3"], ["14", "7"]])
def test_two_rows_of_figures_are_parted_where_they_are_as_high_as_the_pages(rows: list[str]) -> None:
    height = find_figure_rows(write(["7", "1", "8", "4"], 38))[0]
    assert len(find_figure_rows(write(rows, 38), glyph=height[3] - height[1])) == 2
    assert find_figure_rows(write(rows, 38), glyph=2 * (height[3] - height[1])) == []


def test_row_that_an_end_cuts_is_left_out() -> None:
    assert len(find_figure_rows(write(["7", "1", "8", "4"], 38)[35:])) == 3


@pytest.mark.parametrize(("width", "length", "gap"), [(2, 10, 6), (5, 16, 8), (3, 4, 5)])
def test_dashes_of_a_rule_are_no_figures(width: int, length: int, gap: int) -> None:
    image = Image.new("RGB", (width + 16, 400), "white")
    for top in range(12, 380 - length, length + gap):
        ImageDraw.Draw(image).rectangle((8, top, 7 + width, top + length - 1), fill="black")
    assert find_figure_rows(np.asarray(image)) == []


def test_signs_and_turned_lines_stay() -> None:
    """Signs are as wide as high, here frames; letters of a line that was turned stand close."""
    image = Image.new("RGB", (60, 300), "white")
    for top in range(10, 280, 52):
        ImageDraw.Draw(image).rectangle((12, top, 44, top + 32), outline="black", width=3)
    assert find_figure_rows(np.asarray(image)) == []
    line = Image.new("RGB", (300, 60), "white")
    ImageDraw.Draw(line).text((10, 10), "Illinois 1871", fill="black", font=ImageFont.load_default(30))
    assert find_figure_rows(np.ascontiguousarray(np.rot90(np.asarray(line)))) == []
