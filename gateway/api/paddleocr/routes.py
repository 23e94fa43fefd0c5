"""`/api/v2/ocr/jobs`: the jobs of PaddleOCR's hosted service."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.api.admission import Admission, begin_submission, cancel_on_disconnect
from gateway.api.auth import key_required, owner_of
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.jobs.dialect_tasks import submit_task
from gateway.api.jobs.results import require_result
from gateway.api.openapi import inlined_schema
from gateway.api.paddleocr.errors import PATH, ErrorEnvelope
from gateway.api.paddleocr.page_results import JobLines
from gateway.api.paddleocr.request import DIALECT_NAME, read_submission
from gateway.api.paddleocr.schema import BatchData, JobData, Submission, SubmittedJob, Success, describe_job
from gateway.api.problems import request_id
from gateway.api.signed_links import Expires, Links, LinksDep, SignatureRequired
from gateway.conversion.conversion_pool import raise_error
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.jobs.catalog import Job, job_not_found
from gateway.jobs.service import JobService
from gateway.service import Service

router = APIRouter(prefix=PATH, tags=["paddleocr"], dependencies=[key_required("jobs")])
linked = APIRouter(prefix=PATH, tags=["paddleocr"], dependencies=[SignatureRequired])
"""Routes that signed links lead to, because clients follow them without a key."""

_LISTED_AT_ONCE = 500
_FAILURES: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorEnvelope} for status in (400, 401, 403, 404, 408, 410, 429, 503, 507)
}
_JSON = {"schema": inlined_schema(Submission)}
_BODY = {"requestBody": {"required": True, "content": {"application/json": _JSON, "multipart/form-data": _JSON}}}


@router.post(
    "", summary="Submit a document", responses=_FAILURES, openapi_extra=_BODY, response_model_exclude_none=True
)
async def submit(request: Request, service: ServiceDep, jobs: JobsDep, scope: RequestScope) -> Success:
    admission = begin_submission(request, service, scope)
    submission, source = await admission.read_body(read_submission(request))
    options = submission.for_pipeline()
    service.parts.require_recognition(options.recognition)
    job = await submit_task(
        request,
        service.settings,
        jobs,
        source,
        dialect=DIALECT_NAME,
        options=options,
        submission=submission.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"file_url"}),
        batch=submission.batch_id,
    )
    return Success(trace_id=request_id(request.scope), data=SubmittedJob(job_id=job.record.id))


@router.get("/{job_id}", summary="How far a job is", responses=_FAILURES, response_model_exclude_none=True)
async def show(request: Request, jobs: JobsDep, links: LinksDep, job_id: str) -> Success:
    job = _require_own(await jobs.find(job_id, owner_of(request)))
    return Success(trace_id=request_id(request.scope), data=await _describe(links, job))


@router.get("/batch/{batch_id}", summary="Jobs of a batch", responses=_FAILURES, response_model_exclude_none=True)
async def show_batch(request: Request, jobs: JobsDep, links: LinksDep, batch_id: str) -> Success:
    found = await _list_batch(jobs, owner_of(request), batch_id)
    if not found:
        raise ServiceError(404, "not_found", "There is no such batch.")
    described = [await _describe(links, job) for job in reversed(found)]
    return Success(trace_id=request_id(request.scope), data=BatchData(batch_id=batch_id, extract_result=described))


@linked.get("/{job_id}/result.jsonl", summary="The pages, one line each", response_class=Response, responses=_FAILURES)
async def result(
    request: Request,
    service: ServiceDep,
    jobs: JobsDep,
    links: LinksDep,
    scope: RequestScope,
    job_id: str,
    expires: Expires,
) -> Response:
    """JSON lines. The URL comes with the job; it needs no key."""
    job = _require_own(await jobs.find_any(job_id))
    plan = require_result(job)
    path = f"{PATH}/{job_id}/pictures"
    lines = await asyncio.to_thread(JobLines, jobs.store, job, plan, lambda key: links.sign(f"{path}/{key}", expires))
    if lines.is_restructured:
        admission = begin_submission(request, service, scope)
        await cancel_on_disconnect(request.receive, _restructure(service, lines, admission))
    return Response(await asyncio.to_thread(lines.render), media_type="application/jsonl")


async def _restructure(service: Service, lines: JobLines, admission: Admission) -> None:
    body = await asyncio.to_thread(lambda: SpooledFile.from_bytes(lines.restructuring_request()))
    header, answer = await service.conversion.restructure(body, admission.flow, admission.deadline, "")
    raise_error(header)
    await asyncio.to_thread(lambda: lines.take_restructured(answer.read()))


@linked.get("/{job_id}/pictures/{key:path}", summary="A picture", response_class=Response, responses=_FAILURES)
async def picture(jobs: JobsDep, job_id: str, key: str) -> Response:
    found = await asyncio.to_thread(jobs.store.picture, job_id, key)
    if found is None:
        raise ServiceError(404, "not_found", "There is no such picture; its job may have been removed.")
    return Response(found, media_type="image/jpeg")


def _require_own(job: Job) -> Job:
    """ServiceError 404 `not_found` for a job that came by another API: it has no pages in this one's words."""
    if job.record.dialect != DIALECT_NAME:
        raise job_not_found()
    return job


async def _list_batch(jobs: JobService, owner: str, batch: str) -> list[Job]:
    """All of it that came by this API, newest first."""
    found, cursor = await jobs.list_jobs(owner, state=None, batch=batch, limit=_LISTED_AT_ONCE)
    listed = list(found)
    while cursor:
        found, cursor = await jobs.list_jobs(owner, state=None, batch=batch, limit=_LISTED_AT_ONCE, cursor=cursor)
        listed += found
    return [job for job in listed if job.record.dialect == DIALECT_NAME]


async def _describe(links: Links, job: Job) -> JobData:
    url = None
    if job.end is not None:
        path = f"{PATH}/{job.record.id}/result.jsonl"
        url = await asyncio.to_thread(links.sign, path, job.end.ended + job.record.keep_s)
    return describe_job(job, url)
