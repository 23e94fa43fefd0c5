"""docling-serve's routes: a document converted at once, or as a task that is polled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.datastructures import FormData
from starlette.responses import JSONResponse, Response

from gateway.api.admission import Admission, begin_document, begin_submission, cancel_on_disconnect, require_json
from gateway.api.auth import key_required
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.docling.answer import AnswerWriter, answer_failure
from gateway.api.docling.errors import CHUNK, CONVERT, RESULT, STATUS
from gateway.api.docling.schema import (
    ConvertAnswer,
    ConvertOptions,
    ConvertRequest,
    FailedTask,
    FileSource,
    Target,
    Task,
    describe_failure,
    describe_task,
)
from gateway.api.fastapi_errors import fastapi_responses, find_only_file, parse_fields, require_form
from gateway.api.forms import keep_document, read_form, text_fields
from gateway.api.jobs.dialect_tasks import find_task, load_pages, submit_task
from gateway.api.jobs.results import require_result
from gateway.api.openapi import inlined_schema, written_schemas
from gateway.api.problems import ABOUT_DOCUMENT
from gateway.assembly.restructure import describe_document
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.fetch import parse_url_filename
from gateway.intake.spool import SpooledFile
from gateway.jobs.catalog import Job, await_change
from gateway.jobs.service import JobService
from gateway.jobs.store import JobStore
from gateway.service import Service
from gateway.session import DocumentSource, open_session

router = APIRouter(tags=["docling"], dependencies=[key_required("ocr")])

_DIALECT_NAME = "docling"
_DOCUMENT_PLACES = [DocumentPlace(("sources", "*", "base64_string"), "base64")]
_LISTS = ("to_formats", "page_range")
_PRESIGNED = "presigned_url"
_MAX_WAIT_S = 60.0
_LOOK_S = 1.0
"""How often a task is looked at where nothing is announced: another process may convert it."""
_CONVERT_FAILURES = fastapi_responses(401, 408, 413, 422, 429, 500, 502, 503, 504)
_SUBMIT_FAILURES = fastapi_responses(401, 408, 413, 422, 429, 500, 503, 507)
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to be converted, and to what."""

    source: DocumentSource
    options: ConvertOptions
    target: Target


def _form_body() -> dict[str, Any]:
    file = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 1, "description": "One file"}
    target = {"type": "string", "enum": ["inbody", "zip"], "default": "inbody"}
    fields = written_schemas(inlined_schema(ConvertOptions)["properties"])
    schema = {"type": "object", "required": ["files"], "properties": {"files": file, **fields, "target_type": target}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


_FORM = _form_body()
_JSON = {"requestBody": {"required": True, "content": {"application/json": {"schema": inlined_schema(ConvertRequest)}}}}


@router.post(
    f"{CONVERT}/file",
    summary="Convert a file, as docling-serve does",
    response_model=ConvertAnswer,
    responses={**_ANSWERS, **_CONVERT_FAILURES},
    openapi_extra=_FORM,
)
async def convert_file(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_document(request, service, scope)
    asked = await admission.read_body(_read_file_request(request))
    admission.take_document_place()
    return await admission.finish(_convert(service, asked, admission))


@router.post(
    f"{CONVERT}/source",
    summary="Convert a file in JSON, or one that is fetched",
    response_model=ConvertAnswer,
    responses={**_ANSWERS, **_CONVERT_FAILURES},
    openapi_extra=_JSON,
)
async def convert_source(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_document(request, service, scope)
    body = await admission.read_body(_read_source_request(request))
    admission.take_document_place()
    asked = await _split_source_request(request, service, admission, body)
    return await admission.finish(_convert(service, asked, admission))


@router.post(
    f"{CONVERT}/file/async", summary="Convert a file as a task", responses=_SUBMIT_FAILURES, openapi_extra=_FORM
)
async def submit_file(request: Request, service: ServiceDep, jobs: JobsDep, scope: RequestScope) -> Task:
    admission = begin_submission(request, service, scope)
    return await _submit(request, service, jobs, await admission.read_body(_read_file_request(request)))


@router.post(
    f"{CONVERT}/source/async", summary="Convert a source as a task", responses=_SUBMIT_FAILURES, openapi_extra=_JSON
)
async def submit_source(request: Request, service: ServiceDep, jobs: JobsDep, scope: RequestScope) -> Task:
    admission = begin_submission(request, service, scope)
    body = await admission.read_body(_read_source_request(request))
    return await _submit(request, service, jobs, await _split_source_request(request, service, admission, body))


@router.get(f"{STATUS}/{{task_id}}", summary="How far a task is", responses=fastapi_responses(401, 404, 422))
async def poll(
    request: Request,
    jobs: JobsDep,
    task_id: str,
    wait: Annotated[float, Query(ge=0, allow_inf_nan=False, description="Seconds to wait for its end")] = 0.0,
) -> Task:
    deadline = asyncio.get_running_loop().time() + min(wait, _MAX_WAIT_S)
    job = await cancel_on_disconnect(request.receive, _wait_for_end(request, jobs, task_id, deadline))
    return describe_task(job)


@router.get(
    f"{RESULT}/{{task_id}}",
    summary="What a task has converted",
    response_model=ConvertAnswer | FailedTask,
    responses={**_ANSWERS, **fastapi_responses(401, 404, 422)},
)
async def result(request: Request, jobs: JobsDep, task_id: str) -> Response:
    job = await find_task(request, jobs, task_id, _DIALECT_NAME)
    if job.state in ("failed", "cancelled"):
        return JSONResponse(FailedTask(failure=describe_failure(job)).model_dump(mode="json"))
    if job.state != "done":
        detail = "Task result not found. Please wait for a completion status."
        raise ServiceError(404, "not_found", detail)
    return await asyncio.to_thread(_build_result, jobs.store, job)


@router.post(f"{CHUNK}/{{chunker}}/{{source}}", include_in_schema=False)
@router.post(f"{CHUNK}/{{chunker}}/{{source}}/async", include_in_schema=False)
async def refuse_chunks() -> None:
    """docling counts tokens by models from a hub, which this service asks for nothing."""
    detail = (
        "This service makes no chunks. Convert with `to_formats` `json`: docling-core's chunkers take the "
        "DoclingDocument that you get."
    )
    raise ServiceError(404, "not_found", detail)


@router.get("/version", summary="Versions, as docling-serve tells them", responses=fastapi_responses(401))
async def version(service: ServiceDep) -> dict[str, str]:
    return {"paddleocr-vl-service": service.version}


async def _convert(service: Service, asked: Conversion, admission: Admission) -> Response:
    started = time.monotonic()
    options = asked.options.for_pipeline()
    try:
        async with open_session(
            service, asked.source, options, admission.deadline, pages=options.pages, flow=admission.flow
        ) as session:
            writer = AnswerWriter(asked.options, asked.target, describe_document(session.document))
            await session.read_into(writer.add)
    except ServiceError as error:
        if error.status not in ABOUT_DOCUMENT:
            raise
        failed = answer_failure(asked.source.name, error, time.monotonic() - started)
        return JSONResponse(failed.model_dump(mode="json"))
    return await asyncio.to_thread(writer.response, time.monotonic() - started)


async def _submit(request: Request, service: Service, jobs: JobService, asked: Conversion) -> Task:
    job = await submit_task(
        request,
        service.settings,
        jobs,
        asked.source,
        dialect=_DIALECT_NAME,
        options=asked.options.for_pipeline(),
        submission={"options": asked.options.model_dump(mode="json"), "target": asked.target},
    )
    return describe_task(job)


async def _wait_for_end(request: Request, jobs: JobService, task_id: str, deadline: float) -> Job:
    while True:
        change = jobs.next_change(task_id)
        job = await find_task(request, jobs, task_id, _DIALECT_NAME)
        left_s = deadline - asyncio.get_running_loop().time()
        if job.state not in ("queued", "running") or left_s <= 0:
            return job
        await await_change(change, min(left_s, _LOOK_S))


def _build_result(store: JobStore, job: Job) -> ChunkedResponse:
    """Blocks. Raises as `load_pages`."""
    plan, end = require_result(job), job.end
    asked = job.record.submission
    writer = AnswerWriter(ConvertOptions.model_validate(asked["options"]), asked["target"], plan.document)
    for page, pictures in load_pages(store, job):
        writer.add(page, pictures)
    return writer.response((end.ended if end else time.time()) - plan.started)


async def _read_file_request(request: Request) -> Conversion:
    """A multipart form. ServiceError as `read_form`; 422 `invalid_option`, `target_not_supported`."""
    require_form(request, "files")
    async with read_form(request) as form:
        options = parse_fields(ConvertOptions, _fields(form))
        target = _check_target(form.get("target_type") or "inbody")
        if form.get("callbacks") not in (None, "", "[]"):
            raise ServiceError(422, "invalid_option", "No callbacks are called; poll the task.", param="callbacks")
        return Conversion(await keep_document(find_only_file(form, "files")), options, target)


async def _split_source_request(
    request: Request, service: Service, admission: Admission, body: SpooledFile
) -> Conversion:
    """JSON. Raises as `ConversionPool.split`, and ServiceError 422 `invalid_option`, `target_not_supported`."""
    work = service.conversion.split(_DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, work)
    asked = parse_fields(ConvertRequest, sent.rest)
    target = _check_target(asked.target.kind)
    (source,) = asked.sources
    if not isinstance(source, FileSource):
        named = DocumentSource(None, parse_url_filename(source.url), url=source.url)
        return Conversion(named, asked.options, target)
    if sent.document is None or not sent.document.size:
        raise ServiceError(422, "invalid_option", "The document is empty.", param="sources.0.base64_string")
    return Conversion(DocumentSource(sent.document, source.filename), asked.options, target)


async def _read_source_request(request: Request) -> SpooledFile:
    require_json(request)
    return await SpooledFile.from_stream(request.stream())


def _fields(form: FormData) -> Mapping[str, Any]:
    """Values by name; of those that are lists, all that were given."""
    given = text_fields(form)
    lists = {name: [value for key, value in given if key == name] for name in _LISTS}
    return {**dict(given), **{name: values for name, values in lists.items() if values}}


def _check_target(kind: object) -> Target:
    if kind == "inbody" or kind == "zip":
        return kind
    if kind == _PRESIGNED:
        # Clients that ask for it first know this sentence, and go on with `inbody`.
        detail = "The target presigned_url requires artifact storage to be configured; ask for inbody or zip."
        raise ServiceError(422, "target_not_supported", detail)
    raise ServiceError(422, "invalid_option", "Targets are `inbody` and `zip`.", param="target")
