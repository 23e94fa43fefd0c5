"""`make cases` against a gateway with a scripted engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tools.cases.__main__ import main


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


def write_cases(folder: Path, text: str) -> None:
    Image.new("RGB", (400, 300), "white").save(folder / "page.png")
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.4\n")
    (folder / "cases.toml").write_text(text)


def test_reasons_stand_in_the_table_and_pages_in_the_report(
    service: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cases(
        tmp_path,
        '[case.page]\ncontains = "green ledger"\n[case.damaged]\nstatus = 400\nerror = "damaged_pdf"\n'
        '[case.absent]\ncontains = "text"\n',
    )
    out = tmp_path / "out"
    arguments = [str(tmp_path), "--url", service.url, "--out", str(out)]
    service.engine.answer = lambda _request: Reply("the red ledger")
    assert main(arguments) == 1
    said = capsys.readouterr().out
    assert "| page | wrong | missing: green ledger |" in said
    assert "| damaged | right |  |" in said
    assert "| absent | wrong | its input is not in the folder |" in said
    assert "1 of 3 right" in said

    service.engine.answer = lambda _request: Reply("the green ledger")
    assert main([*arguments, "--only", "page"]) == 0
    report = (out / "index.html").read_text()
    assert "the red ledger" in report
    assert "the green ledger" in report
    with Image.open(out / "page.png") as picture:
        assert picture.width > 0


def test_raw_requests_are_sent(service: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_cases(
        tmp_path,
        '[case.body]\ninput = "page.png"\n'
        '[[case.body.requests]]\nmethod = "POST"\nheaders = { Content-Type = "image/png" }\nbody = "{input}"\n'
        'answer_contains = "media_type"\n'
        '[[case.body.requests]]\npath = "/nowhere"\n',
    )
    assert main([str(tmp_path), "--url", service.url, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().out
    assert "GET /nowhere: HTTP 404" in said
    assert "POST /ocr:" not in said


def test_an_answer_that_depends_on_what_came_before_is_wrong(
    service: Gateway, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cases(tmp_path, '[case.page]\nbetween = "damaged.pdf"\n')
    asked = 0

    def answer(_request: object) -> Reply:
        nonlocal asked
        asked += 1
        return Reply("text") if asked <= 2 else Reply(status=400)

    service.engine.answer = answer
    assert main([str(tmp_path), "--url", service.url, "--out", str(tmp_path / "out")]) == 1
    assert "later HTTP 502 recognition_failed" in capsys.readouterr().out
