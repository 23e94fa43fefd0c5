"""Open WebUI's external document loader: one file as the body, the texts of its pages as the answer.

It sends files of every kind here, so texts go back as they came.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gateway.api.admission import Admission, begin_document
from gateway.api.auth import key_required
from gateway.api.chunked_response import ChunkedResponse, append
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.ocr.responses import status_headers
from gateway.api.problems import problem_responses
from gateway.intake.document import clean_name
from gateway.intake.spool import SpooledFile
from gateway.reading_options import NAMELESS, OcrOptions
from gateway.service import Service
from gateway.session import DocumentSource, open_session

router = APIRouter(tags=["open-webui"], dependencies=[key_required("ocr")])

PATH = "/process"
_OPTIONS = OcrOptions(images="none", pretty=False, names=NAMELESS, text_files=True)
_BODY = {"requestBody": {"required": True, "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}}


class LoadedPage(BaseModel):
    page_content: str = Field(description="Markdown; a text file as it is")
    metadata: dict[str, Any] = Field(description="`page`, from 0, and `source`, the file's name")


@router.put(
    PATH,
    summary="Read a file for Open WebUI",
    response_model=list[LoadedPage],
    responses=problem_responses(400, 401, 408, 413, 415, 422, 429, 500, 502, 503, 504),
    openapi_extra=_BODY,
)
async def process(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    """The file's bytes as the body, its name percent-encoded in `X-Filename`."""
    admission = begin_document(request, service, scope)
    body = await admission.read_body(SpooledFile.from_stream(request.stream()))
    admission.take_document_place()
    name = clean_name(unquote(request.headers.get("x-filename", "")))
    source = DocumentSource(body, name, media_type=request.headers.get("content-type", ""))
    return await admission.finish(_read(service, source, admission))


async def _read(service: Service, source: DocumentSource, admission: Admission) -> ChunkedResponse:
    pages = bytearray()
    async with open_session(service, source, _OPTIONS, admission.deadline, flow=admission.flow) as session:
        async for page in session.pages():
            encode = partial(_encode_page, page.result.markdown, page.result.page - 1, session.document.name)
            append(pages, await asyncio.to_thread(encode), b",")
        session.finish()
        session.stats.require_read(shows_warnings=False)
    told = status_headers(session.stats.status, session.stats.warnings)
    return ChunkedResponse([b"[", pages, b"]"], {"Content-Type": "application/json", **told})


def _encode_page(content: str, number: int, source: str) -> bytes:
    return LoadedPage(page_content=content, metadata={"page": number, "source": source}).model_dump_json().encode()
