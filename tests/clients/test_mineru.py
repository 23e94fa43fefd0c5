"""MinerU's own command, unmodified, against this service."""

from __future__ import annotations

from pathlib import Path

from tests.clients.conftest import ROOT, run
from tests.support.server import Gateway

PROGRAM = "mineru_client.py"


def test_its_command_writes_text_contents_and_pictures(
    scripted_to_all: Gateway, document: Path, tmp_path: Path
) -> None:
    for path, pages in ((document, 3), (ROOT / "examples" / "article-en.png", 1)):
        got = run("mineru", PROGRAM, scripted_to_all.url, str(path), str(tmp_path / path.stem))
        assert got["markdown"].count("# A title") == pages, got
        assert (got["types"].count("table"), got["pictures"]) == (pages, pages)


def test_a_broken_file_and_a_busy_server_are_its_own_error(
    scripted_to_all: Gateway, document: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"plain text")
    assert "failed" in run("mineru", PROGRAM, scripted_to_all.url, str(broken), str(tmp_path / "broken"))["error"]
    scripted_to_all.service.draining = True
    try:
        got = run("mineru", PROGRAM, scripted_to_all.url, str(document), str(tmp_path / "busy"))
    finally:
        scripted_to_all.service.draining = False
    assert "error" in got
