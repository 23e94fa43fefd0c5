"""`outputFormats`: Word documents beside the Markdown, on both routes."""

from __future__ import annotations

import base64
import io
from typing import Any

import docx
import pytest

from gateway.model import Region
from tests.gateway.api.paddlex.conftest import ask, assert_refused, regions_of, result_of
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply


def documents_of(result: dict[str, Any]) -> list[tuple[str, Any]]:
    """Name and content of each page's Word document."""
    exports = [page["exports"] for page in result["layoutParsingResults"]]
    assert all(set(one) == {"docx"} and set(one["docx"]) == {"content", "fileName"} for one in exports)
    return [
        (one["docx"]["fileName"], docx.Document(io.BytesIO(base64.b64decode(one["docx"]["content"]))))
        for one in exports
    ]


def texts_of(document: Any) -> list[str]:  # noqa: ANN401 - python-docx
    return [one.text for one in document.paragraphs if one.text]


def test_each_page_has_a_word_document(served: Gateway) -> None:
    served.layout.regions = regions_of("doc_title", "image", "text", "header")
    served.engine.answer = lambda _request: Reply("hello")
    (one, first), (two, second) = documents_of(result_of(ask(served, pdf(2), outputFormats=["docx"])))
    assert (one, two) == ("page_1.docx", "page_2.docx")
    for document in (first, second):
        assert texts_of(document) == ["hello", "hello"]
        assert document.sections[0].header.paragraphs[0].text == "hello"
        assert len(document.inline_shapes) == 1


def test_pictures_are_in_it_though_the_answer_holds_none(served: Gateway, png: bytes) -> None:
    served.layout.regions = regions_of("image")
    result = result_of(ask(served, png, outputFormats=["docx"], returnMarkdownImages=False))
    ((_, document),) = documents_of(result)
    assert len(document.inline_shapes) == 1


def test_pages_put_together(served: Gateway) -> None:
    served.layout.regions = [Region("table", (10, 10, 390, 100), 1, 0.9), Region("image", (10, 110, 200, 190), 2, 0.9)]
    served.engine.script.extend([Reply("<fcel>a<fcel>b<nl>"), Reply("<fcel>c<fcel>d<nl>")])
    pages = [
        {"prunedResult": page["prunedResult"], "markdownImages": page["markdown"]["images"]}
        for page in result_of(ask(served, pdf(2)))["layoutParsingResults"]
    ]
    body = {"pages": pages, "outputFormats": ["docx"], "concatenatePages": True}
    ((name, document),) = documents_of(result_of(served.client.post("/restructure-pages", json=body)))
    assert (name, len(document.sections), len(document.inline_shapes)) == ("document.docx", 2, 2)
    apart = documents_of(result_of(served.client.post("/restructure-pages", json={**body, "concatenatePages": False})))
    assert [(name, len(document.inline_shapes)) for name, document in apart] == [("page_1.docx", 1), ("page_2.docx", 1)]


@pytest.mark.parametrize("image", ["", "no base64", "aGVsbG8=", "data:,x", "https://example.com/a.jpg", "/9j/4AAQ"])
def test_a_picture_that_is_none_is_left_out(served: Gateway, image: str) -> None:
    block = {"block_label": "image", "block_bbox": [1, 2, 3, 4]}
    text = {"block_label": "text", "block_content": "\u0000kept", "block_bbox": [1, 2, 3, 4]}
    page = {
        "prunedResult": {"parsing_res_list": [block, text]},
        "markdownImages": {"imgs/img_in_image_box_1_2_3_4.jpg": image},
    }
    body = {"pages": [page], "outputFormats": ["docx"]}
    ((_, document),) = documents_of(result_of(served.client.post("/restructure-pages", json=body)))
    assert texts_of(document) == ["kept"]
    assert not document.inline_shapes


@pytest.mark.parametrize("formats", [["pdf"], ["docx", "pdf"], "docx", [1]])
def test_other_formats(served: Gateway, png: bytes, formats: object) -> None:
    assert_refused(ask(served, png, outputFormats=formats), 422, "outputFormats")


@pytest.mark.parametrize("formats", [[], None])
def test_none_asked_for(served: Gateway, png: bytes, formats: object) -> None:
    (page,) = result_of(ask(served, png, outputFormats=formats))["layoutParsingResults"]
    assert "exports" not in page
