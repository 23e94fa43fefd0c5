"""Clients of Mistral's OCR, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import KEY, run
from tests.support.server import Gateway

PROGRAM = "mistral_client.py"


def test_the_sdk_uploads_reads_and_deletes(scripted: Gateway, document: Path) -> None:
    got = run("mistral", PROGRAM, "sdk", scripted.url, KEY, str(document))
    assert [text.startswith("Running head\n\n# A title") for text in got["texts"]] == [True] * 3
    assert got["images"] == [[f"img-{number}.jpeg", "data:image/jpeg;base64,"] for number in range(3)]
    assert got["tables"] == ["tbl-0.html"] * 3
    assert got["blocks"] == ["caption", "equation", "footer", "header", "image", "list", "table", "text", "title"]
    assert (got["by_id"], got["name"], got["deleted"]) == ([1], "three.pdf", True)
    assert got["models"] == ["stub-model"]


def test_the_sdk_raises_its_own_exceptions(scripted: Gateway, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"plain text")
    got = run("mistral", PROGRAM, "failing", scripted.url, KEY, str(broken))
    assert got["errors"] == [["SDKError", 400], ["HTTPValidationError", "pages"]]
    wrong = run("mistral", PROGRAM, "failing", scripted.url, "wrong", str(broken))
    assert wrong["errors"] == [["SDKError", 401]] * 2


def test_litellm_reads_with_either_base(scripted: Gateway, document: Path) -> None:
    got = run("mistral", PROGRAM, "litellm", scripted.url, KEY, str(document))
    assert [len(texts) for texts in got["texts"]] == [3, 3]
    assert got["texts"][0][0].startswith("Running head\n\n# A title")


def test_litellm_reads_by_azure_s_api(scripted: Gateway, document: Path) -> None:
    got = run("mistral", PROGRAM, "litellm_azure", scripted.url, KEY, str(document))
    assert got["indexes"] == [0, 2]
    assert all("A title" in text for text in got["texts"])
