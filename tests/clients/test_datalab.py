"""Datalab's SDK, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import KEY, run
from tests.support.server import Gateway

PROGRAM = "datalab_client.py"


def test_the_sdk_gets_markdown_pictures_and_html(scripted: Gateway, document: Path) -> None:
    got = run("datalab", PROGRAM, scripted.url, KEY, str(document))
    assert (got["pages"], got["markdown"].count("# A title"), got["html"].count("<h1>A title</h1>")) == ([3, 1], 3, 1)
    assert len(got["images"]) == 3
    assert all(f"![]({name})" in got["markdown"] for name in got["images"])
    assert {*got["images"].values()} == {"/9j/"}


def test_the_sdk_raises_what_went_wrong(scripted: Gateway, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"plain text")
    failed = run("datalab", PROGRAM, scripted.url, KEY, str(broken))
    assert "plain text" in failed["error"]
    wrong = run("datalab", PROGRAM, scripted.url, "wrong", str(broken))
    assert wrong["status"] == 401
