"""The servers under load, each with the recorded boxes and the stub engine, and how a document is sent to each."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load.engine import CONCURRENCY
from benchmarks.load.page import QUALITY, document, write_boxes
from benchmarks.processes import Program, free_port, start_program

PEERS = Path(__file__).parent / "peers"
GATEWAY, PADDLEX, GLMOCR = "gateway", "PaddleX serving", "GLM-OCR SDK server"


@dataclass(frozen=True, slots=True)
class Document:
    """A PDF in memory and on disk: GLM-OCR's server takes PDFs by a path of its own machine only."""

    data: bytes
    file: Path
    pages: int = 1


def make_document(folder: str, pages: int = 1, quality: int = QUALITY) -> Document:
    """A document of so many pages, its file in `folder`."""
    file = Path(folder) / f"{pages}-pages.pdf"
    file.write_bytes(document(pages, quality))
    return Document(file.read_bytes(), file, pages)


@dataclass(frozen=True, slots=True)
class Reply:
    """`size`: of the answer in bytes. `is_whole`: the server says, or shows, that nothing is missing."""

    status: int
    is_whole: bool = False
    size: int = 0


Read = Callable[[aiohttp.ClientSession, str, Document], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Server:
    program: Program
    read: Read
    engines: Sequence[Program]


@contextmanager
def start_engine(*, faults: bool = False, pace: float = 1.0, concurrency: int = CONCURRENCY) -> Iterator[Program]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.load.engine", str(port), "--pace", str(pace)]
    command += ["--concurrency", str(concurrency)]
    command += ["--faults"] if faults else []
    with start_program("engine", command, port, "/health") as program:
        yield program


@contextmanager
def start_gateway(*stubs: Program, **settings: str) -> Iterator[Server]:
    """The gateway on stub engines, on whose pages the scripted page's boxes stand."""
    urls = {"VLM_BASE_URL": ",".join(f"{stub.url}/v1" for stub in stubs)}
    with start_gateway_on(stubs[0].url, **urls, **settings) as program:
        yield Server(program, _read_by_gateway, stubs)


@contextmanager
def start_gateway_on(engine_url: str, **settings: str) -> Iterator[Program]:
    """The gateway with settings of its own besides the defaults. No peer writes logs of what it does, nor does it.

    `BENCH_BOXES` names a file of other boxes than the scripted page's; `engine_url` is without a path.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "HOST": "127.0.0.1", "PORT": str(port), "VLM_ENGINE": "external", "VLM_BASE_URL": f"{engine_url}/v1",
            "LOG_LEVEL": "WARNING", "OUTPUT_DIR": f"{folder}/output", "TEMP_DIR": f"{folder}/temp",
            "BENCH_BOXES": str(write_boxes(Path(folder) / "boxes.json")), **settings,
        }  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.load.app"]
        with start_program(GATEWAY, command, port, "/readyz", environment) as program:
            yield program


@contextmanager
def start_paddlex(stub: Program, python: str) -> Iterator[Server]:
    with _start_peer(PADDLEX, python, "paddlex_server.py", f"{stub.url}/v1", "/health") as program:
        yield Server(program, _read_by_paddlex, (stub,))


@contextmanager
def start_glmocr(stub: Program, python: str) -> Iterator[Server]:
    with _start_peer(GLMOCR, python, "glmocr_server.py", stub.url.rpartition(":")[2], "/health") as program:
        yield Server(program, _read_by_glmocr, (stub,))


@contextmanager
def _start_peer(name: str, python: str, script: str, engine_at: str, ready_path: str) -> Iterator[Program]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        boxes = write_boxes(Path(folder) / "boxes.json")
        command = [python, str(PEERS / script), str(port), engine_at, str(boxes)]
        with start_program(name, command, port, ready_path) as program:
            yield program


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=3600)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


async def _read_by_gateway(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    form = aiohttp.FormData()
    form.add_field("file", document.data, filename="document.pdf")
    async with session.post(f"{url}/ocr", data=form) as response:
        body = await response.read()
    return Reply(response.status, response.status == 200 and has_all_blocks(json.loads(body)), len(body))


def has_all_blocks(answer: dict[str, Any]) -> bool:
    """Whether each page has blocks and each block its reading. The stub engine's texts come in the order of the calls,
    not of the regions, so warnings of text that a block lacks say nothing here."""
    pages = [page["blocks"] for page in answer["pages"]]
    return all(pages) and all(block["status"] == "ok" for blocks in pages for block in blocks)


async def _read_by_paddlex(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    """Without the drawings of the layout, which it makes by default and which cost it more than all the rest."""
    body = {"file": base64.b64encode(document.data).decode(), "fileType": 0, "visualize": False}
    async with session.post(f"{url}/layout-parsing", json=body) as response:
        await response.read()
    return Reply(response.status, response.status == 200)


async def _read_by_glmocr(session: aiohttp.ClientSession, url: str, document: Document) -> Reply:
    async with session.post(f"{url}/glmocr/parse", json={"file": str(document.file)}) as response:
        body = await response.read()
    if response.status != 200:
        return Reply(response.status)
    blocks = [block for page in json.loads(body)["json_result"] for block in page]
    return Reply(200, all(block["content"] is not None for block in blocks))
