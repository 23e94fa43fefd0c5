"""Clients of the same vLLM. Each keeps a number of requests in flight and gives all answers."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.vllm.lessons import Lesson

MAX_TOKENS = 4096
KEEPALIVE_S = 4.0
"""Less than vLLM's: a connection that the server closes first fails the next request."""
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """To one crop, or of a whole document: then `calls` are its regions."""

    text: str
    tokens: int
    calls: int = 1


Client = Callable[[], Awaitable[list[Answer]]]


@asynccontextmanager
async def open_session() -> AsyncIterator[aiohttp.ClientSession]:
    """With no limit of its own, of connections or of time."""
    timeout, connector = aiohttp.ClientTimeout(None), aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield session


async def served_model(session: aiohttp.ClientSession, base_url: str) -> str:
    async with session.get(f"{base_url}/models") as models:
        model: str = (await models.json())["data"][0]["id"]
    return model


def crop_client(
    session: aiohttp.ClientSession,
    base_url: str,
    model: str,
    lessons: Sequence[Lesson],
    in_flight: int,
    *,
    logprobs: bool = True,
) -> Client:
    """Raw HTTP to an OpenAI API: little more than what must be done to send a body and parse its answer."""
    slots = asyncio.Semaphore(in_flight)
    bodies = {lesson: request_body(lesson, model, logprobs=logprobs) for lesson in set(lessons)}

    async def send(lesson: Lesson) -> Answer:
        async with slots:
            answer = await _post(session, f"{base_url}/chat/completions", data=bodies[lesson], headers=JSON)
        text: str = answer["choices"][0]["message"]["content"] or ""
        return Answer(text.strip(), answer["usage"]["completion_tokens"])

    return lambda: _gather(map(send, lessons))


def request_body(lesson: Lesson, model: str, *, logprobs: bool) -> bytes:
    """The chat request as the gateway's region calls make it."""
    picture = "data:image/png;base64," + base64.b64encode(Path(lesson.picture).read_bytes()).decode("ascii")
    content = [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": lesson.prompt}]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "temperature": 0.0,
        "max_completion_tokens": MAX_TOKENS,
        "logprobs": logprobs,
        "skip_special_tokens": True,
    }
    return json.dumps(body).encode()


def document_client(session: aiohttp.ClientSession, url: str, file: Path, count: int, in_flight: int) -> Client:
    """The same file `count` times to `POST /ocr`, regions unmerged; an answer is a document."""
    slots = asyncio.Semaphore(in_flight)
    data = file.read_bytes()

    async def send(_: int) -> Answer:
        form = aiohttp.FormData({"images": "none", "merge_blocks": "false"})
        form.add_field("file", data, filename=file.name)
        async with slots:
            answer = await _post(session, f"{url}/ocr", data=form)
        return Answer(answer["markdown"], answer["usage"]["completion_tokens"], answer["usage"]["regions"])

    return lambda: _gather(map(send, range(count)))


async def _gather(sent: Iterable[Awaitable[Answer]]) -> list[Answer]:
    return list(await asyncio.gather(*sent))


async def _post(session: aiohttp.ClientSession, url: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - aiohttp's
    async with session.post(url, **request) as response:
        body = await response.read()
    if response.status != 200:
        sys.exit(f"{url} answered {response.status}: {body[:500].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(body)
    return answer
