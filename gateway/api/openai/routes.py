"""`POST /v1/chat/completions` and `GET /v1/models`: OpenAI's API to the VLM."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from gateway.api.admission import Admission, begin_chat, cancel_on_disconnect, require_json
from gateway.api.auth import key_required
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.example import EXAMPLE_PICTURE
from gateway.api.openai.chat_stream import engine_events, event_stream, next_event, whole_answer
from gateway.api.openai.errors import OpenAIError
from gateway.api.openai.schema import ChatCompletion, ChatCompletionChunk, ChatRequest
from gateway.api.openai.upstream import engine_body, picture_for_engine
from gateway.api.openai.validation import DOCUMENT_PLACES, image_of, parse_chat
from gateway.api.openapi import inlined_schema
from gateway.engine.probes import ServedModel
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.parts import Parts
from gateway.scheduling.fair_semaphore import INTERACTIVE, engine_priority

_CHAT_DESCRIPTION = """OpenAI's chat completions, for OpenAI's clients: one question about at most one picture, which
the VLM itself answers, without layout detection. Pictures come as `data:image/…;base64,` URLs, or as http(s) URLs that
the service fetches; PNG, JPEG, WebP, BMP, GIF, TIFF (first frame), JPEG 2000, HEIC and AVIF are read. Fields that are
not listed are refused.

With `stream`, the answer is server-sent events, the last one `data: [DONE]`.
"""

_CHAT_EXAMPLE = {
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
_CHAT_ANSWER = {
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


def _error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures in OpenAI's shape."""
    content = {"application/json": {"schema": inlined_schema(OpenAIError)}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


_CHAT_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": inlined_schema(ChatRequest), "example": _CHAT_EXAMPLE}},
    }
}

_CHAT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The answer, or its events.",
        "content": {
            "application/json": {"example": _CHAT_ANSWER},
            "text/event-stream": {
                "schema": inlined_schema(ChatCompletionChunk),
                "example": 'data: {"id": "chatcmpl-5f0c", "object": "chat.completion.chunk", …}\n\ndata: [DONE]\n\n',
            },
        },
    },
    **_error_responses(400, 401, 404, 408, 413, 429, 500, 502, 503, 504),
}


router = APIRouter(tags=["chat"], dependencies=[key_required("chat")])


@router.post(
    "/v1/chat/completions",
    summary="Ask the VLM",
    description=_CHAT_DESCRIPTION,
    response_model=ChatCompletion,
    responses=_CHAT_RESPONSES,
    openapi_extra=_CHAT_REQUEST,
)
async def chat_completions(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_chat(request, service, scope)
    require_json(request)
    body = await admission.read_body(SpooledFile.from_stream(request.stream()))
    admission.take_chat_place()
    if admission.flow.account:
        scope.enter_context(admission.flow.account.hold_pages(1))()
    split = service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, split)
    chat = await asyncio.to_thread(parse_chat, sent.rest)
    work = _answer(service.parts, chat, sent.document, admission, scope)
    return await cancel_on_disconnect(request.receive, work)


async def _answer(
    parts: Parts, chat: ChatRequest, document: SpooledFile | None, admission: Admission, scope: AsyncExitStack
) -> Response:
    """A stream waits for its first event, so that what fails at once still has its own HTTP status."""
    flow, deadline = admission.flow, admission.deadline
    parts, model = find_model(parts, chat.model)
    admission.require_model(parts)
    body = await _engine_request(parts, chat, model, document, admission)
    if not chat.stream:
        return Response(await whole_answer(parts, flow, body, model.id, deadline), media_type="application/json")
    events = await scope.enter_async_context(aclosing(engine_events(parts, flow, body, model.id)))
    first = await next_event(events, deadline)
    stream = await scope.enter_async_context(aclosing(event_stream(first, events, deadline)))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")


async def _engine_request(
    parts: Parts, chat: ChatRequest, model: ServedModel, document: SpooledFile | None, admission: Admission
) -> bytes:
    """`document`: the bytes of a picture that came in the body."""
    engine, image = parts.engine, image_of(chat)
    if image is None and engine.kind == "embedded":
        raise ServiceError(
            400, "invalid_value", "The embedded engine reads pictures: `messages` must hold one.", param="messages"
        )
    try:
        async with asyncio.timeout_at(admission.deadline):
            limits = chat.mm_processor_kwargs
            picture = await picture_for_engine(image, document, limits, parts, admission.flow) if image else None
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The picture was not read before the deadline.") from None
    priority = engine_priority(INTERACTIVE) if engine.takes_priority else None
    return await asyncio.to_thread(engine_body, chat, model, engine.kind, picture, priority)


class Model(BaseModel):
    id: str = Field(examples=["PaddlePaddle/PaddleOCR-VL-1.6"])
    object: Literal["model"] = "model"
    created: int = Field(0, description="Unix time, seconds")
    owned_by: str = Field(examples=["vllm"])
    max_model_len: int | None = Field(None, description="Tokens of the context, where the engine tells")
    type: Literal["base"] = "base"
    capabilities: dict[str, bool] = Field(
        default={"vision": True, "ocr": True}, description="This and `type` for Mistral's clients, which need them"
    )


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


@router.get("/v1/models", summary="Models", response_model=ModelList, responses=_error_responses(401, 503))
async def models(service: ServiceDep) -> ModelList:
    """All models, the default one first, from memory: the names of `VLM_MODELS`, or those of the engine's model."""
    return ModelList(data=[_describe(name, model) for name, model in _served_models(service.parts)])


@router.get(
    "/v1/models/{id:path}", summary="One model", response_model=Model, responses=_error_responses(401, 404, 503)
)
async def model(service: ServiceDep, id: str) -> Model:
    """Its name may hold slashes."""
    _served_models(service.parts)
    _, found = find_model(service.parts, id)
    return _describe(id if id in service.parts.chat_names else found.id, found)


_PADDLEX_NAMES = frozenset({"PaddleOCR-VL-0.9B", "PaddleOCR-VL-1.5-0.9B", "PaddleOCR-VL-1.6-0.9B"})
"""What PaddleX's own pipeline calls the model, whatever engine serves it."""


def find_model(parts: Parts, name: str | None) -> tuple[Parts, ServedModel]:
    """What asks the model of this name, and the model as its engine has it: the default one for None and for PaddleX's
    names. Raises ServiceError 404 `model_not_found`, 503 `vlm_unavailable`."""
    if name in _PADDLEX_NAMES and parts.find_model(name, is_chat=True) is None:
        name = None
    try:
        chosen = parts.choose(name, is_chat=True)
    except ServiceError as error:
        if error.status != 422:
            raise
        raise ServiceError(404, "model_not_found", error.detail, param="model") from None
    if chosen is not parts:
        chosen.engine.require_serving()
    found = _served_model(chosen, name)
    if found is None:
        raise ServiceError(503, "vlm_unavailable", f"The model `{name}` has not answered yet.", retry_after_s=5)
    return chosen, found


def _served_models(parts: Parts) -> list[tuple[str, ServedModel]]:
    """Names and models of which something is known."""
    if not parts.engine.models:
        parts.engine.require_serving()
    served = ((name, parts.choose(name, is_chat=True)) for name in parts.chat_names)
    return [(name, model) for name, one in served if (model := _served_model(one, name))]


def _served_model(parts: Parts, name: str | None) -> ServedModel | None:
    """By its own name, where the engine has one of that name, else the one that region calls ask for."""
    engine = parts.engine
    return next((model for one in (name, engine.model) for model in engine.models if model.id == one), None)


def _describe(name: str, model: ServedModel) -> Model:
    return Model(
        id=name, created=model.created, owned_by=model.owned_by or "unknown", max_model_len=model.max_model_len
    )
