"""The page that everyone is given: print on paper, scanned, and the boxes that a layout model would find on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
from PIL import Image, ImageDraw, ImageFont

from benchmarks.load.answers import WORDS

A4 = (595, 842)
"""Points."""
SCAN_DPI = 150
INK, PAPER, GRAIN = 40, 243, 1.0
QUALITY = 75
SCANS = 8
"""Different scans in a long document; each page still has a copy of its own."""
LEFT, RIGHT = 50, 545
REGIONS: tuple[tuple[str, int, int, int], ...] = (
    ("doc_title", 30, 60, 20),
    ("text", 70, 115, 9),
    ("paragraph_title", 125, 142, 13),
    ("text", 150, 210, 9),
    ("text", 218, 280, 9),
    ("display_formula", 290, 320, 14),
    ("text", 330, 380, 9),
    ("figure_title", 390, 405, 9),
    ("table", 412, 505, 9),
    ("text", 515, 565, 9),
    ("paragraph_title", 575, 592, 13),
    ("text", 600, 660, 9),
    ("text", 668, 720, 9),
    ("text", 728, 770, 9),
    ("text", 778, 820, 9),
)
"""Label, top, bottom and size of the print, points of an A4 page; all as wide as the column, so that no pipeline's rule
for paragraphs that belong together makes two of them one."""

Box = tuple[str, float, float, float, float]


def boxes() -> list[Box]:
    """Label and corners as shares of the page."""
    width, height = A4
    return [(label, LEFT / width, top / height, RIGHT / width, bottom / height) for label, top, bottom, _ in REGIONS]


def write_boxes(file: Path) -> Path:
    file.write_text(json.dumps(boxes()))
    return file


def document(pages: int, quality: int = QUALITY) -> bytes:
    """A PDF of so many scanned pages. `quality` is JPEG's."""
    scans = [_scan(number, quality) for number in range(min(pages, SCANS))]
    with pdfium.PdfDocument.new() as pdf:
        for number in range(pages):
            page = pdf.new_page(*A4)
            picture = pdfium.PdfImage.new(pdf)
            picture.load_jpeg(BytesIO(scans[number % len(scans)]), inline=True)
            picture.set_matrix(pdfium.PdfMatrix().scale(*A4))
            page.insert_obj(picture)
            page.gen_content()
            page.close()
        file = BytesIO()
        pdf.save(file)
    return file.getvalue()


def _scan(seed: int, quality: int) -> bytes:
    """One page as JPEG."""
    scale = SCAN_DPI / 72
    page = Image.new("L", (round(A4[0] * scale), round(A4[1] * scale)), PAPER)
    draw, chance = ImageDraw.Draw(page), random.Random(seed)
    for _, top, bottom, size in REGIONS:
        font = ImageFont.load_default(size * scale)
        for y in range(top, bottom - size, round(1.25 * size)):
            draw.text((LEFT * scale, y * scale), _line(chance, font, (RIGHT - LEFT) * scale), INK, font)
    grain = np.random.default_rng(seed).normal(0, GRAIN, (page.height, page.width))
    grainy = np.clip(np.asarray(page) + grain, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(grainy).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _line(chance: random.Random, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    line = ""
    for word in _words(chance):
        if font.getlength(f"{line} {word}") > width:
            break
        line = f"{line} {word}".strip()
    return line


def _words(chance: random.Random) -> Iterator[str]:
    while True:
        yield chance.choice(WORDS)
