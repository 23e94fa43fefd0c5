"""Mistral's `/v1/ocr`: pages, pictures, tables apart, blocks, running heads and feet, confidences."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import pytest

from tests.gateway.api.mistral.conftest import OCR, assert_refused, data_url, ocr
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

DOCUMENT = {"type": "document_url", "document_url": data_url(pdf(1))}
TABLE = '<table><tr><td>Name</td><td colspan="2">Sum</td></tr><tr><td rowspan="2">a</td><td>1</td><td>2</td></tr>'


def pages_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["document_annotation"]) == ("mistral-ocr-latest", None)
    assert body["usage_info"]["pages_processed"] == len(body["pages"])
    pages: list[dict[str, Any]] = body["pages"]
    return pages


def test_a_page_is_markdown_with_its_pictures_named(served: Gateway) -> None:
    (page,) = pages_of(ocr(served, DOCUMENT))
    lines = page["markdown"].split("\n\n")
    assert lines[:3] == ["Running head", "# A title", "### 1.1 A part"]
    assert lines[4].startswith(TABLE)
    assert (lines[5], lines[-1]) == ("![img-0.jpeg](img-0.jpeg)", "7")
    (image,) = page["images"]
    assert (image["id"], image["image_base64"]) == ("img-0.jpeg", None)
    assert image["bottom_right_x"] > image["top_left_x"]
    assert page["dimensions"] == {"dpi": 200, "width": 556, "height": 278}
    assert (page["index"], page["tables"], page["blocks"], page["header"]) == (0, [], None, None)


def test_pictures_are_numbered_through_the_document(served: Gateway) -> None:
    document = {"document_url": data_url(pdf(2))}
    pages = pages_of(ocr(served, document, include_image_base64=True))
    images = [image for page in pages for image in page["images"]]
    assert [image["id"] for image in images] == ["img-0.jpeg", "img-1.jpeg"]
    for image in images:
        head, _, data = image["image_base64"].partition(",")
        assert (head, base64.b64decode(data)[:2]) == ("data:image/jpeg;base64", b"\xff\xd8")


@pytest.mark.parametrize("limit", [{"image_limit": 0}, {"image_min_size": 100}])
def test_pictures_may_be_few(served: Gateway, limit: dict[str, int]) -> None:
    (page,) = pages_of(ocr(served, DOCUMENT, include_image_base64=True, **limit))
    assert (page["images"], "![" in page["markdown"]) == ([], False)


@pytest.mark.parametrize(("kind", "name"), [("html", "tbl-0.html"), ("markdown", "tbl-0.md")])
def test_tables_apart(served: Gateway, kind: str, name: str) -> None:
    pages = pages_of(ocr(served, {"document_url": data_url(pdf(2))}, table_format=kind, include_blocks=True))
    for page in pages:
        assert f"\n\n[{name}]({name})\n\n" in page["markdown"]
        (table,) = page["tables"]
        assert (table["id"], table["format"]) == (name, kind)
        (block,) = (block for block in page["blocks"] if block["type"] == "table")
        assert (block["table_id"], block["content"]) == (name, table["content"])
    lines = table["content"].splitlines()
    assert (
        lines[0].startswith(TABLE)
        if kind == "html"
        else lines[:3]
        == [
            "| Name | Sum |  |",
            "| --- | --- | --- |",
            "| a | 1 | 2 |",
        ]
    )


def test_blocks_have_kinds_places_and_scores(served: Gateway) -> None:
    (page,) = pages_of(ocr(served, DOCUMENT, include_blocks=True, confidence_scores_granularity="block"))
    kinds = ["header", "title", "title", "list", "table", "image", "caption", "equation", "text", "footer"]
    assert [block["type"] for block in page["blocks"]] == kinds
    assert [block["image_id"] for block in page["blocks"] if block["type"] == "image"] == ["img-0.jpeg"]
    assert page["blocks"][7]["content"] == "$$ E = m c^2 $$"
    tops = [block["top_left_y"] for block in page["blocks"]]
    assert tops == sorted(tops)
    score = page["blocks"][1]["confidence_scores"]["average_content_confidence_score"]
    assert 0 < score < 1
    assert page["confidence_scores"]["minimum_page_confidence_score"] == pytest.approx(score)


def test_heads_and_feet_apart(served: Gateway) -> None:
    (page,) = pages_of(ocr(served, DOCUMENT, extract_header=True, extract_footer=True))
    assert (page["header"], page["footer"]) == ("Running head", "7")
    assert page["markdown"].startswith("# A title")
    assert page["markdown"].endswith("A sentence at the end.")


@pytest.mark.parametrize(("asked", "given"), [([0, 2], [0, 2]), ("1-2", [1, 2]), ("0,2", [0, 2]), (None, [0, 1, 2])])
def test_pages_count_from_zero(served: Gateway, asked: object, given: list[int]) -> None:
    pages = pages_of(ocr(served, {"document_url": data_url(pdf(3))}, pages=asked))
    assert [page["index"] for page in pages] == given


@pytest.mark.parametrize("place", ["image_url", "nested"])
def test_an_image(served: Gateway, png: bytes, place: str) -> None:
    url = data_url(png)
    document = {"type": "image_url", "image_url": url if place == "image_url" else {"url": url, "detail": "high"}}
    answer = ocr(served, document)
    assert pages_of(answer)[0]["dimensions"] == {"dpi": 72, "width": 400, "height": 300}
    assert answer.json()["usage_info"]["doc_size_bytes"] == len(png)


def test_what_was_not_read_stands_in_headers(served: Gateway) -> None:
    read = served.engine.answer
    served.engine.answer = lambda asked: Reply(status=400) if "Table" in asked.prompt else read(asked)
    answer = ocr(served, DOCUMENT)
    assert (answer.status_code, answer.headers["x-ocr-status"]) == (200, "partial")
    assert "(table) failed" in answer.headers["x-ocr-warnings"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"pages": [-1]}, "pages"),
        ({"pages": "one"}, "pages"),
        ({"pages": {}}, "pages"),
        ({"table_format": "csv"}, "table_format"),
        ({"image_limit": -1}, "image_limit"),
        ({"include_blocks": []}, "include_blocks"),
        ({"model": 7}, "model"),
        ({"document_annotation_format": {"type": "json_schema"}}, "document_annotation_format"),
        ({"bbox_annotation_format": {"type": "json_schema"}}, "bbox_annotation_format"),
    ],
)
def test_fields_that_are_refused(served: Gateway, fields: dict[str, Any], field: str) -> None:
    assert_refused(ocr(served, DOCUMENT, **fields), 422, field)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"type": "document_url"},
        {"document_url": "data:application/pdf;base64,***"},
        {"document_url": ""},
        {"document_url": 7},
        {"image_url": {"detail": "high"}},
        {"document_url": "http://a", "file_id": "b"},
    ],
)
def test_documents_that_are_none(served: Gateway, document: dict[str, Any]) -> None:
    assert_refused(ocr(served, document), 422, "document")


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b'{"document":', b"\xff", b"[]", b"{}"])
def test_bodies_that_are_none(served: Gateway, content: bytes) -> None:
    answer = served.client.post(OCR, content=content, headers={"content-type": "application/json"})
    assert_refused(answer, 422)


def test_documents_that_cannot_be_read(served: Gateway) -> None:
    assert_refused(ocr(served, {"document_url": data_url(b"plain text")}), 400)
    assert_refused(ocr(served, {"document_url": "http://127.0.0.1:1/a.pdf"}), 400)
    assert_refused(ocr(served, DOCUMENT, pages=[5]), 400)
    bare = ocr(served, {"document_url": base64.b64encode(pdf(1)).decode()})
    assert_refused(bare, 400)
    assert "`data:`" in bare.json()["message"]


def test_wrong_keys_types_and_sizes(served: Gateway) -> None:
    assert_refused(served.client.post(OCR, json={}, headers={"authorization": "Bearer wrong"}), 401)
    assert_refused(served.client.post(OCR, content=b"a", headers={"content-type": "text/plain"}), 422)
    assert_refused(ocr(served, {"document_url": data_url(bytes(3_000_000))}), 413)


def test_models_are_listed_as_mistral_s_client_needs_it(served: Gateway) -> None:
    (model,) = served.client.get("/v1/models").json()["data"]
    assert (model["type"], model["capabilities"]["ocr"]) == ("base", True)


def test_a_service_that_takes_nothing_says_when_to_come_back(served: Gateway) -> None:
    served.service.draining = True
    try:
        answer = ocr(served, DOCUMENT)
    finally:
        served.service.draining = False
    assert_refused(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
