"""A client that leaves, or whose deadline passes, costs the engine nothing more, on every route and at every stage."""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from PIL import Image
from structlog.testing import capture_logs

from gateway.model import Region
from tests.support.server import Gateway, gateway, leave_when
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S, wait_until

ROUTES = (
    "/ocr",
    "/ocr?stream=true",
    "/ocr?priority=batch",
    "/ocr with a key",
    "/layout-parsing",
    "/v1/chat/completions",
    "/v1/chat/completions streamed",
)


def request(served: Gateway, route: str, png: bytes) -> dict[str, Any]:
    """Address and content of a POST on the route."""
    path, _, way = route.partition(" ")
    encoded = base64.b64encode(png).decode()
    url = f"{served.url}{path}"
    if path.startswith("/ocr"):
        return {"url": url, "files": {"file": png}, "headers": {"Idempotency-Key": "leaving"} if way else {}}
    if path == "/layout-parsing":
        return {"url": url, "json": {"file": encoded}}
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}
    message = {"role": "user", "content": [picture]}
    return {"url": url, "json": {"messages": [message], "stream": bool(way)}}


def is_idle(served: Gateway) -> bool:
    queue = served.service.parts.queue
    places = (served.service.uploads.count, queue.documents, queue.chats)
    return (served.engine.running, queue.running, queue.waiting, *places) == (0, 0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def _narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway(tmp_path_factory.mktemp("narrow"), max_concurrent_regions=1) as running:
        yield running


@pytest.fixture
def narrow(_narrow: Gateway) -> Iterator[Gateway]:
    """A gateway with one call at a time."""
    _narrow.reset()
    yield _narrow
    _narrow.reset()


@pytest.mark.parametrize("route", ROUTES)
def test_leaving_while_the_engine_works_stops_it(narrow: Gateway, png: bytes, route: str) -> None:
    narrow.engine.answer = lambda _request: Reply(hang=True)
    leave_when(lambda: narrow.engine.running == 1, **request(narrow, route, png))
    wait_until(lambda: is_idle(narrow), "an idle service")


@pytest.mark.parametrize("route", ROUTES)
def test_leaving_while_waiting_for_the_engine_leaves_no_place_taken(narrow: Gateway, png: bytes, route: str) -> None:
    release = threading.Event()
    narrow.engine.answer = lambda _request: Reply("at work", after=release)
    narrow.layout.regions = narrow.layout.regions[:1]
    with ThreadPoolExecutor(1) as other:
        working = other.submit(narrow.read, png)
        wait_until(lambda: narrow.engine.running == 1, "work at the engine")
        asked = len(narrow.engine.requests)
        leave_when(lambda: narrow.service.parts.queue.waiting == 1, **request(narrow, route, png))
        wait_until(lambda: narrow.service.parts.queue.waiting == 0, "an empty queue")
        release.set()
        assert working.result().json()["status"] == "ok"
    wait_until(lambda: is_idle(narrow), "an idle service")
    assert len(narrow.engine.requests) == asked


@pytest.mark.parametrize("path", ["/ocr", "/layout-parsing", "/v1/chat/completions"])
def test_leaving_while_uploading_gives_the_place_back(narrow: Gateway, path: str) -> None:
    host, port = narrow.url.removeprefix("http://").split(":")
    uploads = narrow.service.uploads
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        connection.sendall(head.encode() + b'{"so far')
        wait_until(lambda: uploads.count == 1, "an upload")
    wait_until(lambda: is_idle(narrow), "an idle service")


@pytest.fixture(scope="module")
def hurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with one call at a time and little time for each request."""
    with gateway(tmp_path_factory.mktemp("hurried"), max_concurrent_regions=1, request_timeout_s=1.5) as running:
        yield running


@pytest.mark.parametrize("route", ROUTES)
def test_the_deadline_covers_the_engine_and_the_wait_for_it(hurried: Gateway, png: bytes, route: str) -> None:
    hurried.engine.answer = lambda _request: Reply(hang=True)
    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(httpx.post, **request(hurried, route, png), timeout=WAIT_S) for _ in range(2)]
    assert {answer.result().status_code for answer in answers} == {504}
    assert all("deadline" in answer.result().text for answer in answers)
    wait_until(lambda: is_idle(hurried), "an idle service")


@pytest.fixture(scope="module")
def noise() -> bytes:
    """A small file that is large as JPEG: with the regions below its answers are larger than what sockets hold."""
    file, chance = io.BytesIO(), random.Random(0)
    rows = [chance.randbytes(64) * 10 for _ in range(64)] * 10
    Image.frombytes("L", (640, 640), b"".join(rows)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("path", ["/ocr", "/layout-parsing"])
def test_who_takes_an_answer_slowly_holds_no_place_and_not_for_ever(
    narrow: Gateway, noise: bytes, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("gateway.api.middleware.STALLED_AFTER_S", 2.0)
    narrow.layout.regions = [Region("image", (0, 0, 640, 640 - at), at + 1, 0.9) for at in range(96)]
    body = json.dumps({"file": base64.b64encode(noise).decode()}).encode() if path != "/ocr" else noise
    kind = "application/json" if path != "/ocr" else "image/png"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with capture_logs() as logs, socket.create_connection(("127.0.0.1", int(narrow.url.rpartition(":")[2]))) as client:
        client.sendall(head.encode() + body)
        assert client.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: narrow.service.parts.queue.documents == 0, "a free place")
        assert not [log for log in logs if log["event"] == "request"], "the answer was small"
        wait_until(lambda: [log for log in logs if log["event"] == "request"], "the end of the request")
    assert [log["status"] for log in logs if log["event"] == "request"] == [499]
