"""The document loaders of RAGFlow, LightRAG and Dify, by their own code, against this service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY, ROOT, recording_gateway, run
from tests.clients.fetch_sources import FOLDER
from tests.support.pages import script_page
from tests.support.server import Gateway

PROGRAM = "rag_client.py"
PICTURE = "ffd8ff"
"""How a JPEG begins."""


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401
    """A gateway without keys, for the loaders that send none."""
    with recording_gateway(tmp_path_factory.mktemp("gateway"), jobs=True) as running:
        script_page(running)
        yield running


def load(loader: str, served: Gateway, document: Path) -> dict[str, Any]:
    if not loader.startswith("lightrag") and not FOLDER.exists():
        pytest.skip("the files of sources.txt are not there (make test-clients)")
    found: dict[str, Any] = run("rag", PROGRAM, loader, served.url, KEY, str(document), str(FOLDER))
    return found


@pytest.mark.parametrize("loader", ["lightrag_docling", "lightrag_mineru"])
def test_lightrag_indexes_headings_tables_and_pictures(open_to_all: Gateway, document: Path, loader: str) -> None:
    got = load(loader, open_to_all, document)
    assert got["headings"].count("1.1 A part") == 3, got
    assert sum("A sentence at the end." in text for text in got["texts"]) == 3
    assert len(got["tables"]) == 3
    assert "Name" in str(got["tables"][0])
    assert got["pictures"] == 3


@pytest.mark.parametrize("loader", ["ragflow_docling", "ragflow_mineru"])
def test_ragflow_gets_sections_of_a_service_without_keys(open_to_all: Gateway, document: Path, loader: str) -> None:
    got = load(loader, open_to_all, document)
    assert "\n".join(got["texts"]).count("A title") == 3, got
    assert "Name" in "\n".join([*got["texts"], *got["tables"]])


@pytest.mark.parametrize("loader", ["ragflow_mistral", "ragflow_paddleocr"])
def test_ragflow_gets_sections_with_a_key(scripted: Gateway, document: Path, loader: str) -> None:
    got = load(loader, scripted, document)
    assert "\n".join(got["texts"]).count("A title") == 3, got
    assert "Name" in "\n".join([*got["texts"], *got["tables"]])


def test_difys_tool_for_mineru(open_to_all: Gateway, document: Path) -> None:
    got = load("dify_mineru", open_to_all, document)
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
