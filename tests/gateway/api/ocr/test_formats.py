"""Places of lines and words, and the formats that show them, over a real socket and through real conversion workers."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import docx
import httpx
import pypdfium2 as pdfium
import pytest
from lxml import etree
from openpyxl import load_workbook
from PIL import Image, ImageDraw, ImageFont

from gateway.model import Region
from tests.support.answers import assert_problem
from tests.support.script_pages import FONT
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubEngine, StubRequest

LINES = ["The reading room was open", "on three hundred days"]
TABLE = "<fcel>Vessel<fcel>Days<nl><fcel>Aurora<fcel>148<nl>"
REGIONS = [Region("text", (30, 30, 470, 130), 1, score=0.9), Region("table", (30, 180, 470, 380), 2, score=0.9)]


@pytest.fixture(scope="module")
def page() -> bytes:
    image = Image.new("RGB", (500, 400), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 28)
    for number, line in enumerate(LINES):
        draw.text((40, 40 + 42 * number), line, font=font, fill="black")
    data = io.BytesIO()
    image.save(data, "PNG", dpi=(100, 100))
    return data.getvalue()


@pytest.fixture(scope="module")
def tables(page: bytes) -> bytes:
    """The page with its table drawn too."""
    image = Image.open(io.BytesIO(page))
    draw, font = ImageDraw.Draw(image), ImageFont.truetype(FONT, 28)
    for at, text in enumerate(("Vessel", "Days", "Aurora", "148")):
        draw.text((60 + 220 * (at % 2), 200 + 80 * (at // 2)), text, font=font, fill="black")
    data = io.BytesIO()
    image.save(data, "PNG", dpi=(100, 100))
    return data.getvalue()


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), engine=StubEngine(kind="external")) as running:
        yield running


@pytest.fixture
def read(served: Gateway) -> Gateway:
    def answer(request: StubRequest) -> Reply:
        return Reply(TABLE if request.prompt.startswith("Table") else " ".join(LINES))

    served.engine.answer = answer
    served.layout.regions, served.layout.lines = REGIONS, None
    return served


def blocks_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    blocks: list[dict[str, Any]] = answer.json()["pages"][0]["blocks"]
    return blocks


def test_text_is_aligned_to_the_lines_of_the_page(read: Gateway, page: bytes) -> None:
    text, table = blocks_of(read.read(page, include="lines,words"))
    assert [line["text"] for line in text["lines"]] == LINES
    assert {line["source"] for line in text["lines"]} == {"aligned"}
    assert [word["text"] for word in text["lines"][1]["words"]] == LINES[1].split()
    x1, y1, _, y2 = text["lines"][0]["words"][0]["bbox"]
    assert (x1, y1, y2) == pytest.approx((41, 46, 69), abs=6)
    assert table["lines"] is None


def test_words_come_for_who_asks_for_them(read: Gateway, page: bytes) -> None:
    line, _ = blocks_of(read.read(page, include="lines"))[0]["lines"]
    assert (line["text"], line["words"]) == (LINES[0], [])
    assert blocks_of(read.read(page))[0]["lines"] is None
    assert all("return_lines" not in request.body for request in read.engine.requests)


def test_cells_are_aligned_to_the_lines_of_the_page(read: Gateway, tables: bytes) -> None:
    cells = blocks_of(read.read(tables, include="cells"))[1]["cells"]
    assert [(cell["row"], cell["column"], cell["text"], cell["source"]) for cell in cells] == [
        (0, 0, "Vessel", "aligned"),
        (0, 1, "Days", "aligned"),
        (1, 0, "Aurora", "aligned"),
        (1, 1, "148", "aligned"),
    ]
    assert [cell["bbox"][0] for cell in cells] == pytest.approx([60, 280, 60, 280], abs=8)
    assert [cell["bbox"][1] for cell in cells] == pytest.approx([205, 205, 285, 285], abs=12)
    assert blocks_of(read.read(tables))[1]["cells"] is None


def test_cells_without_lines_have_no_places(read: Gateway, page: bytes) -> None:
    cells = blocks_of(read.read(page, include="cells"))[1]["cells"]
    assert [cell["text"] for cell in cells] == ["Vessel", "Days", "Aurora", "148"]
    assert {(cell["bbox"], cell["source"]) for cell in cells} == {(None, None)}


def test_what_can_not_be_included_is_refused(read: Gateway, page: bytes) -> None:
    assert_problem(read.read(page, include="lines,letters"), 422, "invalid_option")


def test_a_searchable_pdf_holds_the_picture_and_the_text(read: Gateway, page: bytes) -> None:
    answer = read.read(page, format="pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    document = pdfium.PdfDocument(answer.content)
    assert document[0].get_size() == pytest.approx((360, 288))
    text = document[0].get_textpage().get_text_range().split()
    assert " ".join(text) == f"{' '.join(LINES)} Vessel Days Aurora 148"
    document.close()


def test_hocr_and_alto_are_xml_with_the_words(read: Gateway, page: bytes) -> None:
    hocr = etree.fromstring(read.read(page, format="hocr").content)
    words = hocr.xpath("//*[@class='ocrx_word']/text()")
    assert words == " ".join(LINES).split()
    answer = read.read(page, format="alto")
    assert answer.headers["content-type"] == "application/xml"
    strings = etree.fromstring(answer.content).xpath("//@CONTENT")
    assert strings == [*words, "Vessel Days Aurora 148"]


def test_a_word_document_holds_text_and_tables(read: Gateway, page: bytes) -> None:
    document = docx.Document(io.BytesIO(read.read(page, format="docx").content))
    assert " ".join(LINES) in [paragraph.text for paragraph in document.paragraphs]
    assert [[cell.text for cell in row.cells] for row in document.tables[0].rows] == [
        ["Vessel", "Days"],
        ["Aurora", "148"],
    ]


def test_tables_alone_are_a_workbook_or_csv(read: Gateway, page: bytes) -> None:
    book = load_workbook(io.BytesIO(read.read(page, format="xlsx").content))
    assert [[cell.value for cell in row] for row in book["p1-b2"].iter_rows()] == [["Vessel", "Days"], ["Aurora", 148]]
    answer = read.read(page, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text))) == [["Vessel", "Days"], ["Aurora", "148"]]
    read.layout.regions = REGIONS[:1]
    without = read.read(page, format="csv")
    assert (without.status_code, without.content) == (200, b"")
    assert "no table" in without.headers["x-ocr-warnings"]


def test_several_tables_are_a_zip_archive(read: Gateway, page: bytes) -> None:
    read.layout.regions = [REGIONS[1], Region("table", (30, 30, 470, 130), 3)]
    answer = read.read(page, format="csv")
    assert (answer.headers["content-type"], answer.content[:2]) == ("application/zip", b"PK")


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("embedded"), engine=StubEngine(kind="embedded")) as running:
        yield running


def test_an_engine_that_knows_the_places_is_asked_for_them(embedded: Gateway, page: bytes) -> None:
    """The engine's boxes, in pixels of its crop, come back in pixels of the page."""
    word = {"text": "room", "bbox": [12.5, 3.0, 52.25, 20.0], "confidence": 0.9}
    line = {"text": "room", "bbox": [12.5, 3.0, 52.25, 20.0], "confidence": 0.9, "words": [word]}
    message = {"role": "assistant", "content": "room", "lines": [line]}
    answer = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    embedded.engine.answer = lambda _request: Reply(raw=json.dumps(answer))
    embedded.layout.regions = [Region("text", (30, 40, 470, 120), 1, score=0.9)]
    [block] = blocks_of(embedded.read(page, include="lines,words"))
    assert block["lines"] == [
        {
            "text": "room",
            "bbox": [42.5, 43.0, 82.2, 60.0],
            "words": [{"text": "room", "bbox": [42.5, 43.0, 82.2, 60.0], "confidence": 0.9}],
            "confidence": 0.9,
            "source": "engine",
        }
    ]
    assert [request.body.get("return_words") for request in embedded.engine.requests] == [True]
    embedded.engine.requests.clear()
    [block] = blocks_of(embedded.read(page))
    assert block["lines"] is None
    assert [request.body.get("return_words") for request in embedded.engine.requests] == [False]


CELL = {"row": 0, "column": 0, "rows": 1, "columns": 2, "bbox": [0.0, 2.0, 300.5, 40.0]}


def answer_table(embedded: Gateway) -> None:
    message = {"role": "assistant", "content": "<fcel>Vessel<lcel><nl>", "cells": [CELL]}
    answer = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    embedded.engine.answer = lambda _request: Reply(raw=json.dumps(answer))
    embedded.layout.regions = [REGIONS[1]]


def test_cells_of_an_engine_that_sees_the_grid(embedded: Gateway, page: bytes) -> None:
    answer_table(embedded)
    [block] = blocks_of(embedded.read(page, include="cells"))
    [cell] = block["cells"]
    assert (cell["text"], cell["columns"], cell["source"]) == ("Vessel", 2, "engine")
    assert cell["bbox"] == [30.0, 182.0, 330.5, 220.0]


def test_paddlex_clients_get_tables_with_cells(embedded: Gateway, page: bytes) -> None:
    answer_table(embedded)
    sent = {"file": base64.b64encode(page).decode(), "fileType": 1}
    answer = embedded.client.post("/layout-parsing", json=sent).json()
    [table] = answer["result"]["layoutParsingResults"][0]["prunedResult"]["table_res_list"]
    assert table["cell_box_list"] == table["table_ocr_pred"]["rec_boxes"] == [[30.0, 182.0, 330.5, 220.0]]
    assert table["table_ocr_pred"]["rec_texts"] == ["Vessel"]
    assert table["pred_html"] == '<table><tr><td colspan="2">Vessel</td></tr></table>'
