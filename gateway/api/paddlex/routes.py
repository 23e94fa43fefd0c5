"""`POST /layout-parsing` and `POST /restructure-pages`: PaddleX's dialect, for its clients."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from gateway.api.admission import (
    Admission,
    begin_document,
    begin_restructuring,
    cancel_on_disconnect,
    require_json,
)
from gateway.api.auth import key_required
from gateway.api.chunked_response import ChunkedResponse, SpooledResponse
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.example import EXAMPLE_PICTURE
from gateway.api.idempotency import idempotent
from gateway.api.ocr.descriptions import IDEMPOTENCY_KEY
from gateway.api.openapi import inlined_schema
from gateway.api.paddlex.errors import LAYOUT_PARSING, QIANFAN, RESTRUCTURE_PAGES, Envelope
from gateway.api.paddlex.export import pickle_pages
from gateway.api.paddlex.pipeline_options import layout_warnings, ocr_options
from gateway.api.paddlex.response import LayoutParsingAnswer, LayoutParsingBody
from gateway.api.paddlex.restructure_pages import RestructurePagesAnswer
from gateway.api.paddlex.schema import (
    DOCUMENT_PLACES,
    LayoutParsingRequest,
    RestructurePagesRequest,
    invalid_json,
    parse_request,
    read_log_id,
)
from gateway.api.paddlex.to_paddlex import told_dpi
from gateway.api.paddlex.visualize import page_picture, page_pictures
from gateway.api.problems import request_id
from gateway.conversion.conversion_pool import SplitBody, raise_error
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import Document
from gateway.recognized_page import PageView
from gateway.service import Service
from gateway.session import DocumentSession, DocumentSource, open_session

router = APIRouter(tags=["paddlex"], dependencies=[key_required("ocr")])

HEADERS = {"Content-Type": "application/json"}

_ENVELOPE = {"application/json": {"schema": Envelope.model_json_schema(by_alias=True)}}


def _describe_request(model: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": inlined_schema(model), "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


_EXAMPLE_DOCUMENT = {"file": EXAMPLE_PICTURE, "fileType": 1, "visualize": False}
_LAYOUT_PARSING_REQUEST = {
    "parameters": [IDEMPOTENCY_KEY],
    **_describe_request(LayoutParsingRequest, _EXAMPLE_DOCUMENT),
}

_EXAMPLE_PAGE = {
    "prunedResult": {
        "page_count": 2,
        "width": 1190,
        "height": 1684,
        "model_settings": {"use_layout_detection": True},
        "parsing_res_list": [
            {"block_label": "doc_title", "block_content": "A title", "block_bbox": [90, 80, 1100, 140]},
        ],
    },
    "markdownImages": {},
}

_RESTRUCTURE_PAGES_REQUEST = _describe_request(
    RestructurePagesRequest, {"pages": [_EXAMPLE_PAGE], "concatenatePages": True}
)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": HTTPStatus(status).phrase, "content": _ENVELOPE}
    for status in (401, 408, 413, 422, 429, 500, 503, 504)
}


@router.post(
    QIANFAN,
    summary="As `/layout-parsing`, under the name that it has at Qianfan",
    response_model=LayoutParsingAnswer,
    responses=_RESPONSES,
    openapi_extra=_LAYOUT_PARSING_REQUEST,
)
@router.post(
    LAYOUT_PARSING,
    summary="Read a document, as PaddleX serves it",
    response_model=LayoutParsingAnswer,
    responses=_RESPONSES,
    openapi_extra=_LAYOUT_PARSING_REQUEST,
)
async def layout_parsing(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    """PaddleX's and PaddleOCR's serving API for PaddleOCR-VL: their clients work unchanged.

    `file` is a PDF, PNG, JPEG, WebP, BMP, GIF, TIFF, JPEG 2000, HEIC or AVIF document, as base64 or as a URL; told by
    its bytes. Fields that PaddleX does not know are ignored. Boxes are pixels of the page; of PDF pages at 144 dpi.
    Where a part of the document could not be read, `result.warnings` names it.
    """
    require_json(request)
    admission = begin_document(request, service, scope)
    body = await admission.read_body(SpooledFile.from_stream(request.stream()))
    admission.take_document_place()
    sent = await cancel_on_disconnect(request.receive, _split_body(service, body, admission))
    log_id, params, source = _parse_document(request, sent)
    work = partial(_answer, service, source, params, log_id, admission)
    return await admission.finish(idempotent(request, lambda: (body.sha256,), work))


@router.post(
    RESTRUCTURE_PAGES,
    summary="Put pages together as one document, as PaddleX serves it",
    response_model=RestructurePagesAnswer,
    responses=_RESPONSES,
    openapi_extra=_RESTRUCTURE_PAGES_REQUEST,
)
async def restructure_pages(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    """Puts pages together as one document: tables that page breaks cut, levels of headings.

    `pages` are results of `POST /layout-parsing`, all and in order: each with its `prunedResult`, unchanged, and its
    `markdown.images` as `markdownImages`. No engine is needed.
    """
    require_json(request)
    admission = begin_restructuring(request, service, scope)
    body = await admission.read_body(SpooledFile.from_stream(request.stream()))
    admission.take_document_place(needs_engine=False)
    work = service.conversion.restructure(body, admission.flow, admission.deadline, request_id(request.scope))
    answer, output = await admission.finish(work)
    request.scope["log_id"] = answer.get("log_id")
    raise_error(answer)
    return SpooledResponse(output, HEADERS)


async def _split_body(service: Service, body: SpooledFile, admission: Admission) -> SplitBody:
    try:
        return await service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    except ServiceError as error:
        raise invalid_json(error) from None


def _parse_document(request: Request, body: SplitBody) -> tuple[str, LayoutParsingRequest, DocumentSource]:
    """The request's id for its answer, refusals included, what the body asks for, and its document."""
    request.scope["log_id"] = log_id = read_log_id(body.rest, request_id(request.scope))
    params = parse_request(LayoutParsingRequest, body.rest)
    return log_id, params, _choose_source(params.file, body.document)


def _choose_source(file: str, document: SpooledFile | None) -> DocumentSource:
    """The document that `file` names by its URL, else `document`, which it was. ServiceError 400 `empty_document`."""
    if file:
        return DocumentSource(None, url=file)
    if document is None or not document.size:
        raise ServiceError(400, "empty_document", "`file` is empty.")
    return DocumentSource(document)


async def _answer(
    service: Service,
    source: DocumentSource,
    params: LayoutParsingRequest,
    log_id: str,
    admission: Admission,
) -> ChunkedResponse:
    options = ocr_options(params)
    view = partial(_create_view, params)
    async with open_session(service, source, options, admission.deadline, flow=admission.flow, view=view) as session:
        body = LayoutParsingBody(log_id, session.document, params, options)
        pages = await _read_pages(session, body, params)
    session.finish()
    session.stats.require_read()
    if pages:
        answer, results = await service.conversion.export(pages, admission.flow, admission.deadline)
        body.take_over(await asyncio.to_thread(results.read), answer["sizes"])
    warnings = layout_warnings(service.parts.layout, options.layout) if params.has_layout else ()
    return ChunkedResponse(body.pieces([*warnings, *session.stats.warnings]), HEADERS)


async def _read_pages(
    session: DocumentSession, body: LayoutParsingBody, params: LayoutParsingRequest
) -> SpooledFile | None:
    """Adds each page to the body; those that take long, which would hold the reading up, go to a file instead."""
    if params.restructure_pages or params.output_formats:
        pages = pickle_pages(session.document, params, session.options, session.pages())
        return await SpooledFile.from_stream(pages)
    async for page in session.pages():
        await asyncio.to_thread(body.add, page)
    return None


def _create_view(params: LayoutParsingRequest, document: Document) -> PageView | None:
    if not params.is_drawn:
        return None
    return partial(page_pictures if params.has_layout else page_picture, dpi=told_dpi(document))
