"""FastGPT's custom PDF parser, by the request that its server sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.gateway.intake.files import pdf
from tests.support.pages import script_page
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply

PATHS = ("/v1/parse/file", "/v2/parse/file")


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("gateway"), api_keys="one", max_upload_mb=2) as running:
        yield running


@pytest.fixture
def served(_running: Gateway) -> Gateway:
    _running.reset()
    script_page(_running)
    return _running


def parse(
    served: Gateway, data: bytes, name: str = "file.pdf", path: str = PATHS[1], key: str = "one"
) -> httpx.Response:
    return served.client.post(path, files={"file": (name, data)}, headers={"authorization": f"Bearer {key}"})


@pytest.mark.parametrize("path", PATHS)
def test_markdown_with_its_pictures(served: Gateway, path: str) -> None:
    answer = parse(served, pdf(2), path=path)
    assert answer.status_code == 200, answer.text
    parsed = answer.json()
    assert (parsed["success"], parsed["pages"], parsed["error"]) == (True, 2, None)
    assert parsed["markdown"].count("# A title") == 2
    assert parsed["markdown"].count("](data:image/jpeg;base64,/9j/") == 2


def test_a_document_that_fails_says_why_where_fastgpt_looks(served: Gateway) -> None:
    for data, told in ((b"plain text", "plain text"), (b"%PDF-1.7 and no more", "")):
        answer = parse(served, data)
        assert answer.status_code == 200
        failure = answer.json()
        assert (failure["success"], failure["pages"], failure["markdown"]) == (False, 0, "")
        assert failure["error"]
        assert told in failure["error"]


def test_an_engine_that_fails(served: Gateway) -> None:
    served.engine.answer = lambda _request: Reply(status=400, text="no")
    answer = parse(served, pdf(1))
    assert (answer.status_code, answer.json()["success"], bool(answer.json()["error"])) == (502, False, True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"content": b""}, 422),
        ({"json": {"file": "x"}}, 422),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 422),
        ({"files": {"document": ("a.pdf", b"a")}}, 422),
        ({"files": [("file", ("a.pdf", b"a")), ("file", ("b.pdf", b"b"))]}, 422),
        ({"files": {"file": ("a.pdf", b"")}}, 400),
        ({"files": {"file": ("a.pdf", bytes(3_000_000))}}, 413),
    ],
)
def test_what_is_refused(served: Gateway, body: dict[str, Any], status: int) -> None:
    body["headers"] = {"authorization": "Bearer one", **body.get("headers", {})}
    for path in PATHS:
        answer = served.client.post(path, **body)
        assert (answer.status_code, answer.json()["success"]) == (status, False), answer.text
        assert answer.json()["error"]


def test_keys_and_a_service_that_takes_nothing(served: Gateway) -> None:
    wrong = parse(served, pdf(1), key="two")
    assert (wrong.status_code, set(wrong.json())) == (401, {"success", "pages", "markdown", "error"})
    served.service.draining = True
    try:
        busy = parse(served, pdf(1))
    finally:
        served.service.draining = False
    assert (busy.status_code, busy.json()["success"], int(busy.headers["retry-after"]) > 0) == (503, False, True)
