"""`POST /ocr`: a document in, its text out."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.api.answers import answer
from gateway.api.auth import KeyRequired
from gateway.api.description import OCR_DESCRIPTION, OCR_REQUEST, OCR_RESPONSES
from gateway.api.disconnect import until_gone
from gateway.api.entry import Held, admit_document, asked_urgency, received
from gateway.api.errors import request_id_of
from gateway.api.feed import page_feed
from gateway.api.idempotency import once, refuse_key
from gateway.api.opening import opened
from gateway.api.options import RequestOptions, parse_options
from gateway.api.pieces import PiecesResponse
from gateway.api.reading import DocumentReading
from gateway.api.source import Upload, read_upload
from gateway.api.stream import events
from gateway.model import DocumentResult
from gateway.pipeline import read_pages
from gateway.service import Service

router = APIRouter(tags=["ocr"], dependencies=[KeyRequired])


@router.post(
    "/ocr",
    summary="Read a document",
    description=OCR_DESCRIPTION,
    response_model=DocumentResult,
    responses=OCR_RESPONSES,
    openapi_extra=OCR_REQUEST,
)
async def ocr(request: Request, held: Held) -> Response:
    service: Service = request.app.state.service
    deadline = admit_document(service, held, asked_urgency(request))
    upload = await received(read_upload(request), deadline)
    wishes = parse_options([*request.query_params.multi_items(), *upload.options], request.headers.get("accept", ""))
    if wishes.stream:
        refuse_key(request)
        reading = await until_gone(request.receive, _opened(service, upload, wishes, deadline, held))
        return await _streamed(request, reading, held)
    same = partial(_parts, upload, wishes)
    work = partial(_answer, service, upload, wishes, deadline)
    response = await until_gone(request.receive, once(request, same, work))
    await held.aclose()
    return response


def _parts(upload: Upload, wishes: RequestOptions) -> tuple[bytes, ...]:
    """What makes two requests the same."""
    sent = upload.content.sha256 if upload.content else b""
    return sent, repr((upload.name, upload.url, upload.s3)).encode(), wishes.model_dump_json().encode()


async def _answer(service: Service, upload: Upload, wishes: RequestOptions, deadline: float) -> PiecesResponse:
    async with AsyncExitStack() as held:
        reading = await _opened(service, upload, wishes, deadline, held)
        return await answer(reading)


async def _opened(
    service: Service, upload: Upload, wishes: RequestOptions, deadline: float, held: AsyncExitStack
) -> DocumentReading:
    options = wishes.for_pipeline()
    document = await opened(service, upload, deadline, pages=wishes.pages, dpi=wishes.dpi)
    held.push_async_callback(document.close)
    source = read_pages(service.parts, document, options, deadline, urgency=wishes.urgency)
    pages = await held.enter_async_context(aclosing(source))
    return DocumentReading(service, document, wishes, options, pages)


async def _streamed(request: Request, reading: DocumentReading, held: AsyncExitStack) -> Response:
    """Waits for the first page, so that what fails at once still has its own HTTP status."""
    feed = await held.enter_async_context(page_feed(reading.pages))
    first = await until_gone(request.receive, feed.next())
    stream = await held.enter_async_context(aclosing(events(reading, first, feed, request_id_of(request))))
    headers = {"X-OCR-ID": reading.id, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")
