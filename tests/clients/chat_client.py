"""Run by the interpreter that a framework is installed for: shows one picture to the model.

Arguments: the framework, the service's URL, the key, the picture's path. Prints what it got as JSON.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Found = dict[str, Any]
MODEL, PROMPT = "stub-model", "OCR:"


def langchain_mistral(url: str, key: str, path: str) -> Found:
    from langchain_core.messages import HumanMessage
    from langchain_mistralai import ChatMistralAI

    model = ChatMistralAI(model=MODEL, base_url=f"{url}/v1", api_key=key, random_seed=7, max_retries=1)
    parts = [{"type": "image_url", "image_url": {"url": _data_url(path)}}, {"type": "text", "text": PROMPT}]
    message = HumanMessage(content=parts)
    streamed = "".join(str(chunk.content) for chunk in model.stream([message]))
    return {"text": model.invoke([message]).content, "streamed": streamed}


def pydantic_ai(url: str, key: str, path: str) -> Found:
    from pydantic_ai import Agent, BinaryContent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    agent = Agent(OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=f"{url}/v1", api_key=key)))
    picture = BinaryContent(data=Path(path).read_bytes(), media_type="image/png")
    return {"text": agent.run_sync([picture, PROMPT]).output}


def llama_index(url: str, key: str, path: str) -> Found:
    from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(model=MODEL, api_base=f"{url}/v1", api_key=key, is_chat_model=True, max_retries=0)
    blocks = [ImageBlock(path=path, image_mimetype="image/png"), TextBlock(text=PROMPT)]
    return {"text": model.chat([ChatMessage(role="user", blocks=blocks)]).message.content}


def haystack(url: str, key: str, path: str) -> Found:
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage, ImageContent
    from haystack.utils import Secret

    model = OpenAIChatGenerator(
        api_key=Secret.from_token(key), model=MODEL, api_base_url=f"{url}/v1", generation_kwargs={"max_tokens": 50}
    )
    message = ChatMessage.from_user(content_parts=[ImageContent.from_file_path(path), PROMPT])
    return {"text": model.run([message])["replies"][0].text}


def semantic_kernel(url: str, key: str, path: str) -> Found:
    from openai import AsyncOpenAI
    from semantic_kernel.connectors.ai.open_ai import OpenAIChatCompletion, OpenAIChatPromptExecutionSettings
    from semantic_kernel.contents import ChatHistory, ChatMessageContent, ImageContent, TextContent

    client = AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)
    model = OpenAIChatCompletion(ai_model_id=MODEL, async_client=client)
    items = [ImageContent(uri=_data_url(path)), TextContent(text=PROMPT)]
    history = ChatHistory(messages=[ChatMessageContent(role="user", items=items)])
    answer = asyncio.run(model.get_chat_message_content(history, OpenAIChatPromptExecutionSettings()))
    return {"text": str(answer)}


def _data_url(path: str) -> str:
    return "data:image/png;base64," + base64.b64encode(Path(path).read_bytes()).decode()


CLIENTS: dict[str, Callable[[str, str, str], Found]] = {
    "langchain_mistral": langchain_mistral,
    "pydantic_ai": pydantic_ai,
    "llama_index": llama_index,
    "haystack": haystack,
    "semantic_kernel": semantic_kernel,
}


if __name__ == "__main__":
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    try:
        got = CLIENTS[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        got = {"error": type(error).__name__, "message": f"{error} {error.__cause__ or ''}"}
    sys.stdout.write("\n" + json.dumps(got) + "\n")
