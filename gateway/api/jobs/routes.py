"""`/jobs`: documents that are read after their request has ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from gateway.api.admission import begin_submission, cancel_on_disconnect
from gateway.api.auth import key_required, owner_of
from gateway.api.deps import JobsDep, RequestScope, ServiceDep
from gateway.api.idempotency import REPLAYED
from gateway.api.jobs.events import page_event, stream_job
from gateway.api.jobs.request import (
    SUBMIT_DESCRIPTION,
    SUBMIT_REQUEST,
    load_params,
    make_records,
    read_submission,
)
from gateway.api.jobs.results import build_result
from gateway.api.jobs.schema import BatchInfo, JobInfo, JobList, describe_job
from gateway.api.ocr.options import Format, RequestOptions
from gateway.api.ocr.stream import PageEvent
from gateway.api.problems import problem_responses
from gateway.api.signed_links import KeyOrSignatureRequired, Links, LinksDep
from gateway.errors import ServiceError
from gateway.jobs.acceptance import NewJob
from gateway.jobs.catalog import Job, JobState
from gateway.jobs.links import PATH
from gateway.jobs.queue import Cursor
from gateway.jobs.service import JobService
from gateway.jobs.store import JobRecord
from gateway.storage.keys import is_picture_name

router = APIRouter(prefix=PATH, tags=["jobs"], dependencies=[key_required("jobs")])
linked = APIRouter(prefix=PATH, tags=["jobs"], dependencies=[KeyOrSignatureRequired])
"""Routes that signed links lead to, because browsers and other clients follow them without a key."""

_CURSOR = r"^\d{1,14}-\d{1,9}-[0-9a-f]{32}$"
_MISSING = problem_responses(401, 404, 422)
Images = Annotated[str | None, Query(pattern="^(inline|stored|none)$")]


@router.post(
    "",
    summary="Read a document in the background",
    description=SUBMIT_DESCRIPTION,
    status_code=202,
    response_model=JobInfo | BatchInfo,
    responses=problem_responses(400, 401, 408, 413, 415, 422, 429, 503, 507),
    openapi_extra=SUBMIT_REQUEST,
)
async def submit_job(
    request: Request, service: ServiceDep, jobs: JobsDep, links: LinksDep, scope: RequestScope
) -> Response:
    admission = begin_submission(request, service, scope)
    upload = await read_submission(request, service, admission)
    records = await make_records(request, upload, service.settings)
    first = records[0]
    service.parts.choose(first.options.model).require_recognition(first.options.recognition)
    if first.webhook is not None:
        await jobs.webhooks.require_allowed(first.webhook.url)
    submissions = [NewJob(record, source.content) for record, source in zip(records, upload.sources, strict=True)]
    is_new = await jobs.submit(submissions, str(first.params.get("priority", "interactive")))
    described = [await _describe(jobs, links, record) for record in records]
    if upload.others is None:
        location, body = f"/{first.id}", described[0].model_dump(mode="json")
    else:
        location = f"?{urlencode({'batch': first.batch})}"
        body = BatchInfo(batch=str(first.batch), jobs=described).model_dump(mode="json")
    location = urlsplit(links.base_url).path + PATH + location  # below the prefix of a proxy
    return JSONResponse(body, 202, {"Location": location, **({} if is_new else {REPLAYED: "true"})})


@router.get("", summary="Jobs, newest first", responses=problem_responses(401, 422, 503))
async def list_jobs(
    request: Request,
    jobs: JobsDep,
    links: LinksDep,
    state: JobState | None = None,
    batch: Annotated[str | None, Query(max_length=128)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(pattern=_CURSOR, description="From `next`")] = None,
) -> JobList:
    found, end = await jobs.list_jobs(owner_of(request), state=state, batch=batch, limit=limit, cursor=_cursor(cursor))
    following = f"{PATH}?{_query(state, batch, limit, end)}" if end else None
    described = await asyncio.to_thread(lambda: [describe_job(job, links) for job in found])
    return JobList(jobs=described, next=following)


@router.get("/{job_id}", summary="How far a job is", responses=_MISSING)
async def show_job(request: Request, jobs: JobsDep, links: LinksDep, job_id: str) -> JobInfo:
    return await asyncio.to_thread(describe_job, await jobs.find(job_id, owner_of(request)), links)


@router.delete("/{job_id}", summary="Cancel a job and remove its data", status_code=204, responses=_MISSING)
async def delete_job(request: Request, jobs: JobsDep, job_id: str) -> Response:
    await jobs.delete(await jobs.find(job_id, owner_of(request)))
    return Response(status_code=204)


@linked.get(
    "/{job_id}/result",
    summary="The answer that `POST /ocr` would have given",
    response_class=Response,
    responses=problem_responses(401, 403, 404, 409, 410, 413, 422, 503, 504),
)
async def job_result(
    request: Request,
    service: ServiceDep,
    jobs: JobsDep,
    links: LinksDep,
    scope: RequestScope,
    job_id: str,
    format: Format | None = None,
    images: Images = None,
) -> Response:
    job = await _find_readable(request, jobs, job_id)
    params = _result_params(job, format, images)
    admission = begin_submission(request, service, scope)
    building = build_result(service, jobs.store, job, params, links, admission)
    return await cancel_on_disconnect(request.receive, building)


@router.get("/{job_id}/pages/{number}", summary="One page of it, as soon as it was read", responses=_MISSING)
async def job_page(
    request: Request, jobs: JobsDep, links: LinksDep, job_id: str, number: int, images: Images = None
) -> PageEvent:
    job = await jobs.find(job_id, owner_of(request))
    is_planned = job.plan is not None and number in job.plan.pages
    page = await asyncio.to_thread(jobs.store.page, job_id, number) if is_planned else None
    if page is None:
        raise ServiceError(404, "not_found", "This page was not read, or not yet.")
    return await asyncio.to_thread(page_event, jobs.store, job, page, _result_params(job, None, images), links)


@router.get(
    "/{job_id}/events",
    summary="Pages as they are read",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **_MISSING},
)
async def job_events(
    request: Request,
    jobs: JobsDep,
    links: LinksDep,
    job_id: str,
    last_event_id: Annotated[str | None, Header()] = None,
    images: Images = None,
) -> Response:
    """`page` events with the page's number as their id, in order, then `end` with the job. `Last-Event-ID` leaves out
    the pages up to that number."""
    owner = owner_of(request)
    job = await jobs.find(job_id, owner)
    after = 0
    with suppress(TypeError, ValueError):
        after = int(last_event_id or 0)
    events = stream_job(jobs, job_id, lambda: jobs.find(job_id, owner), _result_params(job, None, images), links, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, headers=headers, media_type="text/event-stream")


@linked.get(
    "/{job_id}/imgs/{name}",
    summary="A picture of a page",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}, **problem_responses(401, 403, 404, 410, 422)},
)
async def job_picture(request: Request, jobs: JobsDep, job_id: str, name: str) -> Response:
    job = await _find_readable(request, jobs, job_id)
    key = f"imgs/{name}"
    picture = (
        await asyncio.to_thread(jobs.store.picture, job.record.id, key) if is_picture_name(job.record.id, key) else None
    )
    if picture is None:
        raise ServiceError(404, "not_found", "There is no such picture.")
    return Response(picture, media_type="image/jpeg")


async def _describe(jobs: JobService, links: Links, record: JobRecord) -> JobInfo:
    return await asyncio.to_thread(describe_job, await jobs.find(record.id, record.owner), links)


async def _find_readable(request: Request, jobs: JobService, job_id: str) -> Job:
    """The sender's job, or the one that a signed link leads to. ServiceError 404 `not_found`."""
    return await (jobs.find_any(job_id) if request.state.is_signed else jobs.find(job_id, owner_of(request)))


def _result_params(job: Job, kind: Format | None, images: str | None) -> RequestOptions:
    """The options that the job came with, with others of how it is shown in their place."""
    given = {name: value for name, value in (("format", kind), ("images", images)) if value is not None}
    return load_params(job.record).model_copy(update=given)


def _cursor(text: str | None) -> Cursor | None:
    if text is None:
        return None
    created_ms, skip, job_id = text.split("-")
    return Cursor(int(created_ms), int(skip), job_id)


def _query(state: JobState | None, batch: str | None, limit: int, cursor: Cursor) -> str:
    given = {"state": state, "batch": batch, "limit": limit, "cursor": "-".join(map(str, cursor))}
    return urlencode({name: value for name, value in given.items() if value is not None})
