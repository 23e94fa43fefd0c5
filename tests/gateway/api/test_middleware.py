"""What every request passes through."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from io import StringIO

import httpx
import pytest
import structlog
from fastapi import FastAPI, Request

from gateway.api.middleware import BodyLimitMiddleware, RequestMiddleware
from gateway.api.problems import install_errors
from gateway.metrics import Metrics
from gateway.scheduling.loop_turns import LoopTurns
from tests.support.answers import assert_problem
from tests.support.server import Gateway


def test_a_slash_at_the_end_of_a_path_costs_no_redirect(served: Gateway, png: bytes) -> None:
    """Of what has a body, which many clients don't send twice."""
    assert served.client.post("/ocr/", files={"file": png}).json()["status"] == "ok"
    assert served.client.put("/process//", content=png).status_code == 200
    assert served.client.post("/v1/ocr/", json={}).status_code == 422
    assert (
        served.client.post("/").status_code
        == served.client.post("/", headers={"X-Forwarded-Prefix": "/x"}).status_code
        == 405
    )


@pytest.mark.parametrize("given", ["abc-123_X.y", "a" * 64])
def test_a_sane_request_id_is_kept(served: Gateway, given: str) -> None:
    answer = served.client.get("/livez", headers={"x-request-id": given})
    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "x\ty", "ü".encode()])
def test_any_other_request_id_is_replaced(served: Gateway, given: str | bytes) -> None:
    answer = served.client.get(
        "/livez", headers=[(b"x-request-id", given if isinstance(given, bytes) else given.encode())]
    )
    assert answer.status_code == 200
    assert answer.headers["x-request-id"].encode("latin-1") != given
    assert len(answer.headers["x-request-id"]) == 32


def test_two_requests_have_two_ids(served: Gateway) -> None:
    ids = {served.client.get("/livez").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3


def test_unknown_paths_and_methods_are_problems(served: Gateway) -> None:
    assert_problem(served.client.get("/nowhere"), 404, "not_found")
    answer = served.client.get("/ocr")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"
    assert "takes POST." in answer.json()["detail"]


def test_another_method_is_told_which_ones_there_are(served: Gateway) -> None:
    """On each path, in whatever shape its failures come."""
    for path, operations in served.client.get("/openapi.json").json()["paths"].items():
        answer = served.client.patch(re.sub(r"\{\w+\}", "a", path))
        methods = ", ".join(sorted(name.upper() for name in operations))
        assert (answer.status_code, answer.headers.get("allow")) == (405, methods), path
        assert methods in answer.text, path


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    turns = LoopTurns()
    app.add_middleware(BodyLimitMiddleware, limit=10, pause_s=0.5, rate=5, turns=turns)
    app.add_middleware(RequestMiddleware, metrics=Metrics(), turns=turns)
    install_errors(app)

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("a secret path")

    @app.post("/size")
    async def size(request: Request) -> int:
        return len(await request.body())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


async def test_a_bug_is_logged_with_its_trace_and_answered_without(client: httpx.AsyncClient, logged: StringIO) -> None:
    answer = await client.get("/bug", headers={"x-request-id": "r-1"})
    assert_problem(answer, 500, "internal_error")
    assert "secret" not in answer.text
    written = [json.loads(line) for line in logged.getvalue().splitlines()]
    lines = [line for line in written if line["logger"] == "gateway.api.middleware"]  # other tests' services log too
    assert [line.get("request_id") for line in lines] == ["r-1", "r-1"]
    assert any("a secret path" in line.get("exception", "") for line in lines)
    access = next(line for line in lines if line["event"] == "request")
    assert (access["method"], access["path"], access["status"]) == ("GET", "/bug", 500)
    assert "ms" in access


async def test_the_standard_librarys_loggers_write_the_same_lines(logged: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-2"):
        logging.getLogger("some.package").warning("disk %s\nfull", "a")
    (line,) = logged.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["request_id"]) == ("disk a\nfull", "warning", "r-2")
    assert found["ts"].endswith("Z")


async def test_a_body_that_stops_arriving_is_refused(client: httpx.AsyncClient) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"12345"
        await asyncio.Event().wait()

    assert_problem(await client.post("/size", content=stalled()), 408, "body_timeout")


async def test_a_body_is_measured_by_its_announced_and_by_its_real_length(client: httpx.AsyncClient) -> None:
    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"12345"

    assert (await client.post("/size", content=b"1234567890")).json() == 10
    assert (await client.post("/size", content=chunks(2))).json() == 10
    assert_problem(await client.post("/size", content=b"1" * 11), 413, "body_too_large")
    assert_problem(await client.post("/size", content=chunks(3)), 413, "body_too_large")


@pytest.mark.parametrize(
    ("prefixes", "path"),
    [
        (["/a/"], "/a/openapi.json"),
        (["/a, /b"], "/a/b/openapi.json"),
        (["/a,/b/"], "/openapi.json"),
        (["/a", "/b"], "/a/b/openapi.json"),
    ],
)
def test_prefixes_of_several_proxies_are_one(served: Gateway, prefixes: list[str], path: str) -> None:
    """As gateways send them, each of which adds its own."""
    headers = [("X-Forwarded-Prefix", prefix) for prefix in prefixes]
    answer = served.client.get(path, headers=headers)
    joined = "/a" if len(prefixes) == 1 and "," not in prefixes[0] else "/a/b"
    assert answer.json()["servers"][0]["url"] == joined


def test_slashes_at_the_start_are_one(served: Gateway) -> None:
    """Of a base URL that ends with a slash, and of proxies."""
    answer = served.client.get(f"{served.url}//livez")
    assert (answer.status_code, answer.history) == (200, [])
