"""Clients that people use with PaddleX's serving, against a running gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.api.paddlex.request import LayoutParsingRequest
from tests.clients.conftest import KEY, ROOT, run
from tests.gateway.api.paddlex.conftest import ask
from tests.gateway.intake.files import pdf
from tests.support.server import Gateway

PAGE = ROOT / "examples" / "article-en.png"
TITLE = "# line one line two"


def test_paddleocr_mcp_shows_text_and_pictures(open_to_all: Gateway) -> None:
    contents = run("mcp", "mcp_client.py", open_to_all.url, str(PAGE), "{}")
    assert [one["type"] for one in contents] == ["text", "image", "text"]
    assert contents[0]["text"].startswith(TITLE)


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
@pytest.mark.parametrize("fields", [{}, {"visualize": False, "returnMarkdownImages": False}])
def test_answers_and_fields_are_those_of_paddlexs_schema(
    served: Gateway, tmp_path: Path, environment: str, fields: dict[str, bool]
) -> None:
    """Two releases of paddlex: of today, and of the time of the older clients."""
    answer = tmp_path / "answer.json"
    answer.write_bytes(ask(served, pdf(2), **fields).content)
    theirs = run(environment, "schema.py", str(answer))
    ours = {
        field.alias: "required" if field.is_required() else field.default
        for field in LayoutParsingRequest.model_fields.values()
    }
    assert {name: ours.get(name) for name in theirs} == theirs
