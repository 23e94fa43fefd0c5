"""Made pages as the pipeline gets them, and what an engine reads on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from reportlab.pdfbase import pdfmetrics

from gateway.intake.render.page_source import LayerData
from gateway.intake.render.pdf import PdfSource
from gateway.model import BBox, PageImage, PageLayout, Pixels, Region
from gateway.text_layer.characters import TextLayer, unpack_characters
from gateway.text_layer.document_text import PageText
from gateway.text_layer.ink import InkFinder
from gateway.text_layer.rows import Row
from tests.gateway.intake.files import view
from tests.support.text_layers import HEIGHT, LayerPage, Line, register_fonts

DPI = 144
SCALE = DPI / 72
MAX_DIFFERENCE = 1
"""Characters that layers tell of a part beyond what people see."""
NUMBERS_OF_NOTES = "¹²³"
"""No part of a line that is cut out ends with one."""
FONTS = ("Sans", "Helvetica", "Helvetica-Bold", "Times-Roman", "Times-Italic", "Courier")


def open_page(page: LayerPage, number: int = 1) -> PageImage:
    raster = PdfSource(view(page.data), DPI, 10_000_000, has_layer=True).page(number)
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8).reshape(raster.height, raster.width, 3)
    layer = unpack_layer(raster.layer, pixels) if raster.layer else None
    return PageImage(number, pixels, DPI, warnings=raster.warnings, is_partial=raster.is_partial, layer=layer)


def unpack_layer(data: LayerData, pixels: Pixels) -> TextLayer:
    finder = InkFinder(pixels)
    for strip in data.background:
        finder.add_strip(bytes(strip))
    characters = unpack_characters(data.fonts, data.characters)
    return TextLayer(data.fonts, characters, finder.ink, *finder.find_background())


def layout_of(page: LayerPage) -> PageLayout:
    boxes = [tuple(round(SCALE * value) for value in region) for region in page.regions]
    regions = [Region("text", (x1, y1, x2, y2), order) for order, (x1, y1, x2, y2) in enumerate(boxes, 1)]
    return PageLayout(regions, regions, lines=())


def read_rows(rows: Sequence[Row], lines: Sequence[Line]) -> str:
    """What an engine reads where the rows stand: the parts of lines that people see there."""
    return "\n".join(_find_part(row, lines) for row in rows)


def read_sample(text: PageText, sample: Pixels, boxes: Sequence[BBox], lines: Sequence[Line]) -> str:
    """What an engine reads on a picture of some of the page's lines."""
    parts = [sample[y1:y2, x1:x2] for x1, y1, x2, y2 in boxes]
    shown = [row for row, cut in zip(text.rows, text.cuts, strict=True) if any(_holds(part, cut) for part in parts)]
    assert len(shown) >= len(boxes)
    return read_rows(shown, lines)


def _holds(part: Pixels, cut: Pixels) -> bool:
    """Whether the part is the cut with white around it."""
    rows, columns = (one - other for one, other in zip(part.shape[:2], cut.shape[:2], strict=True))
    if rows != columns or rows < 0:
        return False
    margin = rows // 2
    return np.array_equal(part[margin : part.shape[0] - margin, margin : part.shape[1] - margin], cut)


def _find_part(row: Row, lines: Sequence[Line]) -> str:
    baseline = HEIGHT - row.words[0].baseline / SCALE
    near = [line for line in lines if abs(line.baseline - baseline) < 0.4 * line.size]
    left, right = row.box[0] / SCALE, row.box[2] / SCALE
    parts = [part for line in near for font in FONTS for part in _list_parts(line, font)]
    alike = [part for part in parts if abs(len(part[2]) - len(row.text)) <= MAX_DIFFERENCE] or parts
    _, _, text = min(alike, key=lambda part: abs(part[0] - left) + abs(part[1] - right), default=(0.0, 0.0, ""))
    return text


def _list_parts(line: Line, font: str) -> Iterator[tuple[float, float, str]]:
    """Where each run of the line's words begins and ends in this font, in points, and the words."""
    register_fonts()
    spaces = [at for at, character in enumerate(line.text) if character == " "]
    starts, ends = [0, *(at + 1 for at in spaces)], [*spaces, len(line.text)]
    places = [line.x + pdfmetrics.stringWidth(line.text[:at], font, line.size) for at in range(len(line.text) + 1)]
    for at, start in enumerate(starts):
        for end in ends[at:]:
            yield places[start], places[end], line.text[start:end].rstrip(NUMBERS_OF_NOTES)


def truth_of(page: LayerPage, at: int) -> str:
    """What people see in one of the page's regions."""
    x1, y1, x2, y2 = page.regions[at]
    inside = [line for line in page.lines if y1 <= HEIGHT - line.baseline <= y2 and x1 <= line.x <= x2]
    return "\n".join(line.text for line in inside)
