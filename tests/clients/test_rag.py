"""The document loaders of RAGFlow, LightRAG and Dify, by their own code, against this service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ServiceError
from gateway.intake import fetch
from gateway.intake.fetch import FetchedFile
from gateway.intake.spool import SpooledFile
from tests.clients.conftest import KEY, ROOT, run
from tests.clients.fetch_sources import FOLDER
from tests.support.server import Gateway

PROGRAM = "rag_client.py"
PICTURE = "ffd8ff"
"""How a JPEG begins."""


def load(loader: str, served: Gateway, document: Path) -> dict[str, Any]:
    if not loader.startswith("lightrag") and not FOLDER.exists():
        pytest.skip("the files of sources.txt are not there (make test-clients)")
    found: dict[str, Any] = run("rag", PROGRAM, loader, served.url, KEY, str(document), str(FOLDER))
    return found


@pytest.mark.parametrize("loader", ["lightrag_docling", "lightrag_mineru"])
def test_lightrag_indexes_headings_tables_and_pictures(scripted_to_all: Gateway, document: Path, loader: str) -> None:
    got = load(loader, scripted_to_all, document)
    assert got["headings"].count("1.1 A part") == 3, got
    assert sum("A sentence at the end." in text for text in got["texts"]) == 3
    assert len(got["tables"]) == 3
    assert "Name" in str(got["tables"][0])
    assert got["pictures"] == 3


@pytest.mark.parametrize("loader", ["ragflow_docling", "ragflow_mineru"])
def test_ragflow_gets_sections_of_a_service_without_keys(scripted_to_all: Gateway, document: Path, loader: str) -> None:
    got = load(loader, scripted_to_all, document)
    assert "\n".join(got["texts"]).count("A title") == 3, got
    assert "Name" in "\n".join([*got["texts"], *got["tables"]])


@pytest.mark.parametrize("loader", ["ragflow_mistral", "ragflow_paddleocr"])
def test_ragflow_gets_sections_with_a_key(scripted: Gateway, document: Path, loader: str) -> None:
    got = load(loader, scripted, document)
    assert "\n".join(got["texts"]).count("A title") == 3, got
    assert "Name" in "\n".join([*got["texts"], *got["tables"]])


def test_difys_tool_for_mineru(scripted_to_all: Gateway, document: Path) -> None:
    got = load("dify_mineru", scripted_to_all, document)
    (text,) = got["texts"]
    assert text.count("# A title") == 3
    assert (got["pictures"], text.count("](https://dify.example/")) == ([PICTURE] * 3, 3)


@pytest.mark.parametrize("name", ["three.pdf", "page.png"])
def test_difys_tool_for_paddleocr(scripted: Gateway, document: Path, name: str) -> None:
    if name == "page.png":
        document = document.with_name(name)
        document.write_bytes((ROOT / "examples" / "article-en.png").read_bytes())
    got = load("dify_paddleocr", scripted, document)
    (text,) = got["texts"]
    pages = 3 if name == "three.pdf" else 1
    assert (text.count("# A title"), got["pictures"]) == (pages, [PICTURE] * pages)
    assert text.count('src="https://dify.example/') == pages


def test_difys_tool_for_documents_and_lines(scripted: Gateway, document: Path) -> None:
    got = load("dify_paddleocr_structure", scripted, document)
    assert (got["texts"][0].count("# A title"), got["pictures"]) == (3, [PICTURE] * 3)
    (text,) = load("dify_paddleocr_lines", scripted, document)["texts"]
    assert text.strip()


def test_difys_check_of_a_local_mineru(scripted_to_all: Gateway, document: Path) -> None:
    assert load("dify_mineru_credentials", scripted_to_all, document) == {"error": ""}


def test_difys_check_of_paddleocr_sends_a_url(
    scripted: Gateway, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture of Baidu's that the service has to fetch; where it may not, Dify shows the reason."""
    asked: list[str] = []
    refusal: list[ServiceError] = []

    async def fetch_picture(url: str, *_rules: object) -> FetchedFile:
        asked.append(url)
        for error in refusal:
            raise error
        return FetchedFile(SpooledFile.from_bytes((ROOT / "examples" / "article-en.png").read_bytes()), "a.png")

    monkeypatch.setattr(fetch, "fetch", fetch_picture)
    assert load("dify_paddleocr_credentials", scripted, document) == {"error": ""}
    assert asked[0].startswith("https://")
    refusal.append(ServiceError(400, "url_not_allowed", "The URL is not fetched: URL_FETCH is off."))
    assert "URL_FETCH is off" in load("dify_paddleocr_credentials", scripted, document)["error"]
    wrong: dict[str, str] = run("rag", PROGRAM, "dify_paddleocr_credentials", scripted.url, "wrong", "", str(FOLDER))
    assert "HTTP 401" in wrong["error"]
