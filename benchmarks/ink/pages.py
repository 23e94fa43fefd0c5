"""Pages whose text is known: made ones of several fonts, sizes and columns, and OmniDocBench's samples."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pypdfium2 as pdfium
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from gateway.model import Pixels
from tests.support.samples import omnidocbench
from tests.support.text_layers import ENGLISH, HEIGHT, SECOND, WIDTH, register_fonts

FONTS = ("Helvetica", "Times-Roman", "Courier", "Sans")
DPIS = (144, 200)
SIZES = (9.0, 10.5, 12.0)
MARGIN, GUTTER, LEADING = 60.0, 24.0, 1.3
PARAGRAPH_LINES = (3, 12)
PICTURE_HEIGHT = 120.0
TABLE_ROWS, TABLE_COLUMNS = 6, 4
WORDS = " ".join((*ENGLISH, *SECOND)).split()


@dataclass(frozen=True, slots=True)
class KnownPage:
    name: str
    pixels: Pixels
    dpi: int | None


def sample_pages() -> Iterator[KnownPage]:
    for file in omnidocbench()[0]:
        with Image.open(file) as picture:
            yield KnownPage(file.stem[:40], np.asarray(picture.convert("RGB")), None)


def make_pages(count: int, seed: int) -> Iterator[KnownPage]:
    register_fonts()
    dice = random.Random(seed)
    for number in range(count):
        font, dpi, size = FONTS[number % len(FONTS)], DPIS[number // 2 % len(DPIS)], SIZES[number % len(SIZES)]
        columns = 1 + number % 2
        data = _draw(dice, font, size, columns)
        yield KnownPage(f"{font} {size:g}, {columns} columns, {dpi} dpi", _rasterise(data, dpi), dpi)


def _draw(dice: random.Random, font: str, size: float, columns: int) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(WIDTH, HEIGHT))
    _write(canvas, " ".join(dice.sample(WORDS, 4)).capitalize(), MARGIN, 80, font, 1.6 * size)
    canvas.line(MARGIN, HEIGHT - 92, WIDTH - MARGIN, HEIGHT - 92)
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GUTTER) / columns
    for column in range(columns):
        _fill_column(canvas, dice, font, size, MARGIN + column * (width + GUTTER), width, has_table=column == 0)
    _write(canvas, str(dice.randint(1, 300)), WIDTH / 2, HEIGHT - 30, font, size)
    canvas.showPage()
    canvas.save()
    return stream.getvalue()


def _fill_column(
    canvas: Canvas, dice: random.Random, font: str, size: float, x: float, width: float, *, has_table: bool
) -> None:
    """Paragraphs; after the first a picture with its caption, and where it is asked for a table after the second."""
    top, step = 125.0, LEADING * size
    for number in range(20):
        lines = dice.randint(*PARAGRAPH_LINES)
        if top + lines * step > HEIGHT - 60:
            return
        for _ in range(lines):
            _write(canvas, _fill_line(canvas, dice, font, size, width), x, top, font, size)
            top += step
        top += step
        if number == 0:
            canvas.drawImage(ImageReader(_make_picture(dice)), x, HEIGHT - top - PICTURE_HEIGHT, width, PICTURE_HEIGHT)
            top += PICTURE_HEIGHT + 1.6 * step
            _write(canvas, f"Figure {dice.randint(1, 30)}: {' '.join(dice.sample(WORDS, 3))}", x, top, font, 0.9 * size)
            top += 2.5 * step
        if number == 1 and has_table and top + TABLE_ROWS * 1.6 * step < HEIGHT - 80:
            top = _draw_table(canvas, dice, font, size, x, width, top) + 1.5 * step


def _fill_line(canvas: Canvas, dice: random.Random, font: str, size: float, width: float) -> str:
    text = dice.choice(WORDS)
    while canvas.stringWidth(longer := f"{text} {dice.choice(WORDS)}", font, size) <= width:
        text = longer
    return text


def _draw_table(
    canvas: Canvas, dice: random.Random, font: str, size: float, x: float, width: float, top: float
) -> float:
    """Where the table ends."""
    row, column = 1.6 * LEADING * size, width / TABLE_COLUMNS
    for line in range(TABLE_ROWS + 1):
        y = HEIGHT - top - line * row + row / 1.5
        canvas.line(x, y, x + width, y)
    for line in range(TABLE_ROWS):
        for cell in range(TABLE_COLUMNS):
            text = dice.choice(WORDS)[:8] if cell == 0 or line == 0 else f"{dice.randint(10, 9999):,}"
            _write(canvas, text, x + cell * column + 4, top + line * row, font, 0.9 * size)
    return top + TABLE_ROWS * row


def _write(canvas: Canvas, text: str, x: float, top: float, font: str, size: float) -> None:
    canvas.setFont(font, size)
    canvas.drawString(x, HEIGHT - top, text)


def _make_picture(dice: random.Random) -> Image.Image:
    """Hills in haze, with grain, or coloured shapes."""
    x, y = np.meshgrid(np.arange(480), np.arange(240))
    if dice.random() < 0.5:
        grain = np.random.default_rng(dice.randint(0, 1 << 30)).normal(0, 14, x.shape)
        grey = 120 + 60 * np.sin(x / dice.uniform(20, 90)) * np.cos(y / dice.uniform(20, 70)) + grain
        return Image.fromarray(np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[:, :, None], 3, axis=2))
    shapes = np.full((240, 480, 3), 235, np.uint8)
    for bar in range(8):
        high = dice.randint(30, 220)
        shapes[240 - high :, 20 + 56 * bar : 60 + 56 * bar] = [dice.randint(0, 200) for _ in range(3)]
    return Image.fromarray(shapes)


def _rasterise(data: bytes, dpi: int) -> Pixels:
    document = pdfium.PdfDocument(data)
    pixels = np.ascontiguousarray(document[0].render(scale=dpi / 72).to_numpy()[:, :, ::-1])
    document.close()
    return pixels
