"""MinerU's routes: a file parsed at once, or as a task."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from gateway.api.admission import Admission, begin_document, begin_submission
from gateway.api.auth import key_required
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.fastapi_errors import fastapi_responses, read_document_form
from gateway.api.jobs.dialect_tasks import failure_message, find_task, load_pages, submit_task
from gateway.api.mineru.answer import AnswerWriter
from gateway.api.mineru.errors import PARSE, TASKS
from gateway.api.mineru.schema import ParseAnswer, ParseOptions, Task, describe_task, parse_schema
from gateway.api.openapi import written_schemas
from gateway.api.signed_links import base_url_of
from gateway.jobs.catalog import Job
from gateway.jobs.store import JobStore
from gateway.service import Service
from gateway.session import DocumentSource, open_session

router = APIRouter(tags=["mineru"], dependencies=[key_required("ocr")])

DIALECT_NAME = "mineru"
_SCHEMA = {"type": "object", "required": ["files"], "properties": written_schemas(parse_schema())}
_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _SCHEMA}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/zip": {}}}}


@router.post(
    PARSE,
    summary="Parse a file, as MinerU does",
    response_model=ParseAnswer,
    responses={**_ANSWERS, **fastapi_responses(401, 408, 413, 422, 429, 500, 502, 503, 504)},
    openapi_extra=_BODY,
)
async def parse_file(request: Request, service: ServiceDep, scope: RequestScope) -> Response:
    admission = begin_document(request, service, scope)
    source, options = await admission.read_body(read_document_form(request, "files", ParseOptions))
    admission.take_document_place()
    return await admission.finish(_parse(service, source, options, admission))


@router.post(
    TASKS,
    summary="Parse a file as a task",
    status_code=202,
    responses=fastapi_responses(401, 408, 413, 422, 429, 500, 503, 507),
    openapi_extra=_BODY,
)
async def submit(request: Request, service: ServiceDep, jobs: JobsDep, scope: RequestScope) -> Task:
    admission = begin_submission(request, service, scope)
    source, options = await admission.read_body(read_document_form(request, "files", ParseOptions))
    job = await submit_task(
        request,
        service.settings,
        jobs,
        source,
        dialect=DIALECT_NAME,
        options=options.for_pipeline(),
        submission=options.model_dump(mode="json"),
    )
    return describe_task(job, base_url_of(request))


@router.get(f"{TASKS}/{{task_id}}", summary="How far a task is", responses=fastapi_responses(401, 404))
async def show(request: Request, jobs: JobsDep, task_id: str) -> Task:
    return describe_task(await find_task(request, jobs, task_id, DIALECT_NAME), base_url_of(request))


@router.get(
    f"{TASKS}/{{task_id}}/result",
    summary="What a task has parsed",
    response_model=ParseAnswer,
    responses={**_ANSWERS, 202: {"model": Task}, 409: {"model": Task}, **fastapi_responses(401, 404)},
)
async def result(request: Request, jobs: JobsDep, task_id: str) -> Response:
    job = await find_task(request, jobs, task_id, DIALECT_NAME)
    task = describe_task(job, base_url_of(request))
    if task.status == "completed":
        return await asyncio.to_thread(_build_result, jobs.store, job, task)
    if task.status == "failed":
        task.message = failure_message(job)
    return JSONResponse(task.model_dump(mode="json"), 409 if task.status == "failed" else 202)


async def _parse(service: Service, source: DocumentSource, asked: ParseOptions, admission: Admission) -> Response:
    options = asked.for_pipeline()
    async with open_session(
        service, source, options, admission.deadline, pages=options.pages, flow=admission.flow
    ) as session:
        writer = AnswerWriter(asked, session.document.name)
        await session.read_into(writer.add)
    return await asyncio.to_thread(writer.response)


def _build_result(store: JobStore, job: Job, task: Task) -> ChunkedResponse:
    """Blocks. Raises as `load_pages`."""
    writer = AnswerWriter(ParseOptions.model_validate(job.record.submission), job.record.name)
    for page, pictures in load_pages(store, job):
        writer.add(page, pictures)
    return writer.response(task.model_dump(mode="json"))
