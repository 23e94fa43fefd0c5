"""What the clients send."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.vllm.clients import Answer, crop_client, document_client, open_session, served_model
from tests.vllm.lessons import Lesson


@asynccontextmanager
async def server(sent: list[dict[str, Any]]) -> AsyncIterator[str]:
    """An OpenAI API that serves `tiny`, and `/ocr`; both note what they are sent."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "tiny"}]})

    async def chat(request: web.Request) -> web.Response:
        sent.append(await request.json())
        return web.json_response({"choices": [{"message": {"content": " read "}}], "usage": {"completion_tokens": 3}})

    async def ocr(request: web.Request) -> web.Response:
        sent.append(dict(await request.post()))
        return web.json_response({"markdown": "# read", "usage": {"completion_tokens": 6, "regions": 2}})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/ocr", ocr)
    async with TestServer(app) as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize("logprobs", [True, False])
async def test_crops_are_sent_as_chat_requests(tmp_path: Path, logprobs: bool) -> None:
    sent: list[dict[str, Any]] = []
    picture = tmp_path / "crop.png"
    picture.write_bytes(b"png")
    async with server(sent) as url, open_session() as session:
        model = await served_model(session, f"{url}/v1")
        lessons = [Lesson(str(picture), "OCR:", "read")] * 2
        send = crop_client(session, f"{url}/v1", model, lessons, 1, logprobs=logprobs)
        assert await send() == [Answer("read", 3)] * 2
    assert [(body["model"], body["logprobs"]) for body in sent] == [("tiny", logprobs)] * 2
    assert sent[0]["messages"][0]["content"][0]["image_url"]["url"] == "data:image/png;base64,cG5n"


async def test_documents_are_sent_with_unmerged_regions(tmp_path: Path) -> None:
    sent: list[dict[str, Any]] = []
    file = tmp_path / "page.png"
    file.write_bytes(b"png")
    async with server(sent) as url, open_session() as session:
        assert await document_client(session, url, file, 3, 2)() == [Answer("# read", 6, 2)] * 3
    assert [form["merge_blocks"] for form in sent] == ["false"] * 3
