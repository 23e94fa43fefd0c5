"""Grain that is measured on pages drawn here, and lines that are found in it."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import LineDetector, Pixels
from textlines.restoration import BLURRED, measure_noise, measure_sharpness, reduce_noise


def page() -> Pixels:
    image = Image.new("RGB", (900, 700), "white")
    for row in range(12):
        text = "Visitors may walk along the eastern pier"
        ImageDraw.Draw(image).text((60, 30 + 45 * row), text, fill="black", font=ImageFont.load_default(28))
    return np.asarray(image)


def add_grain(pixels: Pixels, deviation: float) -> Pixels:
    noise = np.random.default_rng(7).normal(0, deviation, pixels.shape)
    return np.asarray((pixels + noise).clip(0, 255), dtype=np.uint8)


def test_grain_is_measured() -> None:
    """What is clipped at white does not count."""
    assert measure_noise(page()) < 0.5
    assert 8 < measure_noise(add_grain(np.full((400, 400, 3), 128, dtype=np.uint8), 20)) < 16
    assert measure_noise(np.zeros((2, 900, 3), dtype=np.uint8)) == 0


def test_even_pages_stay_as_they_are() -> None:
    clean = page()
    assert reduce_noise(clean) is clean
    assert measure_noise(reduce_noise(add_grain(clean, 25))) < measure_noise(add_grain(clean, 25)) / 2


def test_small_print_without_margins_is_no_grain() -> None:
    """Its grain is."""
    image = Image.new("RGB", (700, 220), "white")
    text = "The harbour office opened its new weighing room on Monday and three clerks record each crate now " * 2
    for row in range(22):
        ImageDraw.Draw(image).text((-20, 10 * row), text, fill="black", font=ImageFont.load_default(8))
    crop = np.asarray(image)[10:200, 20:420]
    assert reduce_noise(crop) is crop
    grainy = add_grain(crop, 25)
    assert reduce_noise(grainy) is not grainy


def test_lines_in_grain() -> None:
    """None ends early, and none has the dots of a leader."""
    lines = LineDetector()(add_grain(page(), 30))
    assert len(lines) == 12
    assert all(line.leader is None for line in lines)


def test_sharpness_takes_no_memory_of_the_picture_s_size() -> None:
    """And is that of all its parts: strips of a picture that is sharp above and blurred below."""
    page = np.full((5000, 4000, 3), 255, np.uint8)
    page.reshape(-1, 40, 4000, 3)[:, :20] = 0
    blurred = np.asarray(cv2.GaussianBlur(page, (0, 0), 2), dtype=np.uint8)
    assert measure_sharpness(page) == 1.0
    assert measure_sharpness(blurred) < BLURRED
    mostly_blurred = np.concatenate([page[:1000], blurred[1000:]])
    tracemalloc.start()
    try:
        sharpness = measure_sharpness(mostly_blurred)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sharpness < BLURRED
    assert peak < page.nbytes
