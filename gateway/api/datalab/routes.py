"""Datalab's routes: a document is submitted and polled; a Marker that people run themselves answers at once."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.admission import Admission, begin_document, begin_submission
from gateway.api.auth import key_required
from gateway.api.datalab.answer import AnswerWriter
from gateway.api.datalab.errors import CONVERT, MARKER, UPLOAD
from gateway.api.datalab.schema import DirectAnswer, MarkerOptions, ParsedDocument, Submitted, form_schema
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.fastapi_errors import fastapi_responses, read_document_form
from gateway.api.jobs.dialect_tasks import failure_message, find_task, load_pages, submit_task
from gateway.api.multipart import FILE
from gateway.api.openapi import written_schemas
from gateway.api.problems import ABOUT_DOCUMENT
from gateway.api.signed_links import base_url_of
from gateway.errors import ServiceError
from gateway.jobs.catalog import Job
from gateway.jobs.store import JobStore
from gateway.service import Service
from gateway.session import DocumentSource, open_session

router = APIRouter(tags=["datalab"], dependencies=[key_required("ocr")])

DIALECT_NAME = "datalab"
_SCHEMA = {"type": "object", "required": [FILE], "properties": written_schemas(form_schema())}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}}


async def submit(request: Request, service: ServiceDep, jobs: JobsDep, scope: RequestScope) -> Submitted:
    admission = begin_submission(request, service, scope)
    source, options = await admission.read_body(read_document_form(request, FILE, MarkerOptions))
    job = await submit_task(
        request,
        service.settings,
        jobs,
        source,
        dialect=DIALECT_NAME,
        options=options.for_pipeline(),
        submission=options.model_dump(mode="json"),
    )
    path = MARKER if request.scope["route"].path == MARKER else CONVERT
    url = f"{base_url_of(request)}{path}/{job.record.id}"
    return Submitted(request_id=job.record.id, request_check_url=url)


async def show(request: Request, jobs: JobsDep, request_id: str) -> Response:
    job = await find_task(request, jobs, request_id, DIALECT_NAME)
    parsed = await asyncio.to_thread(_describe, jobs.store, job)
    body = await asyncio.to_thread(parsed.model_dump_json, by_alias=True)
    return Response(body, media_type="application/json")


for _path in (MARKER, CONVERT):
    router.add_api_route(
        _path,
        submit,
        methods=["POST"],
        summary="Parse a document, as Datalab does",
        response_model=Submitted,
        responses=fastapi_responses(401, 408, 413, 415, 422, 429, 500, 503, 507),
        openapi_extra=_BODY,
    )
    router.add_api_route(
        f"{_path}/{{request_id}}",
        show,
        methods=["GET"],
        summary="The document, once it was parsed",
        response_model=ParsedDocument,
        responses=fastapi_responses(401, 404),
    )


@router.post(
    UPLOAD,
    summary="Parse a document at once, as a self-hosted Marker does",
    responses=fastapi_responses(401, 408, 413, 415, 422, 429, 500, 502, 503, 504),
    openapi_extra=_BODY,
)
async def parse_upload(request: Request, service: ServiceDep, scope: RequestScope) -> DirectAnswer:
    admission = begin_document(request, service, scope)
    source, options = await admission.read_body(read_document_form(request, FILE, MarkerOptions))
    admission.take_document_place()
    return await admission.finish(_parse(service, source, options, admission))


async def _parse(service: Service, source: DocumentSource, asked: MarkerOptions, admission: Admission) -> DirectAnswer:
    options, writer, kind = asked.for_pipeline(), AnswerWriter(asked), asked.output_format
    try:
        async with open_session(
            service, source, options, admission.deadline, pages=options.pages, flow=admission.flow
        ) as session:
            await session.read_into(writer.add)
    except ServiceError as error:
        if error.status not in ABOUT_DOCUMENT:
            raise
        return DirectAnswer(success=False, error=error.detail, format=kind)
    return DirectAnswer(
        success=True,
        format=kind,
        output=writer.output,
        images=writer.images,
        metadata=_metadata(writer),
        page_count=writer.page_count,
    )


def _describe(store: JobStore, job: Job) -> ParsedDocument:
    """Blocks. Raises as `load_pages`."""
    options = MarkerOptions.model_validate(job.record.submission)
    kind = options.output_format
    if job.state in ("queued", "running"):
        return ParsedDocument(status="processing", output_format=kind)
    if job.state != "done":
        return ParsedDocument(status="failed", success=False, error=failure_message(job), output_format=kind)
    writer = AnswerWriter(options)
    for page, pictures in load_pages(store, job):
        writer.add(page, pictures)
    if writer.status == "failed":
        reasons = "; ".join(writer.warnings)[:1000]
        return ParsedDocument(status="failed", success=False, error=reasons, output_format=kind)
    return ParsedDocument.model_validate(
        {
            "status": "complete",
            "success": True,
            "output_format": kind,
            kind: writer.output,
            "images": writer.images,
            "metadata": _metadata(writer),
            "page_count": writer.page_count,
        }
    )


def _metadata(writer: AnswerWriter) -> dict[str, object]:
    return {"warnings": writer.warnings} if writer.warnings else {}
