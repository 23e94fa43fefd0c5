"""What scanners and cameras do to a page. The boxes of the truth follow the pixels."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from examples.truth import BBox
from examples.typeset import Sheet, union


def scan(sheet: Sheet, degrees: float, seed: int) -> None:
    """Skews a sheet by `degrees`, makes it black and white, and adds a little dust."""
    _rotate(sheet, degrees)
    grey = sheet.image.convert("L").point(lambda value: 255 if value > 150 else 0)
    dust = np.random.default_rng(seed).integers(0, (sheet.width - 3, sheet.height - 3), size=(60, 2))
    draw = ImageDraw.Draw(grey)
    for x, y in dust.tolist():
        draw.rectangle((x, y, x + 1, y + 1), fill=0)
    sheet.image = grey.convert("1", dither=Image.Dither.NONE)


def photograph(sheet: Sheet, degrees: float, seed: int) -> None:
    """Turns a sheet by `degrees`, lights it from one side, softens it and adds the sensor's noise."""
    _rotate(sheet, degrees)
    soft = np.asarray(sheet.image.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float64)
    light = np.linspace(1.0, 0.78, sheet.width)[None, :, None] * np.linspace(1.0, 0.92, sheet.height)[:, None, None]
    noise = np.random.default_rng(seed).normal(0.0, 4.0, (sheet.height, sheet.width, 1))
    sheet.image = Image.fromarray(np.clip(soft * light + noise, 0, 255).astype(np.uint8))


def _rotate(sheet: Sheet, degrees: float) -> None:
    """Turns the pixels counter-clockwise around the middle, and the boxes with them."""
    sheet.image = sheet.image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=sheet.paper)
    middle = (sheet.width / 2, sheet.height / 2)
    sheet.blocks = [replace(block, bbox=_turned(block.bbox, degrees, middle)) for block in sheet.blocks]


def _turned(box: BBox, degrees: float, middle: tuple[float, float]) -> BBox:
    """The upright box around a turned box."""
    corners = [(x - middle[0], y - middle[1]) for x in box[::2] for y in box[1::2]]
    c, s = cos(radians(degrees)), sin(radians(degrees))
    points = [(middle[0] + x * c + y * s, middle[1] - x * s + y * c) for x, y in corners]
    return union((x, y, x, y) for x, y in points)
