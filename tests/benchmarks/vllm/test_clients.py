"""Which way goes where, and what it asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from benchmarks import ways
from benchmarks.questions import Question
from benchmarks.service import Service
from benchmarks.ways import CHAT, PLAIN, READING, STRAIGHT, Answer, Way, all_ways, raw_client
from gateway.recognition.crops import crop_of


@asynccontextmanager
async def server(asked: list[dict[str, Any]]) -> AsyncIterator[BaseTestServer]:
    """An OpenAI API that serves `tiny` and keeps what it is asked."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}]})

    async def chat(request: web.Request) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"choices": [{"message": {"content": " read "}}], "usage": {"completion_tokens": 3}})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", chat)
    async with TestServer(app) as running:
        yield running


async def test_chat_goes_to_the_gateway_the_raw_ways_to_vllm_and_one_asks_for_no_log_probabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @asynccontextmanager
    async def recognition(*_: object) -> AsyncIterator[Way]:
        async def read(_: Sequence[Question]) -> list[Answer]:
            return []

        yield read

    monkeypatch.setattr(ways, "recognition", recognition)
    to_vllm: list[dict[str, Any]] = []
    to_gateway: list[dict[str, Any]] = []
    question, said = Question(crop_of(b"png", 1, 1), "OCR:", 9), {}
    async with server(to_vllm) as vllm, server(to_gateway) as gateway, raw_client() as session:
        service = Service(f"http://127.0.0.1:{gateway.port}", vllm.port or 0, 0)
        async with all_ways(session, service, 2) as found:
            for name in (STRAIGHT, PLAIN, CHAT):
                said[name] = await found[name]([question])
    assert list(found) == [STRAIGHT, READING, CHAT, PLAIN]
    assert said == {name: [Answer("read", 3)] for name in (STRAIGHT, PLAIN, CHAT)}
    assert [(body["model"], body["logprobs"], body["max_completion_tokens"]) for body in to_vllm] == [
        ("tiny", True, 9),
        ("tiny", False, 9),
    ]
    assert to_gateway == to_vllm[:1]
