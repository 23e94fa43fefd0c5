"""Langflow's component for docling-serve, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import KEY, ROOT, run
from tests.support.server import Gateway

PROGRAM = "langflow_client.py"


def test_it_gets_the_document(scripted: Gateway, document: Path) -> None:
    for path, pages in ((document, 3), (ROOT / "examples" / "article-en.png", 1)):
        got = run("langflow", PROGRAM, scripted.url, KEY, str(path))
        (text,) = got["texts"]
        assert text.count("# A title") == pages


def test_a_broken_file_and_a_wrong_key_are_told(scripted: Gateway, document: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing follows")
    assert "error" in run("langflow", PROGRAM, scripted.url, KEY, str(broken))
    assert "401" in run("langflow", PROGRAM, scripted.url, "wrong", str(document))["message"]
