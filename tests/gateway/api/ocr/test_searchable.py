"""PDFs that come back searchable, over a real socket: born digital, and scans with the layer of another OCR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pypdfium2 as pdfium
import pytest
from reportlab.pdfgen.canvas import Canvas

from common.geometry import area, intersection_area
from gateway.model import Pixels, Region
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine
from tests.support.text_layers import (
    ENGLISH,
    HEIGHT,
    LayerPage,
    Line,
    draw_lines,
    draw_picture,
    paragraph,
    picture_of,
    write_page,
)

DPI = 144
SCALE = DPI / 72
OLD = ["Wrong words of", "an old machine"]


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), engine=StubEngine(kind="external")) as running:
        yield running


@pytest.fixture
def read(served: Gateway) -> Gateway:
    """The engine reads the four lines of the paragraph."""
    served.engine.answer = lambda _request: Reply("\n".join(ENGLISH))
    return served


def draw_scan(canvas: Canvas, lines: Sequence[Line]) -> None:
    draw_picture(canvas, picture_of(lines))
    text = canvas.beginText(72, HEIGHT - 130)
    text.setFont("Sans", 11)
    text.setTextRenderMode(3)
    for words in OLD:
        text.textLine(words)
    canvas.drawText(text)


def make_searchable(read: Gateway, page: LayerPage) -> bytes:
    [(x1, y1, x2, y2)] = [tuple(round(SCALE * side) for side in region) for region in page.regions]
    read.layout.regions, read.layout.lines = [Region("text", (x1, y1, x2, y2), 1, score=0.9)], None
    answer = read.read(page.data, format="pdf", dpi=str(DPI))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf"), answer.text
    return answer.content


def text_of(data: bytes) -> str:
    document = pdfium.PdfDocument(data)
    text: str = document[0].get_textpage().get_text_range()
    document.close()
    return " ".join(text.split())


def pixels_of(data: bytes) -> Pixels:
    document = pdfium.PdfDocument(data)
    pixels: Pixels = document[0].render(scale=1.5).to_numpy().copy()
    document.close()
    return pixels


def place_of(data: bytes, word: str) -> tuple[float, float, float, float]:
    """Around the word's characters, in points from the lower left corner."""
    document = pdfium.PdfDocument(data)
    text = document[0].get_textpage()
    start, count = text.search(word).get_next()
    boxes = [text.get_charbox(at) for at in range(start, start + count)]
    document.close()
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    return min(lefts), min(bottoms), max(rights), max(tops)


def test_a_born_digital_page_keeps_its_own_text(read: Gateway) -> None:
    """Text that shows is there already: once, and as the file has it."""
    page = write_page("born digital", [paragraph(["Bibliothek"], 130)])
    read.engine.answer = lambda _request: Reply("Bibliothek")
    made = make_searchable(read, page)
    assert text_of(made) == "Bibliothek"
    assert np.array_equal(pixels_of(made), pixels_of(page.data))
    [block] = read.read(page.data, dpi=str(DPI)).json()["pages"][0]["blocks"]
    assert block["source"] == "text_layer"


def test_a_scan_gets_a_layer_in_the_place_of_a_wrong_one(read: Gateway) -> None:
    page = write_page("scan", [paragraph(ENGLISH, 130)], draw_scan)
    assert text_of(page.data) == " ".join(OLD)
    made = make_searchable(read, page)
    assert text_of(made) == " ".join(ENGLISH)
    assert np.array_equal(pixels_of(made), pixels_of(page.data))


def test_words_of_a_scan_are_found_where_they_are_printed(read: Gateway) -> None:
    """The same page born digital says where."""
    lines = [paragraph(ENGLISH, 130)]
    made = make_searchable(read, write_page("scan", lines, draw_scan))
    truth = write_page("born digital", lines, draw_lines).data
    for word in ("reading", "Visitors", "languages"):
        found, printed = place_of(made, word), place_of(truth, word)
        assert intersection_area(found, printed) >= 0.6 * area(printed), word
        assert area(found) <= 2.5 * area(printed), word
