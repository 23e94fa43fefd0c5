"""The embedded engine's HTTP API: what vLLM offers and the gateway uses, no more.

`POST /v1/chat/completions` (also streaming), `GET /v1/models`, `GET /health` (200 ready, 503 not), `GET /metrics`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import io
import json
import logging
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from PIL import Image

from common.inference.models import describe_models
from common.logs import log
from textlines.detection import Pixels
from vlm_backend.embedded.engine import EmbeddedEngine
from vlm_backend.embedded.metrics import exposition
from vlm_backend.embedded.protocol import ApiError, ChatRequest, Completion, model_list, tokens
from vlm_backend.embedded.reader import Cancelled
from vlm_backend.settings import Settings

T = TypeVar("T")
FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 64_000_000
DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)


def create_app(settings: Settings) -> FastAPI:
    engine = EmbeddedEngine(settings)
    app = FastAPI(title="Embedded OCR engine", lifespan=partial(_lifespan, engine), docs_url=None, redoc_url=None)
    app.state.engine, app.state.created = engine, int(time.time())
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_api_route("/v1/chat/completions", chat_completions, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", models, methods=["GET"])
    app.add_api_route("/health", health, methods=["GET"])
    app.add_api_route("/metrics", metrics, methods=["GET"])
    return app


async def chat_completions(request: Request, body: ChatRequest) -> Response:
    engine: EmbeddedEngine = request.app.state.engine
    _check(body, engine)
    gone = threading.Event()
    with_lines = body.return_lines and not body.stream
    known = [line.as_text_line() for line in body.text_lines] if body.text_lines else None
    reading = engine.read(
        partial(_decode_image, body.images[0]),
        body.prompt,
        gone,
        known=known,
        with_lines=with_lines,
        with_words=with_lines and body.return_words,
    )
    answer = await _unless_gone(request, gone, reading)
    read = tokens(answer.pieces)
    model = body.model or engine.model
    completion = Completion.of(model, read, body.token_limit, answer.refusal, answer.lines, answer.cells, answer.noise)
    if not body.stream:
        # An entry for each character: the standard library takes 5 ms for those of a paragraph, and holds the GIL.
        return Response(msgspec.json.encode(completion.body(bool(body.logprobs))), media_type="application/json")
    chunks = completion.chunks(bool(body.logprobs), body.stream_options.include_usage)
    return StreamingResponse(_events(chunks), media_type="text/event-stream")


async def models(request: Request) -> dict[str, Any]:
    engine: EmbeddedEngine = request.app.state.engine
    if engine.state != "ready":
        raise ApiError(503, str(engine.reason), "ServiceUnavailableError")
    return model_list(engine.models, request.app.state.created, engine.scripts, describe_models())


async def health(request: Request) -> Response:
    engine: EmbeddedEngine = request.app.state.engine
    status = 200 if engine.state == "ready" else 503
    body: dict[str, Any] = {"status": engine.state, "reason": engine.reason, "model": engine.model}
    body |= {"scripts": engine.scripts, "warnings": engine.warnings, "runtimes": describe_models()}
    return JSONResponse(body, status)


async def metrics(request: Request) -> Response:
    return PlainTextResponse(exposition(request.app.state.engine.load_now))


@contextlib.asynccontextmanager
async def _lifespan(engine: EmbeddedEngine, _: FastAPI) -> AsyncIterator[None]:
    """The server answers `/health` while the models load."""
    loading = asyncio.create_task(_load(engine))
    yield
    loading.cancel()
    engine.close()


async def _load(engine: EmbeddedEngine) -> None:
    start = time.monotonic()
    await engine.load()
    if engine.state != "ready":
        log("engine failed", level=logging.ERROR, reason=engine.reason)
        return
    log(
        "engine ready",
        model=engine.model,
        reads=", ".join(engine.scripts),
        runtimes=describe_models(),
        seconds=round(time.monotonic() - start, 1),
    )
    for warning in engine.warnings:
        log(warning, level=logging.WARNING)


def _check(body: ChatRequest, engine: EmbeddedEngine) -> None:
    if engine.state == "ready" and body.model not in (None, *engine.models):
        raise ApiError(404, f"The model `{body.model}` does not exist.", "NotFoundError", "model")
    if len(body.images) != 1:
        raise ApiError(400, f"one image is needed, {len(body.images)} were given", "BadRequestError", "messages")


async def _unless_gone(request: Request, gone: threading.Event, work: Awaitable[T]) -> T:
    """The work's result; the work is told to stop when the client hangs up."""
    task = asyncio.ensure_future(work)
    watch = asyncio.create_task(_disconnected(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            gone.set()
            task.cancel()
        return await task
    except (Cancelled, asyncio.CancelledError):
        raise ApiError(499, "the client went away", "ClientClosedRequest") from None
    finally:
        gone.set()
        watch.cancel()


async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _events(chunks: Iterator[dict[str, Any]]) -> AsyncIterator[str]:
    for chunk in chunks:
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
    yield "data: [DONE]\n\n"


async def _api_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    headers = {"Retry-After": "1"} if error.status == 503 else None
    return JSONResponse(error.body, error.status, headers)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part != "body")
    return await _api_error(request, ApiError(400, f"{where}: {first['msg']}", "BadRequestError", where or None))


def _decode_image(url: str) -> Pixels:
    """RGB pixels of a data URL. Raises `ApiError` 400 for anything else, before a bomb is unpacked."""
    match = DATA_URL.match(url)
    if match is None:
        raise ApiError(400, "an image must be a base64 data URL of type image/*", "BadRequestError", "messages")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ApiError(400, f"the image has more than {MAX_PIXELS} pixels", "BadRequestError", "messages")
            return np.asarray(image.convert("RGB"))
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ApiError(400, f"the image can't be read: {error}", "BadRequestError", "messages") from error
