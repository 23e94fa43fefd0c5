"""`POST /layout-parsing` and `POST /restructure-pages`: PaddleX's dialect, for its clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing
from functools import partial

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.auth import KeyRequired
from gateway.api.disconnect import until_gone
from gateway.api.entry import Held, admit_document, admit_rewriting, asked_urgency, received
from gateway.api.errors import request_id_of
from gateway.api.idempotency import once
from gateway.api.opening import opened
from gateway.api.paddlex.body import Wishes, log_id_of, parse_object, parse_request, upload_of
from gateway.api.paddlex.description import (
    LAYOUT_PARSING_DESCRIPTION,
    LAYOUT_PARSING_REQUEST,
    PADDLEX_RESPONSES,
    RESTRUCTURE_PAGES_DESCRIPTION,
    RESTRUCTURE_PAGES_REQUEST,
)
from gateway.api.paddlex.drawing import page_picture, page_pictures
from gateway.api.paddlex.layout import layout_warnings
from gateway.api.paddlex.options import ocr_options
from gateway.api.paddlex.pages import RestructurePagesRequest
from gateway.api.paddlex.request import LayoutParsingRequest
from gateway.api.paddlex.response import LayoutParsingAnswer, LayoutParsingBody
from gateway.api.paddlex.restructuring import RestructurePagesAnswer, restructuring_body
from gateway.api.paddlex.units import told_dpi
from gateway.api.pieces import PiecesResponse
from gateway.api.reading import stages_of
from gateway.api.source import Upload, parsed
from gateway.api.tally import Tally
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.model import Document
from gateway.page import PageView, ReadPage
from gateway.pipeline import read_pages
from gateway.recognition.fairness import Urgency
from gateway.service import Service

router = APIRouter(tags=["paddlex"], dependencies=[KeyRequired])

log = structlog.get_logger(__name__)

HEADERS = {"Content-Type": "application/json"}


@router.post(
    "/layout-parsing",
    summary="Read a document, as PaddleX serves it",
    description=LAYOUT_PARSING_DESCRIPTION,
    response_model=LayoutParsingAnswer,
    responses=PADDLEX_RESPONSES,
    openapi_extra=LAYOUT_PARSING_REQUEST,
)
async def layout_parsing(request: Request, held: Held) -> Response:
    service: Service = request.app.state.service
    urgency = asked_urgency(request)
    deadline = admit_document(service, held, urgency)
    body = await received(SpooledFile.from_stream(request.stream()), deadline)
    log_id, wishes, upload = await parsed(body, partial(_document_asked, request))
    work = partial(_answer, service, upload, wishes, log_id, deadline, urgency)
    response = await until_gone(request.receive, once(request, lambda: (body.sha256,), work))
    await held.aclose()
    return response


@router.post(
    "/restructure-pages",
    summary="Put pages together as one document, as PaddleX serves it",
    description=RESTRUCTURE_PAGES_DESCRIPTION,
    response_model=RestructurePagesAnswer,
    responses=PADDLEX_RESPONSES,
    openapi_extra=RESTRUCTURE_PAGES_REQUEST,
)
async def restructure_pages(request: Request, held: Held) -> Response:
    service: Service = request.app.state.service
    deadline = admit_rewriting(service, held)
    body = await received(SpooledFile.from_stream(request.stream()), deadline)
    log_id, wishes = await parsed(body, partial(_asked, request, RestructurePagesRequest))
    del body
    most = service.settings.max_pages
    if len(wishes.pages) > most:
        raise ServiceError(413, "too_many_pages", f"{len(wishes.pages)} pages; at most {most} are taken (MAX_PAGES).")
    answer = await asyncio.to_thread(restructuring_body, log_id, wishes)
    return Response(answer, media_type="application/json")


def _asked(request: Request, model: type[Wishes], body: bytes) -> tuple[str, Wishes]:
    """The request's id for its answer, refusals included, and what the body asks for."""
    sent = parse_object(body)
    request.scope["log_id"] = log_id = log_id_of(sent, request_id_of(request))
    return log_id, parse_request(model, sent)


def _document_asked(request: Request, body: bytes) -> tuple[str, LayoutParsingRequest, Upload]:
    """As `_asked`, and the document, which the wishes no longer hold."""
    log_id, wishes = _asked(request, LayoutParsingRequest, body)
    return log_id, wishes.model_copy(update={"file": ""}), upload_of(wishes.file)


async def _answer(
    service: Service, upload: Upload, wishes: LayoutParsingRequest, log_id: str, deadline: float, urgency: Urgency
) -> PiecesResponse:
    options, tally = ocr_options(wishes), Tally()
    async with AsyncExitStack() as held:
        document = await opened(service, upload, deadline)
        held.push_async_callback(document.close)
        source = read_pages(service.parts, document, options, deadline, urgency=urgency, view=_view(wishes, document))
        pages = _counted(service, await held.enter_async_context(aclosing(source)), tally)
        body = LayoutParsingBody(log_id, document, wishes, options)
        if wishes.restructure_pages or wishes.output_formats:
            # What takes long waits until all is read, for it would hold the reading up.
            read = [page async for page in pages]
        else:
            read = []
            async for page in pages:
                await asyncio.to_thread(body.add, page)
    log.info("document read", media_type=document.media_type, status=tally.status, pages=tally.pages)
    tally.require_read()
    if read:
        await asyncio.to_thread(body.add_all, read)
    warnings = layout_warnings(service.parts.layout, options.layout) if wishes.has_layout else ()
    return PiecesResponse(body.pieces([*warnings, *tally.warnings]), HEADERS)


async def _counted(
    service: Service, pages: AsyncGenerator[ReadPage, None], tally: Tally
) -> AsyncGenerator[ReadPage, None]:
    async for page in pages:
        service.metrics.count_page(page.result, stages_of(page))
        tally.count(page)
        yield page


def _view(wishes: LayoutParsingRequest, document: Document) -> PageView | None:
    if not wishes.is_drawn:
        return None
    return partial(page_pictures if wishes.has_layout else page_picture, dpi=told_dpi(document))
