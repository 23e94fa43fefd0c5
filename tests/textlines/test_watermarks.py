"""What is erased of a page, and what stays."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import LineDetector
from textlines.glyphs import Pixels, find_ink
from textlines.watermarks import erase_watermarks, find_page_lines

SIZE = 1000, 800
FONT = ImageFont.load_default(32)


def text_page() -> Image.Image:
    page = Image.new("RGB", SIZE, "white")
    draw = ImageDraw.Draw(page)
    for row in range(12):
        line = "The harbour master counted seven quiet ships in the fog"
        draw.text((60, 60 + row * 60), line, fill="black", font=ImageFont.load_default(32))
    return page


def with_print(text: str, colour: tuple[int, int, int], degrees: float, place: tuple[int, int]) -> Pixels:
    """The page with a large pale print under its text."""
    layer = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(layer).text(place, text, fill=colour, font=ImageFont.load_default(190))
    layer = layer.rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor="white")
    return np.asarray(np.minimum(np.asarray(layer), np.asarray(text_page())), dtype=np.uint8)


def test_a_slanted_watermark_goes_and_the_text_stays() -> None:
    marked, clean = with_print("DRAFT", (205, 205, 205), 40, (220, 280)), np.asarray(text_page())
    erased = erase_watermarks(marked)
    pale = (marked.min(axis=2) > 150) & (marked.min(axis=2) < 245) & (clean.min(axis=2) == 255)
    assert (erased[pale].min(axis=1) > 245).mean() > 0.7
    dark = clean.max(axis=2) < 60
    assert (erased[dark] == marked[dark]).all()


def test_watermarks_down_a_long_picture_go() -> None:
    """It is looked at strip by strip, and one of them lies in two strips."""
    marked = with_print("DRAFT", (205, 205, 205), 40, (220, 280))
    assert np.array_equal(erase_watermarks(np.tile(marked, (5, 1, 1))), np.tile(erase_watermarks(marked), (5, 1, 1)))


def test_a_large_picture_is_not_held_again() -> None:
    pixels = np.full((6000, 6000, 3), 255, np.uint8)
    pixels[::100] = 0
    pixels[50::100, ::40] = 190
    pixels[30:60, 3000:5000] = 190
    tracemalloc.start()
    try:
        erase_watermarks(pixels)
        find_ink(pixels)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < pixels.nbytes


def test_boxes_in_boxes_are_looked_at_within_bounds() -> None:
    """Each frame reaches over all that lie in it."""

    def count(side: int) -> int:
        pixels, looked_at = np.full((side, side, 3), 255, np.uint8), 0
        for at in range(0, side // 2 - 20, 20):
            cv2.rectangle(pixels, (at, at), (side - 1 - at, side - 1 - at), (190, 190, 190), 6)
        pixels[::60, ::3] = 0

        def note(part: Pixels, *arguments: Any) -> Any:  # noqa: ANN401 - OpenCV's
            nonlocal looked_at
            looked_at += part.size
            return label(part, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            label = cv2.connectedComponentsWithStatsWithAlgorithm
            patch.setattr(cv2, "connectedComponentsWithStatsWithAlgorithm", note)
            erase_watermarks(pixels)
        return looked_at

    assert count(2400) <= 5 * count(1200)


def test_upright_pale_print_stays() -> None:
    heading = with_print("DRAFT", (205, 120, 120), 0, (100, 280))
    assert np.array_equal(erase_watermarks(heading), heading)


def test_a_slanted_print_beside_the_text_stays() -> None:
    page = Image.new("RGB", SIZE, "white")
    layer = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(layer).text((220, 280), "PAID", fill=(205, 205, 205), font=ImageFont.load_default(190))
    ImageDraw.Draw(page).text((60, 20), "A receipt of one line", fill="black", font=ImageFont.load_default(32))
    pixels = np.minimum(np.asarray(layer.rotate(30, fillcolor="white")), np.asarray(page))
    assert np.array_equal(erase_watermarks(pixels), pixels)


def test_a_tinted_cell_stays() -> None:
    page = text_page()
    tinted = Image.new("RGB", SIZE, "white")
    ImageDraw.Draw(tinted).rectangle((50, 100, 950, 300), fill=(210, 210, 210))
    pixels = np.minimum(np.asarray(page), np.asarray(tinted))
    assert np.array_equal(erase_watermarks(pixels), pixels)


def test_small_print_repeated_over_a_page_hides_no_line() -> None:
    """Its strokes are too thin to be erased by themselves; pale text that is level stays."""
    page = text_page()
    ImageDraw.Draw(page).text((60, 740), "A pale note below all the others", fill=(170, 170, 170), font=FONT)
    layer = Image.new("L", (420, 420), 255)
    ImageDraw.Draw(layer).text((20, 190), "Copy 0417 for A. Miller", fill=195, font=ImageFont.load_default(34))
    piece = layer.rotate(30, resample=Image.Resampling.BICUBIC, fillcolor=255)
    marked = np.asarray(page).copy()
    for top in range(-60, 700, 190):
        for left in range(-150, 1000, 330):
            y1, x1 = max(top, 0), max(left, 0)
            part = np.asarray(piece)[y1 - top : SIZE[1] - top, x1 - left : SIZE[0] - left, None]
            under = marked[y1 : y1 + part.shape[0], x1 : x1 + part.shape[1]]
            under[:] = np.minimum(under, part)
    lines = [line.box for line in find_page_lines(LineDetector(), marked)]
    rows = [(x1, y1, x2, y2) for x1, y1, x2, y2 in lines if x2 - x1 > 400 and y2 - y1 < 60]
    tops = [*(60 + 60 * row for row in range(11)), 740]
    assert all(any(y1 - 12 <= top <= y1 + 12 and x1 < 75 for x1, y1, _, _ in rows) for top in tops)
