"""What goes wrong at `POST /layout-parsing`, in PaddleX's envelope; and what comes as a document."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.api.paddlex.conftest import ask, assert_refused, page_of, result_of
from tests.support.origin import Origin, origin
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S, eventually


@pytest.fixture
def elsewhere() -> Iterator[Origin]:
    with origin() as found:
        yield found


def test_a_document_by_url_needs_no_type(served: Gateway, elsewhere: Origin, tiff: bytes) -> None:
    elsewhere.files["/scan"] = tiff
    assert result_of(ask(served, f"{elsewhere.url}/scan?x=1"))["dataInfo"]["numPages"] == 3


def test_base64_as_clients_write_it(served: Gateway, png: bytes) -> None:
    text = base64.b64encode(png).decode()
    for written in (text, base64.encodebytes(png).decode(), f"data:image/png;base64,{text}", f" {text}*"):
        page_of(ask(served, written, visualize=False))


def test_the_bytes_decide_whatever_type_is_named(served: Gateway, png: bytes) -> None:
    assert result_of(ask(served, png, fileType=0))["dataInfo"]["type"] == "image"


@pytest.mark.parametrize("file", ["", "!!!", "AAA", "hello world", base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()])
def test_what_is_no_document(served: Gateway, file: str) -> None:
    assert_refused(ask(served, file, fileType=1), 422, "Invalid input file")


def test_a_url_that_gives_no_document(served: Gateway, elsewhere: Origin) -> None:
    elsewhere.files["/text"] = b"hello"
    elsewhere.files["/big"] = b"x" * 2_000_001
    for path, why in (("/nothing", "404"), ("/text", "plain text"), ("/big", "larger")):
        assert_refused(ask(served, elsewhere.url + path), 422, "Invalid input file", why)


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b'"x"', b"{", b"\xff"])
def test_a_body_that_is_no_object(served: Gateway, body: bytes) -> None:
    (problem,) = json.loads(assert_refused(served.client.post("/layout-parsing", content=body), 422)["errorMsg"])
    assert problem["loc"] == "body"


def test_a_refusal_has_the_clients_id(served: Gateway) -> None:
    assert assert_refused(ask(served, "", logId="mine"), 422)["logId"] == "mine"
    answer = served.client.post("/layout-parsing", json={})
    assert assert_refused(answer, 422)["logId"] == answer.headers["x-request-id"]


def test_a_body_above_the_limit(served: Gateway) -> None:
    assert_refused(ask(served, "A" * 2_000_001), 413, "MAX_UPLOAD_MB")


def test_another_method(served: Gateway) -> None:
    assert_refused(served.client.get("/layout-parsing"), 405, "Method Not Allowed")


def test_an_engine_that_reads_nothing(served: Gateway, png: bytes) -> None:
    served.engine.answer = lambda _request: Reply(status=400)
    assert_refused(ask(served, png), 500, "No region could be read")


def test_a_page_without_layout_is_a_document_that_was_not_read(served: Gateway, png: bytes) -> None:
    served.layout.by_page = {1: RuntimeError("secret")}
    envelope = assert_refused(ask(served, png), 422, "layout_failed")
    assert "secret" not in envelope["errorMsg"]


def test_one_bad_page_costs_itself(served: Gateway, tiff: bytes) -> None:
    served.layout.by_page = {2: RuntimeError("no")}
    result = result_of(ask(served, tiff))
    assert [bool(page["markdown"]["text"]) for page in result["layoutParsingResults"]] == [True, False, True]
    assert "outputImages" in result["layoutParsingResults"][1]
    assert "page 2" in result["warnings"][0]


def test_another_layout_model_than_the_one_asked_for_is_told(served: Gateway, png: bytes) -> None:
    served.layout.warning = "the layout is by another"
    try:
        assert result_of(ask(served, png))["warnings"] == ["the layout is by another"]
        assert "warnings" not in result_of(ask(served, png, useLayoutDetection=False))
    finally:
        served.layout.warning = None


async def test_more_documents_than_places(served: Gateway, png: bytes) -> None:
    release = threading.Event()
    served.engine.answer = lambda _request: Reply("late", after=release)
    body = {"file": base64.b64encode(png).decode()}
    async with httpx.AsyncClient(base_url=served.url, timeout=WAIT_S) as client:
        calls = [asyncio.create_task(client.post("/layout-parsing", json=body)) for _ in range(6)]
        await eventually(lambda: sum(call.done() for call in calls) == 4)
        release.set()
        answers = await asyncio.gather(*calls)
    refused = [answer for answer in answers if answer.status_code != 200]
    assert len(refused) == 4
    for answer in refused:
        assert_refused(answer, 429)
        assert int(answer.headers["retry-after"]) > 0


def test_while_draining(served: Gateway, png: bytes) -> None:
    served.service.draining = True
    try:
        assert_refused(ask(served, png), 503, "shutting down")
    finally:
        served.service.draining = False


def test_keys(tmp_path: Path, png: bytes) -> None:
    with gateway(tmp_path, api_keys="one-key") as running:
        assert_refused(ask(running, png), 401, "key")
        for value in ("Bearer one-key", "token one-key"):
            running.client.headers["Authorization"] = value
            page_of(ask(running, png))
