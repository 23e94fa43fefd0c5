"""Pages drawn for the comparison: each box shows something that no other box shows, so that crops can be told apart."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gateway.model import BBox
from tests.differential.cases import Seen, Sheet

PICTURES = frozenset({"image", "header_image", "footer_image", "chart", "seal"})
INK = (20, 20, 20)
PRINT = 20
"""Height of the largest print in pixels."""
LEAST = 20
"""Lower areas get bars instead of print."""


def sheet(name: str, seen: Sequence[Seen], size: tuple[int, int] = (900, 1200)) -> Sheet:
    """A white page of this width and height with something drawn in each box; the same for the same name."""
    page = Image.new("RGB", size, "white")
    for at, one in enumerate(seen):
        _draw(page, one.label, one.bbox, random.Random(f"{name} {at}"))
    return Sheet(np.array(page), seen)


def column(labels: Sequence[tuple[str, str]], *, height: int = 40, width: int = 500) -> list[Seen]:
    """Boxes below each other, of these labels and answers."""
    step = height + 12
    return [
        Seen(label, (40, 30 + at * step, 40 + width, 30 + at * step + height), answer)
        for at, (label, answer) in enumerate(labels)
    ]


def _draw(page: Image.Image, label: str, bbox: BBox, chance: random.Random) -> None:
    x1, y1, x2, y2 = bbox
    area = (max(0, x1), max(0, y1), min(page.width, x2), min(page.height, y2))
    if area[0] >= area[2] or area[1] >= area[3]:
        return
    if label in PICTURES:
        _draw_picture(page, area, chance)
    elif label == "table":
        _draw_table(page, area, chance)
    else:
        _draw_text(page, area, chance)


def _draw_picture(page: Image.Image, area: BBox, chance: random.Random) -> None:
    draw = ImageDraw.Draw(page)
    draw.rectangle((area[0], area[1], area[2] - 1, area[3] - 1), fill=_colour(chance, 150, 230))
    for _ in range(12):
        x, y = chance.randint(area[0], area[2] - 1), chance.randint(area[1], area[3] - 1)
        reach = max(2, (area[2] - area[0]) // chance.randint(4, 12))
        corners = (x, y, min(x + reach, area[2] - 1), min(y + reach, area[3] - 1))
        draw.ellipse(corners, fill=_colour(chance, 30, 220))


def _draw_table(page: Image.Image, area: BBox, chance: random.Random) -> None:
    draw = ImageDraw.Draw(page)
    x1, y1, x2, y2 = area
    draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill="white", outline=INK)
    for row in range(1, 4):
        draw.line((x1, y1 + row * (y2 - y1) // 4, x2 - 1, y1 + row * (y2 - y1) // 4), fill=INK)
    for part in range(1, 3):
        draw.line((x1 + part * (x2 - x1) // 3, y1, x1 + part * (x2 - x1) // 3, y2 - 1), fill=INK)
    _draw_text(page, (x1 + 3, y1 + 3, x2 - 3, y2 - 3), chance, clear=False)


def _draw_text(page: Image.Image, area: BBox, chance: random.Random, *, clear: bool = True) -> None:
    """Words that fill the area, in print that fits its shorter side; upright in a narrow column."""
    x1, y1, x2, y2 = area
    width, height = x2 - x1, y2 - y1
    if min(width, height) < 1:
        return
    is_upright = height > 4 * width
    across, down = (height, width) if is_upright else (width, height)
    if down < LEAST:
        _draw_bars(page, area, chance, is_upright=is_upright)
        return
    size = max(5, min(PRINT, int(down * 0.7)))
    words = Image.new("RGB", (across, down), "white")
    draw = ImageDraw.Draw(words)
    for top in range(max(0, (down % (size + 6)) // 2), max(1, down - size), size + 6):
        draw.text((2, top), _words(chance, across // size * 2), fill=INK, font=ImageFont.load_default(size))
    if is_upright:
        words = words.rotate(90, expand=True)
    if clear:
        page.paste(words, (x1, y1))
    else:
        page.paste(INK, (x1, y1), Image.eval(words.convert("L"), lambda value: 255 - value))


def _draw_bars(page: Image.Image, area: BBox, chance: random.Random, *, is_upright: bool) -> None:
    """Bars of various lengths, from one end of the area to the other, where no print could be read."""
    draw = ImageDraw.Draw(page)
    x1, y1, x2, y2 = area
    at, last = (y1, y2) if is_upright else (x1, x2)
    while at < last:
        end = min(last, at + chance.randint(2, max(3, (last - at) // 4)))
        draw.rectangle((x1, at, x2 - 1, end - 1) if is_upright else (at, y1, end - 1, y2 - 1), fill=INK)
        at = end + chance.randint(2, max(3, (last - end) // 4))


def _words(chance: random.Random, length: int) -> str:
    text = ""
    while len(text) < length:
        text += (
            "".join(chance.choice("abcdefghiklmnoprstuvwxyzABDEGHKMNRSTW") for _ in range(chance.randint(2, 9))) + " "
        )
    return text


def _colour(chance: random.Random, least: int, most: int) -> tuple[int, int, int]:
    return chance.randint(least, most), chance.randint(least, most), chance.randint(least, most)
