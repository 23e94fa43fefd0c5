"""LangChain's ChatOpenAI, which sends and expects more than the official client that it is built on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.api.openai.conftest import KEY, MESSAGES, PICTURE
from tests.support.server import Gateway
from tests.support.stub_engine import Reply

ChatOpenAI: Any = pytest.importorskip("langchain_openai", reason="langchain-openai is not installed").ChatOpenAI

PROMPT = [("user", MESSAGES[0]["content"])]


@pytest.fixture
def chat_model(served: Gateway) -> Callable[..., Any]:
    def create(**options: Any) -> Any:  # noqa: ANN401 - LangChain's own
        return ChatOpenAI(model="stub-model", base_url=f"{served.url}/v1", api_key=KEY, max_retries=0, **options)

    return create


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.1, "max_tokens": 50, "seed": 1, "stop": ["x"], "logprobs": True, "top_logprobs": 1}],
)
def test_an_answer(chat_model: Callable[..., Any], options: dict[str, Any]) -> None:
    answer = chat_model(**options).invoke(PROMPT)
    assert answer.content == "line one\nline two"
    assert answer.usage_metadata["total_tokens"] > 0
    assert answer.response_metadata["finish_reason"] == "stop"
    assert bool(answer.response_metadata["logprobs"]) == ("logprobs" in options)


@pytest.mark.parametrize("options", [{}, {"stream_usage": True}])
def test_a_stream(chat_model: Callable[..., Any], options: dict[str, Any]) -> None:
    chunks = list(chat_model(**options).stream(PROMPT))
    assert "".join(chunk.content for chunk in chunks) == "line one\nline two"
    assert any(chunk.usage_metadata for chunk in chunks) == bool(options)


async def test_asynchronously(chat_model: Callable[..., Any]) -> None:
    model = chat_model()
    assert (await model.ainvoke(PROMPT)).content == "line one\nline two"
    assert "".join([chunk.content async for chunk in model.astream(PROMPT)]) == "line one\nline two"


def test_langchains_own_form_of_a_picture(served: Gateway, chat_model: Callable[..., Any]) -> None:
    picture = {"type": "image", "base64": PICTURE.partition(",")[2], "mime_type": "image/png"}
    assert chat_model().invoke([("user", [picture, {"type": "text", "text": "OCR:"}])]).content
    assert served.engine.requests[-1].size == (400, 300)


def test_a_conversation(served: Gateway, chat_model: Callable[..., Any]) -> None:
    model = chat_model()
    first = model.invoke(PROMPT)
    served.engine.script.append(Reply("and more"))
    assert model.invoke([("system", "Be brief."), *PROMPT, first, ("user", "And?")]).content == "and more"
