"""Made pages as the pipeline gets them, and what an engine reads on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.intake.render.page_source import LayerData
from gateway.intake.render.pdf import PdfSource
from gateway.model import PageImage, PageLayout, Pixels, Region
from gateway.text_layer.characters import TextLayer, unpack_characters
from gateway.text_layer.ink import InkFinder
from gateway.text_layer.region_text import Row
from tests.gateway.intake.files import view
from tests.support.text_layers import HEIGHT, LayerPage, Line

DPI = 144
SCALE = DPI / 72


def open_page(page: LayerPage, number: int = 1) -> PageImage:
    raster = PdfSource(view(page.data), DPI, 10_000_000, has_layer=True).page(1)
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
    """What an engine reads where the rows stand: the lines that people see there."""
    return "\n".join(_find_line(row, lines) for row in rows)


def _find_line(row: Row, lines: Sequence[Line]) -> str:
    baseline, left = HEIGHT - row.words[0].baseline / SCALE, row.box[0] / SCALE
    near = [line for line in lines if abs(line.baseline - baseline) < 0.4 * line.size]
    return min(near, key=lambda line: abs(line.x - left)).text if near else ""


def truth_of(page: LayerPage, at: int) -> str:
    """What people see in one of the page's regions."""
    x1, y1, x2, y2 = page.regions[at]
    inside = [line for line in page.lines if y1 <= HEIGHT - line.baseline <= y2 and x1 <= line.x <= x2]
    return "\n".join(line.text for line in inside)
