"""What is erased of a page, and what stays."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from textlines.glyphs import Pixels
from textlines.watermarks import erase_watermarks

SIZE = 1000, 800


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
