"""`POST /ocr`: a document in, its text out; and the pictures that its answers name by URL."""

from __future__ import annotations

from contextlib import AsyncExitStack, aclosing
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.api.admission import Held, admit_document, asked_urgency, received, until_gone
from gateway.api.auth import KeyRequired
from gateway.api.chunked_response import PiecesResponse
from gateway.api.idempotency import once, refuse_key
from gateway.api.ocr.openapi import OCR_DESCRIPTION, OCR_REQUEST, OCR_RESPONSES
from gateway.api.ocr.options import RequestOptions, parse_options
from gateway.api.ocr.request import Upload, read_upload
from gateway.api.ocr.responses import answer
from gateway.api.ocr.stream import events, page_feed
from gateway.api.problems import problem_responses, request_id_of
from gateway.errors import ServiceError
from gateway.model import DocumentResult
from gateway.pipeline import read_pages
from gateway.service import Service
from gateway.session import DocumentReading, opened
from gateway.storage.base import FILES

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


@router.get(
    FILES + "/{document_id}/{key:path}",
    summary="A stored picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 404, 503)},
)
async def stored_picture(request: Request, document_id: str, key: str) -> Response:
    """A picture that an answer with `images=stored` named by its URL."""
    service: Service = request.app.state.service
    picture = await service.store.load(document_id, key)
    if picture is None:
        raise ServiceError(404, "not_found", "There is no such picture.")
    return Response(picture, media_type="image/jpeg")
