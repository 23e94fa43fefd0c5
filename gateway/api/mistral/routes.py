"""Mistral's routes: documents read at once, and files that are uploaded before."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gateway.api.admission import Admission, begin_document, begin_submission, cancel_on_disconnect, require_json
from gateway.api.auth import account_of, key_required, owner_of
from gateway.api.chunked_response import ChunkedResponse, SpooledResponse, append, splice_json
from gateway.api.deps import RequestScope, ServiceDep
from gateway.api.mistral.errors import FILES, OCR, mistral_responses
from gateway.api.mistral.pages import PageWriter
from gateway.api.mistral.request import (
    DOCUMENT_PLACES,
    HOUR_S,
    SIGNED,
    make_signed_path,
    open_source,
    parse_ocr_request,
    read_upload,
    upload_schema,
)
from gateway.api.mistral.schema import (
    DeletedFile,
    FileInfo,
    FileList,
    FileUrl,
    OcrAnswer,
    OcrRequest,
    UsageInfo,
    describe_file,
)
from gateway.api.ocr.responses import status_headers
from gateway.api.openapi import inlined_schema, written_schemas
from gateway.api.signed_links import LinksDep, SignatureRequired
from gateway.intake.spool import SpooledFile
from gateway.service import Service
from gateway.session import DocumentSource, open_session
from gateway.storage.files import StoredFile, create_file_id

router = APIRouter(tags=["mistral"], dependencies=[key_required("ocr")])
linked = APIRouter(tags=["mistral"])
"""The route that signed links lead to, because clients follow them without a key."""

_MISSING = mistral_responses(401, 404)
_BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}
_OCR_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": inlined_schema(OcrRequest)}}}}
_FILE_SCHEMA = {"type": "object", "required": ["file"], "properties": written_schemas(upload_schema())}
_FILE_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FILE_SCHEMA}}}}


@router.post(
    OCR,
    summary="Read a document, as Mistral does",
    response_model=OcrAnswer,
    responses=mistral_responses(400, 401, 404, 408, 410, 413, 422, 429, 500, 502, 503, 504),
    openapi_extra=_OCR_BODY,
)
async def ocr(request: Request, service: ServiceDep, links: LinksDep, scope: RequestScope) -> Response:
    require_json(request)
    admission = begin_document(request, service, scope)
    body = await admission.read_body(SpooledFile.from_stream(request.stream()))
    admission.take_document_place()
    split = service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, split)
    asked = parse_ocr_request(sent)
    source = await open_source(request, service.files, links, asked, sent.document)
    return await admission.finish(_read(service, source, asked, admission))


@router.post(
    FILES,
    summary="Upload a file to be read later",
    responses=mistral_responses(400, 401, 408, 413, 422, 429, 503, 507),
    openapi_extra=_FILE_BODY,
)
async def upload(request: Request, service: ServiceDep, scope: RequestScope) -> FileInfo:
    admission = begin_submission(request, service, scope)
    sent = await admission.read_body(read_upload(request))
    file_id = create_file_id()
    with await _hold_storage(request, service, file_id, sent.content.size):
        kept = await asyncio.to_thread(
            service.files.create,
            file_id,
            sent.content,
            owner_of(request),
            sent.name,
            sent.purpose,
            sent.media_type,
            sent.keep_s,
        )
    return describe_file(kept)


async def _hold_storage(request: Request, service: Service, file_id: str, size: int) -> AbstractContextManager[None]:
    """Of the request's key. Before it is refused, its files are looked at: other gateways keep and delete some."""
    account = account_of(request)
    if account is None or account.limits.bytes_stored is None:
        return nullcontext()
    if not (account.stored["files"].is_known and account.has_storage(size)):
        begun = time.monotonic()
        files = await asyncio.to_thread(service.files.list_files, account.owner)
        account.set_stored("files", {file.id: file.size for file in files}, begun)
    return account.hold_storage("files", {file_id: size})


@router.get(FILES, summary="Your files, newest first", responses=mistral_responses(401, 422))
async def list_files(
    request: Request,
    service: ServiceDep,
    page: Annotated[int, Query(ge=0, le=10**6)] = 0,
    page_size: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> FileList:
    files = await asyncio.to_thread(service.files.list_files, owner_of(request))
    shown = files[page * page_size : (page + 1) * page_size]
    return FileList(data=[describe_file(file) for file in shown], total=len(files))


@router.get(f"{FILES}/{{file_id}}", summary="One file", responses=_MISSING)
async def show_file(request: Request, service: ServiceDep, file_id: str) -> FileInfo:
    return describe_file(await _find(request, service, file_id))


@router.delete(f"{FILES}/{{file_id}}", summary="Delete a file", responses=_MISSING)
async def delete_file(request: Request, service: ServiceDep, file_id: str) -> DeletedFile:
    file = await _find(request, service, file_id)
    await asyncio.to_thread(service.files.delete, file)
    if account := account_of(request):
        account.free_storage("files", file.id)
    return DeletedFile(id=file.id)


@router.get(
    f"{FILES}/{{file_id}}/content", summary="Its bytes", response_class=Response, responses={**_BYTES, **_MISSING}
)
async def file_content(request: Request, service: ServiceDep, file_id: str) -> Response:
    return await _send(service, await _find(request, service, file_id))


@router.get(f"{FILES}/{{file_id}}/url", summary="A URL that needs no key", responses=mistral_responses(401, 404, 422))
async def file_url(
    request: Request,
    service: ServiceDep,
    links: LinksDep,
    file_id: str,
    expiry: Annotated[int, Query(ge=1, le=168, description="Hours that it is good for, while the file is kept")] = 24,
) -> FileUrl:
    file = await _find(request, service, file_id)
    expires = min(time.time() + expiry * HOUR_S, file.expires)
    return FileUrl(url=await asyncio.to_thread(links.sign, make_signed_path(file.id), expires))


@linked.get(
    f"{FILES}/{{file_id}}/{SIGNED}",
    summary="The bytes, by the URL of a file",
    response_class=Response,
    responses={**_BYTES, **mistral_responses(403, 404, 410, 422)},
    dependencies=[SignatureRequired],
)
async def send_signed_content(service: ServiceDep, file_id: str) -> Response:
    return await _send(service, await asyncio.to_thread(service.files.find, file_id, None))


async def _find(request: Request, service: Service, file_id: str) -> StoredFile:
    return await asyncio.to_thread(service.files.find, file_id, owner_of(request))


async def _send(service: Service, file: StoredFile) -> Response:
    content = await asyncio.to_thread(service.files.open, file)
    # Strangers' bytes: nothing that a browser would show.
    return SpooledResponse(content, {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"})


async def _read(service: Service, source: DocumentSource, asked: OcrRequest, admission: Admission) -> Response:
    options, size = asked.for_pipeline(), source.content.size if source.content else None
    pages, writer = bytearray(), PageWriter(asked)
    async with open_session(
        service, source, options, admission.deadline, pages=options.pages, flow=admission.flow
    ) as session:
        async for page in session.pages():
            append(pages, await asyncio.to_thread(writer.write, page.result, page.images), b",")
        session.finish()
        session.stats.require_read()
    usage = UsageInfo(pages_processed=session.stats.usage.pages, doc_size_bytes=size)
    answer = OcrAnswer(model=asked.model or session.model, usage_info=usage)
    headers = {"Content-Type": "application/json", **status_headers(session.stats.status, session.stats.warnings)}
    return ChunkedResponse(list(splice_json(answer.model_dump_json().encode(), [("pages", pages)])), headers)
