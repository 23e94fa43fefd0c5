"""What OpenAPI says of `/v1`, whose bodies FastAPI doesn't parse: refusing comes before reading."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from gateway.api.example import EXAMPLE_PICTURE
from gateway.api.openai.errors import OpenAIError
from gateway.api.openai.schema import ChatCompletionChunk, ChatRequest
from gateway.api.openapi import inlined_schema

CHAT_DESCRIPTION = """OpenAI's chat completions, for OpenAI's clients: one question about at most one picture, which
the VLM itself answers, without layout detection. Pictures come as `data:image/…;base64,` URLs, or as http(s) URLs that
the service fetches; PNG, JPEG, WebP, BMP, GIF, TIFF (first frame), JPEG 2000, HEIC and AVIF are read. Fields that are
not listed are refused.

With `stream`, the answer is server-sent events, the last one `data: [DONE]`.
"""

_EXAMPLE = {
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{EXAMPLE_PICTURE}"}},
                {"type": "text", "text": "OCR:"},
            ],
        }
    ],
    "max_completion_tokens": 4096,
}
_ANSWER = {
    "id": "chatcmpl-5f0c",
    "object": "chat.completion",
    "created": 1790000000,
    "model": "PaddlePaddle/PaddleOCR-VL-1.6",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Invoice No. 17"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 120, "completion_tokens": 6, "total_tokens": 126},
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures in OpenAI's shape."""
    content = {"application/json": {"schema": inlined_schema(OpenAIError)}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


CHAT_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": inlined_schema(ChatRequest), "example": _EXAMPLE}},
    }
}

CHAT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or its events.",
        "content": {
            "application/json": {"example": _ANSWER},
            "text/event-stream": {
                "schema": inlined_schema(ChatCompletionChunk),
                "example": 'data: {"id": "chatcmpl-5f0c", "object": "chat.completion.chunk", …}\n\ndata: [DONE]\n\n',
            },
        },
    },
    **error_responses(400, 401, 404, 408, 413, 429, 500, 502, 503, 504),
}
