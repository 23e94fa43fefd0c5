"""Clients of docling-serve, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import KEY, run
from tests.support.server import Gateway

PROGRAM = "docling_client.py"


def test_the_service_client_gets_docling_s_document(scripted: Gateway, document: Path) -> None:
    got = run("docling", PROGRAM, "service", scripted.url, KEY, str(document))
    assert (got["status"], got["pages"]) == ("success", 3)
    assert got["markdown"].startswith("# A title\n\n### 1.1 A part\n\n- first\n- second\n\n| Name")
    one_page = ["title", "section_header", *["list_item"] * 2, "table", "picture", "caption", "formula", "text"]
    assert got["items"] == one_page * 3


def test_docling_core_finds_nothing_wrong_with_the_json(scripted: Gateway, document: Path) -> None:
    got = run("docling", PROGRAM, "schema", scripted.url, KEY, str(document))
    assert got["is_same"]
    assert len(got["pictures"]) == 3
    assert all('colspan="2"' in table and 'rowspan="2"' in table for table in got["tables"])


def test_langchain_reads_markdown(scripted: Gateway, document: Path) -> None:
    (text,) = run("docling", PROGRAM, "langchain", scripted.url, KEY, str(document))["texts"]
    assert text.count("# A title") == 3


def test_what_goes_wrong_is_the_client_s_own_exception(scripted: Gateway, document: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing follows")
    assert run("docling", PROGRAM, "failing", scripted.url, KEY, str(broken))["error"] == "TaskExecutionError"
    refused = run("docling", PROGRAM, "failing", scripted.url, "wrong", str(document))
    assert (refused["error"], "401" in refused["message"] or "key" in refused["message"]) == ("ServiceError", True)


def test_haystacks_converter_waits_and_polls(scripted: Gateway, document: Path) -> None:
    got = run("docling", PROGRAM, "haystack", scripted.url, KEY, str(document))
    for mode in ("sync", "async"):
        (text,) = got[mode]
        assert text.count("# A title") == 2, mode


def test_another_client_of_docling_serve(scripted: Gateway, document: Path) -> None:
    got = run("docling", PROGRAM, "serve_client", scripted.url, KEY, str(document))
    assert (got["health"], got["status"], got["tables"]) == (True, "success", 3)
    assert got["markdown"].count("# A title") == 3


def test_chunks_are_refused_in_words(scripted: Gateway, document: Path) -> None:
    got = run("docling", PROGRAM, "chunks", scripted.url, KEY, str(document))
    assert ["docling-core" in got[kind] for kind in ("hybrid", "hierarchical")] == [True, True], got
