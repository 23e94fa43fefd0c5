"""FastGPT's route: a file in, its Markdown out."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from gateway.api.admission import Admission, begin_document
from gateway.api.auth import key_required
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.fastapi_errors import find_only_file, require_form
from gateway.api.fastgpt.errors import PATHS, ParsedFile, make_failure, parser_responses
from gateway.api.forms import keep_document, read_form
from gateway.api.multipart import FILE
from gateway.api.ocr.responses import status_headers
from gateway.api.problems import ABOUT_DOCUMENT
from gateway.assembly.render import replace_pictures
from gateway.errors import ServiceError
from gateway.reading_options import NAMELESS, OcrOptions
from gateway.recognized_page import RecognizedPage, picture_url
from gateway.service import Service
from gateway.session import DocumentSource, open_session

router = APIRouter(tags=["fastgpt"], dependencies=[key_required("ocr")])

_OPTIONS = OcrOptions(images="inline", pretty=False, names=NAMELESS, text_files=True)
_SCHEMA = {"type": "object", "required": [FILE], "properties": {FILE: {"type": "string", "format": "binary"}}}


async def parse(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_document(request, service, scope)
    source = await admission.read_body(_read_file(request))
    admission.take_document_place()
    return await admission.finish(_parse(service, source, admission))


for _path in sorted(PATHS):
    router.add_api_route(
        _path,
        parse,
        methods=["POST"],
        summary="Parse a file for FastGPT",
        response_model=ParsedFile,
        responses=parser_responses(400, 401, 408, 413, 422, 429, 500, 502, 503, 504),
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}},
    )


async def _read_file(request: Request) -> DocumentSource:
    """Raises as `read_form`; ServiceError 422 `invalid_option`."""
    require_form(request, FILE)
    async with read_form(request) as form:
        return await keep_document(find_only_file(form, FILE))


async def _parse(service: Service, source: DocumentSource, admission: Admission) -> Response:
    pages: list[str] = []
    try:
        async with open_session(service, source, _OPTIONS, admission.deadline, flow=admission.flow) as session:
            async for page in session.pages():
                pages.append(await asyncio.to_thread(_show_pictures, page))
            session.finish()
            session.stats.require_read(shows_warnings=False)
    except ServiceError as error:
        if error.status not in ABOUT_DOCUMENT:
            raise
        # FastGPT shows the reason only where the status is 200.
        return JSONResponse(make_failure(error).model_dump())
    parsed = ParsedFile(pages=len(pages), markdown="\n\n".join(page for page in pages if page))
    headers = status_headers(session.stats.status, session.stats.warnings)
    return Response(await asyncio.to_thread(parsed.model_dump_json), headers=headers, media_type="application/json")


def _show_pictures(page: RecognizedPage) -> str:
    """The page's Markdown, whose pictures FastGPT takes from it and keeps."""
    return replace_pictures(
        page.result.markdown, {key: f"![]({picture_url(picture)})" for key, picture in page.images.items()}
    )
