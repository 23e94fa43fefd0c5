"""Ways to the same vLLM. Each takes all questions at once, keeps a number of them in flight, and gives the answers."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.questions import Question, request_body
from benchmarks.service import Service
from gateway.engine.transport import KEEPALIVE_S
from gateway.recognition import Recognition, create_recognition
from gateway.recognition.fairness import Caller
from gateway.settings import Settings

STRAIGHT, READING, CHAT = "straight to vLLM", "recognition path", "/v1/chat/completions"
PLAIN = "straight, without logprobs"
LONGEST_S = 3600.0
READY_S = 60.0
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """To one crop, or of a whole document: then `calls` are its regions, and `pages` is not 0."""

    text: str
    tokens: int
    calls: int = 1
    pages: int = 0


Answering = Callable[[], Awaitable[list[Answer]]]
Way = Callable[[Sequence[Question]], Awaitable[list[Answer]]]


@asynccontextmanager
async def raw_client() -> AsyncIterator[aiohttp.ClientSession]:
    """With no limit of its own, of connections or of time."""
    timeout, connector = aiohttp.ClientTimeout(None), aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


@asynccontextmanager
async def all_ways(session: aiohttp.ClientSession, service: Service, in_flight: int) -> AsyncIterator[dict[str, Way]]:
    """To the service's vLLM, by name."""
    base_url = f"http://127.0.0.1:{service.vlm_port}/v1"
    model = await _served_model(session, base_url)
    async with recognition(service.vlm_port, in_flight) as reading:
        yield {
            STRAIGHT: over_http(session, base_url, model, in_flight),
            READING: reading,
            CHAT: over_http(session, f"{service.url}/v1", model, in_flight),
            PLAIN: over_http(session, base_url, model, in_flight, logprobs=False),
        }


def over_http(
    session: aiohttp.ClientSession, base_url: str, model: str, in_flight: int, *, logprobs: bool = True
) -> Way:
    """Raw HTTP to an OpenAI API: little more than what must be done to send a body and parse its answer."""
    slots = asyncio.Semaphore(in_flight)

    async def ask(question: Question) -> Answer:
        body = request_body(question, model, logprobs=logprobs)
        async with slots:
            answer = await _posted(session, f"{base_url}/chat/completions", data=body, headers=JSON)
        text: str = answer["choices"][0]["message"]["content"] or ""
        return Answer(text.strip(), answer["usage"]["completion_tokens"])

    return lambda questions: _all(ask, questions)


@asynccontextmanager
async def recognition(vlm_port: int, in_flight: int) -> AsyncIterator[Way]:
    """The gateway's queue and reader of regions in this process, used as its pipeline uses them once crops are cut."""
    with tempfile.TemporaryDirectory() as folder:  # a TEMP_DIR that knows no engine: this one must kill none
        settings = Settings(
            vlm_engine="vllm",
            vlm_port=vlm_port,
            temp_dir=Path(folder),
            max_concurrent_regions=in_flight,
            vlm_warm_up=False,
        )
        parts = create_recognition(settings)
        await parts.engine.start()
        try:
            if not await parts.engine.wait_ready(READY_S):
                sys.exit(f"the recognition path did not become ready: {parts.engine.reason}")
            yield lambda questions: _read(parts, questions)
        finally:
            await parts.engine.close()


def documents(
    session: aiohttp.ClientSession, url: str, file: Path, in_flight: int, options: dict[str, str]
) -> Callable[[int], Awaitable[list[Answer]]]:
    """The same file to `POST /ocr` so many times; an answer is a document."""
    slots = asyncio.Semaphore(in_flight)
    data = file.read_bytes()

    async def read(_: int) -> Answer:
        form = aiohttp.FormData({"images": "none", **options})
        form.add_field("file", data, filename=file.name)
        async with slots:
            answer = await _posted(session, f"{url}/ocr", data=form)
        usage = answer["usage"]
        return Answer(answer["markdown"], usage["completion_tokens"], usage["regions"], usage["pages"])

    return lambda count: _all(read, range(count))


async def _served_model(session: aiohttp.ClientSession, base_url: str) -> str:
    async with session.get(f"{base_url}/models") as models:
        model: str = (await models.json())["data"][0]["id"]
    return model


async def _read(parts: Recognition, questions: Sequence[Question]) -> list[Answer]:
    document, deadline = Caller(), asyncio.get_running_loop().time() + LONGEST_S

    async def read(question: Question) -> Answer:
        place = await parts.queue.place(document)
        async with place.turn():
            reading = await parts.reader.read(question.crop, question.task, deadline)
        if reading.status not in ("ok", "truncated"):
            sys.exit(f"a region was not read: {reading.error}")
        return Answer(reading.text, reading.completion_tokens)

    return await _all(read, questions)


async def _all(ask: Callable[[Any], Awaitable[Answer]], asked: Sequence[Any]) -> list[Answer]:
    return list(await asyncio.gather(*map(ask, asked)))


async def _posted(session: aiohttp.ClientSession, url: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's
    async with session.post(url, **request) as response:
        body = await response.read()
    if response.status != 200:
        sys.exit(f"{url} answered {response.status}: {body[:500].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(body)
    return answer
