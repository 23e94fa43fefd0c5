"""The engine's request, made anew from what was checked: nothing of the client's body or picture goes further."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pydantic_core

from gateway.api.openai.schema import ChatRequest, Message, PixelLimits, TextPart
from gateway.api.openai.validation import NamedImage
from gateway.engine.probes import ServedModel
from gateway.errors import ServiceError
from gateway.imaging.crops import encode, fit, guard
from gateway.intake.document import open_document
from gateway.intake.sniff import HEAD_BYTES, PDF, media_type
from gateway.intake.spool import SpooledFile
from gateway.model import EngineKind, PageFailure, Pixels, TextPage
from gateway.parts import Parts
from gateway.scheduling.fair_semaphore import Flow
from gateway.tasks import PADDLEOCR_VL_DPI

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


_FOR_VLLM = ("top_k", "min_p")
"""Of its sampling, what OpenAI's API has no name for: other servers refuse it."""


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
    if model.kind == "vllm":
        body |= request.model_dump(include=set(_FOR_VLLM), exclude_none=True)
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
        # OpenAI's newer name of it, which templates do not know.
        role = "system" if message.role == "developer" else message.role
        return {"role": role, "content": "".join(texts)}
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": picture}}
        for part in message.content
    ]
    return {"role": "user", "content": parts}


async def picture_for_engine(
    image: NamedImage, document: SpooledFile | None, limits: PixelLimits | None, parts: Parts, flow: Flow
) -> str:
    """A data URL of a PNG. `document`: the picture's bytes, where its URL held them.

    ServiceError as of `open_document` and `fetch`, with the field that is at fault."""
    try:
        pixels = await _first_page(document or await _fetch_picture(image.url, parts), parts, flow)
    except ServiceError as error:
        error.param = error.param or image.param
        raise
    return await asyncio.to_thread(_encoded, pixels, _pixel_range(limits, parts))


async def _fetch_picture(url: str, parts: Parts) -> SpooledFile:
    from gateway.intake.fetch import fetch
    from gateway.intake.url_rules import fetch_rules

    return (await fetch(url, fetch_rules(parts.settings))).content


async def _first_page(content: SpooledFile, parts: Parts, flow: Flow) -> Pixels:
    if media_type(content.read(HEAD_BYTES)) == PDF:
        raise ServiceError(
            415, "unsupported_media_type", "A PDF is no picture; POST /ocr takes documents and reads all their pages."
        )
    document = await open_document(
        content, "picture", pages="1", dpi=PADDLEOCR_VL_DPI, pool=parts.pool, settings=parts.settings, flow=flow
    )
    try:
        page = await anext(document.pages())
    finally:
        await document.close()
    assert not isinstance(page, TextPage)  # none was asked for
    if isinstance(page, PageFailure):
        raise ServiceError(400, page.code, page.detail)
    return page.pixels


def _pixel_range(limits: PixelLimits | None, parts: Parts) -> tuple[int, int] | None:
    """Fewest and most pixels; None for an engine that reads pictures best as they are."""
    if not parts.engine.is_scaling:
        return None
    most = parts.settings.vlm_max_pixels
    if limits is None:
        return 0, most
    most = min(limits.max_pixels or most, most)
    return min(limits.min_pixels or 0, most), most


def _encoded(pixels: Pixels, pixel_range: tuple[int, int] | None) -> str:
    guarded = guard(pixels)
    return encode(fit(guarded, *pixel_range) if pixel_range else guarded).data_url
