"""`POST /v1/chat/completions`: OpenAI's API to the VLM."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.api.auth import KeyRequired
from gateway.api.chat.answer import engine_events, event_stream, next_event, whole_answer
from gateway.api.chat.body import engine_body
from gateway.api.chat.description import CHAT_DESCRIPTION, CHAT_REQUEST, CHAT_RESPONSES
from gateway.api.chat.parsing import image_of, parse_chat
from gateway.api.chat.pictures import picture_for_engine
from gateway.api.chat.request import ChatRequest
from gateway.api.chat.response import ChatCompletion
from gateway.api.disconnect import until_gone
from gateway.api.entry import Held, admit_chat, received
from gateway.api.models import find_model
from gateway.errors import ServiceError
from gateway.parts import Parts
from gateway.recognition.fairness import INTERACTIVE, engine_priority
from gateway.service import Service

router = APIRouter(tags=["chat"], dependencies=[KeyRequired])


@router.post(
    "/v1/chat/completions",
    summary="Ask the VLM",
    description=CHAT_DESCRIPTION,
    response_model=ChatCompletion,
    responses=CHAT_RESPONSES,
    openapi_extra=CHAT_REQUEST,
)
async def chat_completions(request: Request, held: Held) -> Response:
    service: Service = request.app.state.service
    deadline = admit_chat(service, held)
    chat = await asyncio.to_thread(parse_chat, await received(_json(request), deadline))
    return await until_gone(request.receive, _answer(service.parts, chat, deadline, held))


async def _json(request: Request) -> bytes:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ServiceError(
            415, "unsupported_content_type", f"A body of type {kind[:80]!r} is not understood: send application/json."
        )
    return await request.body()


async def _answer(parts: Parts, chat: ChatRequest, deadline: float, held: AsyncExitStack) -> Response:
    """A stream waits for its first event, so that what fails at once still has its own HTTP status."""
    body = await _engine_request(parts, chat, deadline)
    if not chat.stream:
        return Response(await whole_answer(parts, body, deadline), media_type="application/json")
    events = await held.enter_async_context(aclosing(engine_events(parts, body, deadline)))
    first = await next_event(events, deadline)
    stream = await held.enter_async_context(aclosing(event_stream(first, events, deadline)))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")


async def _engine_request(parts: Parts, chat: ChatRequest, deadline: float) -> bytes:
    engine, image = parts.engine, image_of(chat)
    model = find_model(engine, chat.model)
    if image is None and engine.kind == "embedded":
        raise ServiceError(
            400, "invalid_value", "The embedded engine reads pictures: `messages` must hold one.", param="messages"
        )
    try:
        async with asyncio.timeout_at(deadline):
            picture = await picture_for_engine(image, chat.mm_processor_kwargs, parts) if image else None
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The picture was not read before the deadline.") from None
    priority = engine_priority(INTERACTIVE) if engine.takes_priority else None
    return await asyncio.to_thread(engine_body, chat, model, engine.kind, picture, priority)
