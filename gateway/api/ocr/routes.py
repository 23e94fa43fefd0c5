"""`POST /ocr`: a document in, its text out; and the pictures that its answers name by URL."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from gateway.api.admission import Admission, begin_document, cancel_on_disconnect
from gateway.api.auth import key_required
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.idempotency import idempotent, refuse_key
from gateway.api.ocr.descriptions import OCR_DESCRIPTION, OCR_REQUEST, OCR_RESPONSES
from gateway.api.ocr.options import RequestOptions, parse_options
from gateway.api.ocr.request import DOCUMENT_PLACES, Upload, parse_upload, read_upload
from gateway.api.ocr.responses import read_document
from gateway.api.ocr.stream import prefetch, stream_events
from gateway.api.paddlex.errors import DIALECT as PADDLEX
from gateway.api.paddlex.lines import asks_for_lines, fails_for_lines, read_lines
from gateway.api.problems import ERROR_DIALECT, problem_responses, request_id
from gateway.conversion.conversion_pool import SplitBody
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import DocumentResult
from gateway.scheduling.fair_semaphore import Flow
from gateway.service import Service
from gateway.session import DocumentSession, open_session
from gateway.storage.pictures import FILES

router = APIRouter(tags=["ocr"], dependencies=[key_required("ocr")])


@router.post(
    "/ocr",
    summary="Read a document",
    description=OCR_DESCRIPTION,
    response_model=DocumentResult,
    responses=OCR_RESPONSES,
    openapi_extra=OCR_REQUEST,
)
async def ocr(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_document(request, service, scope, chooses_model=True)
    body = await admission.read_body(read_upload(request))
    admission.take_document_place()
    if isinstance(body, SpooledFile):
        sent = await _split(request, service, body, admission)
        if asks_for_lines(sent.rest):
            admission.require_model(service.parts)
            return await admission.finish(read_lines(request, service, sent, admission))
        upload = parse_upload(sent)
    else:
        upload = body
    params = parse_options([*request.query_params.multi_items(), *upload.options], request.headers.get("accept", ""))
    admission.require_model(service.parts.choose(params.model))
    if params.images == "stored":
        service.require_picture_storage()
    if params.stream:
        refuse_key(request)
        opening = scope.enter_async_context(_open(service, upload, params, admission))
        return await _stream(request, params, await cancel_on_disconnect(request.receive, opening), scope)
    fingerprint = partial(_fingerprint, upload, params)
    work = partial(_answer, service, upload, params, admission)
    return await admission.finish(idempotent(request, fingerprint, work))


@router.get(
    FILES + "/{document_id}/{key:path}",
    summary="A stored picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 404, 503)},
)
async def stored_picture(service: ServiceDep, document_id: str, key: str) -> Response:
    """A picture that an answer with `images=stored` named by its URL."""
    picture = await service.store.load(document_id, key)
    if picture is None:
        raise ServiceError(404, "not_found", "There is no such picture.")
    return Response(picture, media_type="image/jpeg")


async def _split(request: Request, service: Service, body: SpooledFile, admission: Admission) -> SplitBody:
    """Raises as `ConversionPool.split`, of PaddleX's request in PaddleX's envelope."""
    work = service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    try:
        return await cancel_on_disconnect(request.receive, work)
    except ServiceError as error:
        if fails_for_lines(error):
            request.scope[ERROR_DIALECT] = PADDLEX
        raise


def _fingerprint(upload: Upload, params: RequestOptions) -> tuple[bytes, ...]:
    """What makes two requests the same."""
    source = upload.source
    sent = source.content.sha256 if source.content else b""
    return sent, repr((source.name, source.url, source.s3)).encode(), params.model_dump_json().encode()


async def _answer(service: Service, upload: Upload, params: RequestOptions, admission: Admission) -> ChunkedResponse:
    async with _open(service, upload, params, admission) as session:
        return await read_document(session, params)


def _open(
    service: Service, upload: Upload, params: RequestOptions, admission: Admission
) -> AbstractAsyncContextManager[DocumentSession]:
    return open_session(
        service,
        upload.source,
        params.for_pipeline(),
        admission.deadline,
        pages=params.pages,
        dpi=params.dpi,
        password=params.password,
        flow=Flow(params.queue_priority, admission.flow.caller, admission.flow.account),
    )


async def _stream(
    request: Request, params: RequestOptions, session: DocumentSession, scope: AsyncExitStack
) -> Response:
    """Waits for the first page, so that what fails at once still has its own HTTP status."""
    pages = await scope.enter_async_context(prefetch(session.pages()))
    first = await cancel_on_disconnect(request.receive, pages.next())
    events = stream_events(session, first, pages, request_id(request.scope))
    stream = await scope.enter_async_context(aclosing(events))
    headers = {"X-OCR-ID": session.id, "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(stream, headers=headers, media_type="text/event-stream")
