from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from gateway.model import Region
from paddleocr_vl_client.connections import KEY_VARIABLE, URL_VARIABLE
from tests.gateway.intake.files import pdf
from tests.paddleocr_vl_client.conftest import KEY
from tests.supervision.support import ROOT, environment
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import Reply, StubRequest
from tests.support.waiting import WAIT_S

OTHER_KEY = "another-key"

Connect: TypeAlias = Callable[[], AbstractAsyncContextManager[Client]]


class Failure(Exception):
    """What a tool has answered instead of a result."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An allowed folder, with a PDF of four pages and links to what is not allowed."""
    beside = tmp_path_factory.mktemp("files")
    allowed = beside / "allowed"
    (allowed / "more").mkdir(parents=True)
    (allowed / "more" / "four.pdf").write_bytes(pdf(4))
    (allowed / "five.pdf").write_bytes(pdf(5))
    (allowed / "broken.pdf").write_text("no document")
    (beside / "secret.pdf").write_bytes(pdf(1))
    (allowed / "link.pdf").symlink_to(beside / "secret.pdf")
    (allowed / "up").symlink_to(beside)
    return allowed


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Gateway]:
    keys = f"{KEY},{OTHER_KEY}"
    home = tmp_path_factory.mktemp("gateway")
    with gateway(home, api_keys=keys, jobs=True, mcp=True, mcp_folders=str(folder)) as running:
        yield running


@pytest.fixture
def pages(served: Gateway) -> Gateway:
    """Pages with a title, a text and a table."""
    labels = ("doc_title", "text", "table")
    served.layout.regions = [
        Region(label, (10, 40 * at, 210, 40 * at + 30), at + 1, 0.9) for at, label in enumerate(labels)
    ]
    served.engine.answer = _answer
    return served


def _answer(request: StubRequest) -> Reply:
    if request.prompt == "Table Recognition:":
        return Reply("<fcel>Amount<fcel>1,250.00<nl>")
    return Reply("Invoice of the Harbour Office " + "and a line more " * 20)


@pytest.fixture(params=["stdio", "http"])
def connect(request: pytest.FixtureRequest, pages: Gateway, folder: Path) -> Connect:
    """Connects the official client, by each transport."""
    if request.param == "http":
        return lambda: by_http(pages.url)
    return lambda: by_stdio(pages.url, folder)


@asynccontextmanager
async def by_stdio(url: str, *folders: Path) -> AsyncIterator[Client]:
    words = [word for folder in folders for word in ("--folder", str(folder))]
    names = environment(**{URL_VARIABLE: url, KEY_VARIABLE: KEY, "PYTHONPATH": str(ROOT)})
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "supervision.cli", "mcp", *words], env=names
    )
    async with Client(stdio_client(server), read_timeout_seconds=WAIT_S) as client:
        yield client


@asynccontextmanager
async def by_http(url: str, key: str = KEY, **headers: str) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {key}", **headers}, timeout=WAIT_S) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), read_timeout_seconds=WAIT_S) as client,
    ):
        yield client


async def call(client: Client, tool: str, **arguments: object) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """The tool's structured result. Raises Failure with what it says instead."""
    answer = await client.call_tool(tool, arguments)
    text = "".join(getattr(part, "text", "") for part in answer.content)
    if answer.is_error:
        raise Failure(text)
    found = answer.structured_content
    assert found is not None
    assert json.loads(json.dumps(found)) == found
    return found["result"] if set(found) == {"result"} else found
