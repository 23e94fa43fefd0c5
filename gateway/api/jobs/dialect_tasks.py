"""Jobs as other services' dialects have them, which call them tasks: of one document each, and shown in no other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from fastapi import Request

from gateway.api.auth import owner_of
from gateway.api.jobs.results import require_result
from gateway.errors import ServiceError
from gateway.jobs.acceptance import NewJob
from gateway.jobs.catalog import Job, create_id
from gateway.jobs.service import JobService
from gateway.jobs.store import JobRecord, JobStore
from gateway.model import PageResult
from gateway.reading_options import OcrOptions
from gateway.session import DocumentSource
from gateway.settings import Settings
from gateway.tracing import trace_headers


async def submit_task(
    request: Request,
    settings: Settings,
    jobs: JobService,
    source: DocumentSource,
    *,
    dialect: str,
    options: OcrOptions,
    submission: dict[str, Any],
    batch: str | None = None,
) -> Job:
    """`submission`: what the dialect needs to make its answer, as JSON can hold it. Raises as `JobService.submit`."""
    owner = owner_of(request)
    record = JobRecord(
        id=create_id(owner, batch),
        owner=owner,
        trace=dict(trace_headers()),
        created=time.time(),
        keep_s=settings.jobs_keep_s,
        name=source.name,
        media_type=source.media_type,
        url=source.url,
        batch=batch,
        dialect=dialect,
        options=options,
        submission=submission,
    )
    await jobs.submit([NewJob(record, source.content)], "interactive")
    return await jobs.find(record.id, owner)


async def find_task(request: Request, jobs: JobService, task_id: str, dialect: str) -> Job:
    """ServiceError 404 `not_found` for another owner's or another dialect's job too."""
    with suppress(ServiceError):
        job = await jobs.find(task_id, owner_of(request))
        if job.record.dialect == dialect:
            return job
    raise _not_found()


def load_pages(store: JobStore, job: Job) -> Iterator[tuple[PageResult, Mapping[str, bytes]]]:
    """The pages of a job that is done, each with its pictures by key in the Markdown. Blocks.

    Raises as `require_result`; ServiceError 404 `not_found` where the job was deleted meanwhile.
    """
    for number in require_result(job).pages:
        page = store.page(job.record.id, number)
        if page is None:
            raise _not_found()
        pictures = ((key, store.picture(job.record.id, key)) for key in page.images)
        yield page.result, {key: picture for key, picture in pictures if picture is not None}


def failure_message(job: Job) -> str:
    """Why a job that has failed or was cancelled has no result."""
    return job.end.detail if job.end and job.end.detail else "The task was cancelled or failed."


def _not_found() -> ServiceError:
    """In docling-serve's and MinerU's words."""
    return ServiceError(404, "not_found", "Task not found.")
