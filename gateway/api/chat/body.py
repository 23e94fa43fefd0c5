"""The engine's request, made anew from what was checked. Nothing of the client's body goes further than this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic_core

from gateway.api.chat.request import ChatRequest, Message, TextPart
from gateway.model import EngineKind
from gateway.recognition.probe import ServedModel

MAX_COMPLETION_TOKENS = 16_384
"""Most tokens of one answer, as for one region of `POST /ocr`; an answer that long is a model that repeats itself."""
_PASSED_ON = (
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "seed",
    "stop",
    "stream",
    "logprobs",
    "top_logprobs",
    "skip_special_tokens",
)


def engine_body(
    request: ChatRequest, model: ServedModel, kind: EngineKind | None, picture: str | None, priority: int | None = None
) -> bytes:
    """JSON for the engine's `/chat/completions`. `picture` is the data URL of the one picture, as the gateway made it;
    `priority` is for an engine that takes one.

    Temperature is 0 unless asked for: engines would take 1, at which a model that transcribes makes things up.
    """
    given: Mapping[str, Any] = request.model_dump(include=set(_PASSED_ON), exclude_none=True)
    body: dict[str, Any] = {
        "model": model.id,
        "messages": [_message(message, picture) for message in request.messages],
        "temperature": request.temperature or 0,
        **given,
    }
    if limit := token_limit(request.token_limit, model.max_model_len):
        body["max_tokens" if kind == "external" else "max_completion_tokens"] = limit
    if priority is not None:
        body["priority"] = priority
    if request.stream_options:
        body["stream_options"] = {"include_usage": bool(request.stream_options.include_usage)}
    return pydantic_core.to_json(body)


def token_limit(asked: int | None, context: int | None) -> int | None:
    """Most tokens to ask for; None leaves it to the engine, which goes on to the end of its context.

    A limit beyond the context is one that engines refuse, though it can only mean "as much as there is room for".
    """
    if asked is None:
        return MAX_COMPLETION_TOKENS if context and context > MAX_COMPLETION_TOKENS else None
    limit = min(asked, MAX_COMPLETION_TOKENS)
    return None if context and limit >= context else limit


def _message(message: Message, picture: str | None) -> dict[str, Any]:
    """Templates of some engines know no parts but in the user's messages."""
    if message.role != "user":
        texts = [part.text for part in message.content if isinstance(part, TextPart)]
        return {"role": message.role, "content": "".join(texts)}
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": picture}}
        for part in message.content
    ]
    return {"role": "user", "content": parts}
