"""The document loaders of Open WebUI, unmodified and chosen by Open WebUI itself, against this service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import KEY, run
from tests.support.server import Gateway

PDF = "application/pdf"
Documents = list[dict[str, Any]]


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    file = tmp_path / "broken.pdf"
    file.write_bytes(b"plain text")
    return file


def load(served: Gateway, engine: str, *files: tuple[str, Path, str]) -> list[Documents]:
    """The documents of each file, which come with a key and a media type."""
    sent = json.dumps([(key, str(path), kind) for key, path, kind in files])
    documents: list[Documents] = run("openwebui", "openwebui_client.py", engine, served.url, sent)
    return documents


def what_went_wrong(documents: Documents) -> str:
    """What was raised, or the one document that some loaders put in its place."""
    (one,) = documents
    return str(one.get("error", one.get("content")))


@pytest.mark.parametrize("engine", ["external", "docling", "mistral_ocr", "paddleocr_vl"])
def test_each_page_is_a_document(scripted: Gateway, document: Path, broken: Path, engine: str) -> None:
    read, failed, refused = load(scripted, engine, (KEY, document, PDF), (KEY, broken, PDF), ("wrong", document, PDF))
    assert [one["page"] for one in read] == [0, 1, 2], read
    assert all("A title" in one["content"] for one in read)
    assert "A title" not in what_went_wrong(failed) + what_went_wrong(refused)


@pytest.mark.parametrize("engine", ["datalab_marker", "document_intelligence"])
def test_the_file_is_one_document(scripted: Gateway, document: Path, broken: Path, engine: str) -> None:
    read, failed, refused = load(scripted, engine, (KEY, document, PDF), (KEY, broken, PDF), ("wrong", document, PDF))
    (one,) = read
    assert one["content"].count("# A title") == 3, one
    assert all("error" in documents[0] for documents in (failed, refused))


def test_its_loader_for_mineru_sends_no_key(open_to_all: Gateway, document: Path, broken: Path) -> None:
    read, failed = load(open_to_all, "mineru", ("", document, PDF), ("", broken, PDF))
    (one,) = read
    assert one["content"].count("# line one line two") == 3, one
    assert "plain text" in what_went_wrong(failed)


@pytest.mark.parametrize(("engine", "name"), [("external", "notes.md"), ("datalab_marker", "page.html")])
def test_texts_pass_through(scripted: Gateway, tmp_path: Path, engine: str, name: str) -> None:
    file = tmp_path / name
    file.write_text("# Заметки <b>1</b>")
    ((one,),) = load(scripted, engine, (KEY, file, "text/plain"))
    assert one["content"] == "# Заметки <b>1</b>"
