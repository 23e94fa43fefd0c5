"""`POST /layout-parsing` and `POST /restructure-pages`: PaddleX's dialect, for its clients."""

from __future__ import annotations

import asyncio
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.admission import (
    admit_document,
    admit_restructuring,
    cancel_on_disconnect,
    read_body,
    requested_priority,
)
from gateway.api.auth import KeyRequired
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.idempotency import idempotent
from gateway.api.ocr.request import parse_body
from gateway.api.paddlex.openapi import (
    LAYOUT_PARSING_DESCRIPTION,
    LAYOUT_PARSING_REQUEST,
    PADDLEX_RESPONSES,
    RESTRUCTURE_PAGES_DESCRIPTION,
    RESTRUCTURE_PAGES_REQUEST,
)
from gateway.api.paddlex.options import layout_warnings, ocr_options
from gateway.api.paddlex.response import LayoutParsingAnswer, LayoutParsingBody
from gateway.api.paddlex.restructure import RestructurePagesAnswer, restructuring_body
from gateway.api.paddlex.schema import LayoutParsingRequest, RestructurePagesRequest
from gateway.api.paddlex.to_paddlex import told_dpi
from gateway.api.paddlex.validation import Params, log_id_of, parse_object, parse_request, source_of
from gateway.api.paddlex.visualize import page_picture, page_pictures
from gateway.api.problems import request_id
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import Document
from gateway.recognized_page import PageView, ReadPage
from gateway.scheduling.fair_semaphore import Urgency
from gateway.service import Service
from gateway.session import DocumentSession, DocumentSource, open_session

router = APIRouter(tags=["paddlex"], dependencies=[KeyRequired])

HEADERS = {"Content-Type": "application/json"}


@router.post(
    "/layout-parsing",
    summary="Read a document, as PaddleX serves it",
    description=LAYOUT_PARSING_DESCRIPTION,
    response_model=LayoutParsingAnswer,
    responses=PADDLEX_RESPONSES,
    openapi_extra=LAYOUT_PARSING_REQUEST,
)
async def layout_parsing(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    urgency = requested_priority(request)
    deadline = admit_document(service, scope, urgency)
    body = await read_body(SpooledFile.from_stream(request.stream()), deadline)
    log_id, params, source = await parse_body(body, partial(_parse_document, request))
    work = partial(_answer, service, source, params, log_id, deadline, urgency)
    response = await cancel_on_disconnect(request.receive, idempotent(request, lambda: (body.sha256,), work))
    await scope.aclose()
    return response


@router.post(
    "/restructure-pages",
    summary="Put pages together as one document, as PaddleX serves it",
    description=RESTRUCTURE_PAGES_DESCRIPTION,
    response_model=RestructurePagesAnswer,
    responses=PADDLEX_RESPONSES,
    openapi_extra=RESTRUCTURE_PAGES_REQUEST,
)
async def restructure_pages(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    deadline = admit_restructuring(service, scope)
    body = await read_body(SpooledFile.from_stream(request.stream()), deadline)
    log_id, params = await parse_body(body, partial(_parse, request, RestructurePagesRequest))
    del body
    max_pages = service.settings.max_pages
    if len(params.pages) > max_pages:
        message = f"{len(params.pages)} pages; at most {max_pages} are taken (MAX_PAGES)."
        raise ServiceError(413, "too_many_pages", message)
    answer = await asyncio.to_thread(restructuring_body, log_id, params)
    return Response(answer, media_type="application/json")


def _parse(request: Request, model: type[Params], body: bytes) -> tuple[str, Params]:
    """The request's id for its answer, refusals included, and what the body asks for."""
    sent = parse_object(body)
    request.scope["log_id"] = log_id = log_id_of(sent, request_id(request.scope))
    return log_id, parse_request(model, sent)


def _parse_document(request: Request, body: bytes) -> tuple[str, LayoutParsingRequest, DocumentSource]:
    """As `_parse`, and the document, which the parameters no longer hold."""
    log_id, params = _parse(request, LayoutParsingRequest, body)
    return log_id, params.model_copy(update={"file": ""}), source_of(params.file)


async def _answer(
    service: Service,
    source: DocumentSource,
    params: LayoutParsingRequest,
    log_id: str,
    deadline: float,
    urgency: Urgency,
) -> ChunkedResponse:
    options = ocr_options(params)
    view = partial(_create_view, params)
    async with open_session(service, source, options, deadline, urgency=urgency, view=view) as session:
        body = LayoutParsingBody(log_id, session.document, params, options)
        pages = await _read_pages(session, body, is_whole=params.restructure_pages or bool(params.output_formats))
    session.finish()
    session.stats.require_read()
    if pages:
        await asyncio.to_thread(body.add_all, pages)
    warnings = layout_warnings(service.parts.layout, options.layout) if params.has_layout else ()
    return ChunkedResponse(body.pieces([*warnings, *session.stats.warnings]), HEADERS)


async def _read_pages(session: DocumentSession, body: LayoutParsingBody, *, is_whole: bool) -> list[ReadPage]:
    """Adds each page to the body; `is_whole`: gives them all, for what takes long would hold the reading up."""
    if is_whole:
        return [page async for page in session.pages()]
    async for page in session.pages():
        await asyncio.to_thread(body.add, page)
    return []


def _create_view(params: LayoutParsingRequest, document: Document) -> PageView | None:
    if not params.is_drawn:
        return None
    return partial(page_pictures if params.has_layout else page_picture, dpi=told_dpi(document))
