"""docling-serve's `/v1/convert`: formats, pictures, pages, and what of a document can't be converted."""

from __future__ import annotations

import base64
import json
import zipfile
from io import BytesIO
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

FILE, SOURCE = "/v1/convert/file", "/v1/convert/source"
FORMATS = ["md", "json", "html", "text", "doctags"]


def convert(served: Gateway, data: bytes, **fields: Any) -> httpx.Response:  # noqa: ANN401 - a form's fields
    return served.client.post(FILE, files={"files": ("report.pdf", data)}, data=fields)


def converted(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["status"], body["errors"]) == ("success", [])
    document: dict[str, Any] = body["document"]
    return document


def test_markdown_is_the_default(served: Gateway) -> None:
    document = converted(convert(served, pdf(1)))
    assert document["filename"] == "report.pdf"
    assert document["md_content"].startswith("# A title\n\n### 1.1 A part\n\n- first")
    assert "\n\n<!-- image -->\n\n" in document["md_content"]
    assert "Running head" not in document["md_content"]
    assert all(document[f"{name}_content"] is None for name in ("json", "html", "text", "doctags"))


def test_all_formats_at_once(served: Gateway) -> None:
    document = converted(convert(served, pdf(1), to_formats=FORMATS, image_export_mode="embedded"))
    assert "![Image](data:image/jpeg;base64,/9j/" in document["md_content"]
    assert '<img src="data:image/jpeg;base64,/9j/' in document["html_content"]
    assert "Name\tSum" in document["text_content"]
    doctags = document["doctags_content"]
    assert "<otsl><loc_" in doctags
    assert "<fcel>Name<fcel>Sum<lcel><nl><fcel>a<fcel>1<fcel>2<nl><ucel><fcel>3<ecel><nl>" in doctags


def test_json_is_a_docling_document(served: Gateway) -> None:
    """Its references lead somewhere and back; docling's own classes hold it against their schema in tests/clients."""
    document = converted(convert(served, pdf(2), to_formats="json", image_export_mode="embedded"))["json_content"]
    assert (document["schema_name"], document["name"]) == ("DoclingDocument", "report")
    items = {item["self_ref"]: item for name in ("groups", "texts", "pictures", "tables") for item in document[name]}
    roots = [ref["$ref"] for ref in document["body"]["children"]]
    for ref, item in items.items():
        assert item["parent"]["$ref"] == "#/body" if ref in roots else ref in refs(items[item["parent"]["$ref"]])
    labels = [items[ref]["label"] for ref in roots]
    one_page = ["page_header", "title", "section_header", "list", "table", "picture", "formula", "text", "page_footer"]
    assert labels == one_page * 2
    layers = {items[ref]["label"]: items[ref]["content_layer"] for ref in roots}
    assert [label for label, layer in layers.items() if layer == "furniture"] == ["page_header", "page_footer"]
    (caption,) = document["pictures"][0]["captions"]
    assert items[caption["$ref"]]["text"] == "Figure 1. A picture"
    assert [prov["page_no"] for item in document["tables"] for prov in item["prov"]] == [1, 2]
    assert document["pictures"][0]["image"]["uri"].startswith("data:image/jpeg;base64,/9j/")


def refs(item: dict[str, Any]) -> list[str]:
    return [child["$ref"] for child in item["children"]]


def test_boxes_of_a_pdf_are_in_points(served: Gateway) -> None:
    """Whatever the resolution at which the page was read."""
    document = converted(convert(served, pdf(1), to_formats="json"))["json_content"]
    assert document["pages"]["1"]["size"] == pytest.approx({"width": 200, "height": 100}, abs=0.5)
    box = document["texts"][1]["prov"][0]["bbox"]
    scale = 72 / 200
    assert (box["l"], box["t"]) == pytest.approx((20 * scale, 29 * scale))
    assert box["coord_origin"] == "TOPLEFT"


def test_tables_have_their_spans(served: Gateway) -> None:
    (table,) = converted(convert(served, pdf(1), to_formats="json"))["json_content"]["tables"]
    assert (table["data"]["num_rows"], table["data"]["num_cols"]) == (3, 3)
    spans = {cell["text"]: (cell["row_span"], cell["col_span"]) for cell in table["data"]["table_cells"]}
    assert (spans["Sum"], spans["a"], spans["3"]) == ((1, 2), (2, 1), (1, 1))


def test_pages_are_parted_by_what_the_client_names(served: Gateway) -> None:
    document = converted(convert(served, pdf(3), md_page_break_placeholder="\f", page_range=["1", "2"]))
    assert len(document["md_content"].split("\f")) == 2


def test_pages_to_the_end_may_be_said_by_a_huge_number(served: Gateway) -> None:
    document = converted(convert(served, pdf(2), page_range=json.dumps([2, 2**63 - 1]), to_formats='["json"]'))
    assert set(document["json_content"]["pages"]) == {"2"}


def test_a_source_in_json(served: Gateway, png: bytes) -> None:
    source = {"kind": "file", "filename": "a.png", "base64_string": base64.b64encode(png).decode()}
    body = {"options": {"to_formats": ["md"], "do_ocr": True}, "sources": [source]}
    document = converted(served.client.post(SOURCE, json=body))
    assert (document["filename"], document["md_content"].splitlines()[0]) == ("a.png", "# A title")


def test_a_zip_holds_files_and_pictures(served: Gateway) -> None:
    answer = convert(served, pdf(1), to_formats=FORMATS, image_export_mode="referenced", target_type="zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(BytesIO(answer.content)) as archive:
        (picture,) = (name for name in archive.namelist() if name.startswith("artifacts/"))
        stems = {f"report{ending}" for ending in (".md", ".json", ".html", ".txt", ".doctags")}
        assert {*archive.namelist()} == stems | {picture}
        assert archive.read(picture).startswith(b"\xff\xd8")
        assert f"![Image]({picture})" in archive.read("report.md").decode()
        assert f'<img src="{picture}"' in archive.read("report.html").decode()
        assert json.loads(archive.read("report.json"))["pictures"][0]["image"]["uri"] == picture


def test_what_was_not_read_is_told(served: Gateway) -> None:
    read = served.engine.answer
    served.engine.answer = lambda asked: Reply(status=400) if "Table" in asked.prompt else read(asked)
    body = convert(served, pdf(1)).json()
    assert body["status"] == "partial_success"
    (error,) = body["errors"]
    assert (error["component_type"], error["page_no"]) == ("model", 1)
    assert "table" in error["error_message"]


@pytest.mark.parametrize("data", [b"%PDF-1.4 broken", b"plain text"])
def test_a_document_that_is_none_is_a_failed_conversion(served: Gateway, data: bytes) -> None:
    answer = convert(served, data)
    body = answer.json()
    assert (answer.status_code, body["status"], body["document"]["md_content"]) == (200, "failure", None)
    assert body["errors"][0]["error_message"]
    assert body["document"]["filename"] == "report.pdf"


def test_the_version_is_told(served: Gateway) -> None:
    assert served.client.get("/version").json()["paddleocr-vl-service"]
