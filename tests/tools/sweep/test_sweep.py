"""`make sweep` against a gateway with a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from tests.support.ports import free_port
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tools.sweep.__main__ import main
from tools.sweep.record import Journal
from tools.sweep.watch import find_root

WORDS = "seven barrels without a mark"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    (folder / "deep").mkdir(parents=True)
    Image.new("RGB", (400, 300), "white").save(folder / "deep" / "page.png")
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.4\n")
    canvas = Canvas(str(folder / "text.pdf"))
    for _ in range(2):
        canvas.drawString(72, 700, WORDS)
        canvas.showPage()
    canvas.save()
    return folder


def sweep(service: Gateway, corpus: Path, *arguments: str) -> Journal:
    out = corpus.parent / "out"
    main([str(corpus), "--url", service.url, "--out", str(out), "--jobs", "1", *arguments])
    return Journal(out)


def test_each_file_has_a_record(service: Gateway, corpus: Path) -> None:
    service.engine.answer = lambda _request: Reply("seven barrels")
    records = sweep(service, corpus, "--pages", "1").load()
    assert {name: (one.status, one.code or one.result) for name, one in records.items()} == {
        "deep/page.png": (200, "ok"),
        "damaged.pdf": (400, "damaged_pdf"),
        "text.pdf": (200, "partial"),  # its line stands in no block of the scripted layout
    }
    text = records["text.pdf"]
    assert (text.pages, text.own_words, text.found_words) == (1, 4, 2)
    assert records["deep/page.png"].own_words is None
    assert text.rss_mb is not None
    assert text.rss_mb > 0


def test_a_sweep_goes_on_where_it_was(service: Gateway, corpus: Path) -> None:
    sweep(service, corpus)
    Image.new("RGB", (300, 300), "white").save(corpus / "late.png")
    service.engine.requests.clear()
    journal = sweep(service, corpus)
    assert set(journal.load()) == {"deep/page.png", "damaged.pdf", "text.pdf", "late.png"}
    assert len(journal.file.read_text().splitlines()) == 4


def test_a_file_with_fewer_pages_than_asked_for_is_read_whole(service: Gateway, corpus: Path) -> None:
    assert sweep(service, corpus, "--pages", "5").load()["text.pdf"].pages == 2


def test_what_comes_back_empty_is_named(service: Gateway, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service.layout.regions = []
    sweep(service, corpus, "--gallery")
    said = capsys.readouterr().out
    service.reset()
    assert "## Empty with a warning" in said
    assert "| text.pdf | 200 | partial | 0 of 8 |" in said
    assert "| files left in TEMP_DIR | none |" in said
    assert WORDS in (corpus.parent / "out" / "index.html").read_text()


def test_a_fault_of_the_service_is_tried_once_more_alone(
    service: Gateway, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = 0

    def answer(_request: object) -> Reply:
        nonlocal asked
        asked += 1
        return Reply(status=400) if asked <= 2 else Reply("text")

    service.engine.answer = answer
    for name in ("damaged.pdf", "text.pdf"):
        (corpus / name).unlink()
    record = sweep(service, corpus).load()["deep/page.png"]
    assert (record.status, record.alone) == (502, 200)
    assert "| failed in company, read alone | 1 |" in capsys.readouterr().out


def test_files_that_are_left_are_named(service: Gateway, corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = service.service.settings.temp_dir / "upload.part"

    def answer(_request: object) -> Reply:
        left.write_bytes(b"left")
        return Reply("text")

    service.engine.answer = answer
    sweep(service, corpus)
    left.unlink()
    assert "| files left in TEMP_DIR | upload.part |" in capsys.readouterr().out


def test_a_service_that_is_not_here_has_no_processes() -> None:
    assert find_root(free_port()) is None
