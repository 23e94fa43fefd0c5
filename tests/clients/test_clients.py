"""Clients that people use with PaddleX's serving, against a running gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.api.paddlex.schema import LayoutParsingRequest, RestructurePagesRequest
from tests.clients.conftest import KEY, ROOT, run
from tests.gateway.api.paddlex.conftest import ask
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway

PAGE = ROOT / "examples" / "article-en.png"
TITLE = "# line one line two"


def test_paddleocr_mcp_reads_lines(open_to_all: Gateway) -> None:
    """Its other model asks for text lines, at the path of our own `/ocr`."""
    contents = run("mcp", "mcp_client.py", open_to_all.url, str(PAGE), "{}", "PP-OCRv6")
    assert contents[0]["text"].count("line one line two") > 20


def test_paddleocr_mcp_shows_text_and_pictures(open_to_all: Gateway, tmp_path: Path) -> None:
    document = tmp_path / "two.pdf"
    document.write_bytes(pdf(2))
    for path, pages in ((PAGE, 1), (document, 2)):
        contents = run("mcp", "mcp_client.py", open_to_all.url, str(path), "{}")
        assert [one["type"] for one in contents] == ["text", "image"] * pages + ["text"]
        assert contents[0]["text"].startswith(TITLE)


def test_paddleocr_mcp_speaks_qianfans_api(served: Gateway) -> None:
    contents = run("mcp", "mcp_client.py", served.url, str(PAGE), "{}", "PaddleOCR-VL", KEY, "qianfan")
    assert contents[0]["text"].startswith(TITLE)


@pytest.mark.parametrize("environment", ["mcp", "loaders"])
def test_the_documented_calls_write_their_files(open_to_all: Gateway, tmp_path: Path, environment: str) -> None:
    document = tmp_path / "two.pdf"
    document.write_bytes(pdf(2))
    for path, file_type, pages in ((PAGE, "1", 1), (document, "0", 2)):
        to = tmp_path / path.stem
        files = run(environment, "example_client.py", open_to_all.url, str(path), file_type, str(to))
        assert sum(name.startswith("layout_det_res_") for name in files) == pages
        assert sum(name.startswith("restructured/imgs/") for name in files) == pages
        whole = (to / "restructured" / "doc.md").read_text()
        assert whole.count(TITLE) == pages
        assert [whole.count(Path(name).name) for name in files if name.startswith("restructured/imgs/")] == [1] * pages


@pytest.mark.parametrize("client", ["langchain", "haystack"])
def test_loaders_of_a_picture_and_a_pdf(served: Gateway, tmp_path: Path, client: str) -> None:
    document = tmp_path / "two.pdf"
    document.write_bytes(pdf(2))
    options = {"use_chart_recognition": True, "layout_threshold": 0.4, "show_formula_number": True}
    for path, pages in ((PAGE, 1), (document, 2)):
        arguments = (client, f"{served.url}/layout-parsing", KEY, str(path), json.dumps(options))
        (text,) = run("loaders", "loader_client.py", *arguments)
        assert text.count(TITLE) == pages
        assert text.count('src="imgs/') == pages


@pytest.mark.parametrize("environment", ["mcp", "loaders"])
@pytest.mark.parametrize(
    "fields", [{}, {"visualize": False, "returnMarkdownImages": False}, {"outputFormats": ["docx"]}]
)
def test_answers_and_fields_are_those_of_paddlexs_schema(
    served: Gateway, tmp_path: Path, environment: str, fields: dict[str, object]
) -> None:
    """Two releases of paddlex: of today, and of the time of the older clients."""
    answer = tmp_path / "answer.json"
    answer.write_bytes(ask(served, pdf(2), **fields).content)
    theirs = run(environment, "schema.py", "layout-parsing", str(answer))
    ours = fields_of(LayoutParsingRequest)
    assert {name: ours.get(name) for name in theirs} == theirs


@pytest.mark.parametrize("environment", ["mcp", "loaders"])
@pytest.mark.parametrize("fields", [{}, {"concatenatePages": True, "outputFormats": ["docx"]}])
def test_restructured_pages_are_those_of_paddlexs_schema(
    served: Gateway, tmp_path: Path, environment: str, fields: dict[str, object]
) -> None:
    results = ask(served, pdf(2)).json()["result"]["layoutParsingResults"]
    pages = [{"prunedResult": one["prunedResult"], "markdownImages": one["markdown"]["images"]} for one in results]
    answer = tmp_path / "answer.json"
    answer.write_bytes(served.client.post("/restructure-pages", json={"pages": pages, **fields}).content)
    theirs = run(environment, "schema.py", "restructure-pages", str(answer))
    ours = fields_of(RestructurePagesRequest)
    assert {name: ours.get(name) for name in theirs} == theirs


def fields_of(model: type[BaseModel]) -> dict[str | None, object]:
    return {field.alias: "required" if field.is_required() else field.default for field in model.model_fields.values()}
