"""A gateway before a stub of vLLM, and the official clients."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from tests.gateway.conftest import encoded
from tests.support.server import Gateway, gateway
from tests.support.stub_engine import StubEngine

KEY = "one-key"


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder: Path = tmp_path_factory.mktemp("gateway")
    limits: dict[str, Any] = {
        "max_upload_mb": 2,
        "max_chats": 2,
        "max_pixels": 2_000_000,
        "vlm_max_pixels": 28 * 28 * 400,
    }
    engine = StubEngine(kind="vllm", more_models=("other/name", "PaddleOCR-VL-1.6-0.9B"), max_model_len=8192)
    with gateway(folder, engine=engine, api_keys=KEY, url_fetch="any", vlm_warm_up=False, **limits) as running:
        running.client.headers["Authorization"] = f"Bearer {KEY}"
        yield running


@pytest.fixture
def served(_running: Gateway) -> Iterator[Gateway]:
    _running.reset()
    yield _running
    _running.reset()


@pytest.fixture
def client(served: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(served: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


def data_url(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def about(url: str, prompt: str = "OCR:") -> list[Any]:
    """Messages with one picture and a prompt."""
    picture = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [picture, {"type": "text", "text": prompt}]}]


PICTURE = data_url(encoded("PNG"))
MESSAGES = about(PICTURE)


def said(client: OpenAI, stream: bool) -> str:
    """What the model says of the picture, asked for either way."""
    if not stream:
        answer = client.chat.completions.create(model="stub-model", messages=MESSAGES)
        return answer.choices[0].message.content or ""
    chunks = client.chat.completions.create(model="stub-model", messages=MESSAGES, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
