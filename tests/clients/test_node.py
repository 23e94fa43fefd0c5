"""Clients for Node.js, unmodified, against this service."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import FOLDER, KEY, ROOT
from tests.clients.fetch_sources import FOLDER as CLIENT_SOURCES
from tests.clients.node_project import install, run_in
from tests.clients.recorder import note
from tests.support.server import Gateway

SOURCES = FOLDER / "node"
PICTURE = ROOT / "examples" / "article-en.png"
TEXT = "line one\nline two"
PICTURE_CLIENTS = ["openai", "mistralChat", "langchain", "langchainMistral", "aiSdk"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("node"), SOURCES)


def read(project: Path, client: str, url: str, file: Path, key: str = KEY) -> dict[str, Any]:
    """What the client got, or its error."""
    note("", f"== {os.environ['PYTEST_CURRENT_TEST'].partition('::')[2]}")
    done = run_in(project, "node", "read_document.js", client, url, key, str(file), str(CLIENT_SOURCES))
    assert done.returncode == 0, done.stderr[-3000:]
    note(f"  = {done.stdout.strip()}")
    got: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return got


def test_openai_answers_streams_and_lists(project: Path, served: Gateway) -> None:
    assert read(project, "openai", served.url, PICTURE) == {"text": TEXT, "streamed": TEXT, "models": ["stub-model"]}


@pytest.mark.parametrize("client", ["mistralChat", "langchain", "langchainMistral"])
def test_a_picture_is_read(project: Path, served: Gateway, client: str) -> None:
    assert read(project, client, served.url, PICTURE) == {"text": TEXT}


def test_vercels_ai_sdk_answers_and_streams(project: Path, served: Gateway) -> None:
    assert read(project, "aiSdk", served.url, PICTURE) == {"text": TEXT, "streamed": TEXT}


@pytest.mark.parametrize("client", PICTURE_CLIENTS)
def test_a_wrong_key_is_the_clients_own_error(project: Path, served: Gateway, client: str) -> None:
    got = read(project, client, served.url, PICTURE, "wrong")
    assert "error" in got, got
    assert "401" in str(got["status"]) + got["message"] or "key" in got["message"]


@pytest.mark.parametrize(("name", "pages"), [("three.pdf", 3), ("page.png", 1)])
def test_mistral_uploads_reads_and_deletes(
    project: Path, scripted: Gateway, document: Path, name: str, pages: int
) -> None:
    file = document if name == document.name else PICTURE
    got = read(project, "mistral", scripted.url, file)
    assert [text.startswith("Running head\n\n# A title") for text in got["texts"]] == [True] * pages
    assert got["images"] == ["data:image/jpeg"] * pages
    assert (got["tables"], got["deleted"]) == (["tbl-0.html"] * pages, True)


@pytest.mark.parametrize(("name", "pages"), [("three.pdf", 3), ("page.png", 1)])
def test_azure_reads_words_and_tables(project: Path, scripted: Gateway, document: Path, name: str, pages: int) -> None:
    file = document if name == document.name else PICTURE
    got = read(project, "azure", scripted.url, file)
    assert got["content"].count("# A title") == pages, got
    assert (len(got["words"]), got["tables"]) == (pages, pages)
    assert got["roles"].count("title") == pages


def test_form_recognizer_reads_by_the_older_api(project: Path, scripted: Gateway, document: Path) -> None:
    got = read(project, "formRecognizer", scripted.url, document)
    assert got["content"].count("A title\n") == 3, got
    assert (got["words"], got["tables"], got["pairs"]) == ([["A", "title"]] * 3, 3, 0)


@pytest.mark.parametrize("client", ["mistral", "azure", "formRecognizer"])
def test_a_broken_file_and_a_wrong_key_are_errors(
    project: Path, scripted: Gateway, tmp_path: Path, client: str
) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 and no more")
    for key in (KEY, "wrong"):
        assert "error" in read(project, client, scripted.url, broken, key)


@pytest.mark.parametrize("client", ["openai", "mistral", "azure"])
def test_a_busy_server_is_an_error(project: Path, scripted: Gateway, document: Path, client: str) -> None:
    scripted.service.draining = True
    try:
        got = read(project, client, scripted.url, document if client != "openai" else PICTURE)
    finally:
        scripted.service.draining = False
    assert "error" in got
    assert "503" in str(got.get("status")) + got.get("message", "")


def test_fastgpts_own_code_keeps_pictures_and_shows_reasons(
    project: Path, scripted: Gateway, document: Path, tmp_path: Path
) -> None:
    if not (CLIENT_SOURCES / "FastGPT").exists():
        pytest.skip("the files of sources.txt are not there (make test-clients)")
    got = read(project, "fastgpt", scripted.url, document)
    assert (got["pages"], got["pictures"]) == (3, ["data:image/jpeg"] * 3), got
    assert (got["text"].count("# A title"), got["text"].count("](/kept.jpg)")) == (3, 3)
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"plain text")
    assert "plain text" in read(project, "fastgpt", scripted.url, broken)["message"]
    assert read(project, "fastgpt", scripted.url, document, "wrong")["status"] == 401
