"""What clients see of a job."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gateway.api.signed_links import Links
from gateway.jobs.catalog import Job, JobState
from gateway.model import DocumentInfo


class JobProgress(BaseModel):
    done: int = Field(description="Pages that were read")
    total: int | None = Field(description="Pages to read; null until the document was opened")


class JobError(BaseModel):
    status: int = Field(description="Status that `POST /ocr` would have answered", examples=[415])
    code: str = Field(description="Stable name of the problem", examples=["unsupported_media_type"])
    detail: str


class JobInfo(BaseModel):
    """Times are seconds since 1970."""

    id: str
    state: JobState
    name: str = Field(description="Name of the document, as it was sent")
    batch: str | None = None
    created: float
    started: float | None = Field(None, description="When the document was opened")
    ended: float | None = None
    expires: float | None = Field(None, description="When the job and its results are removed")
    position: int | None = Field(None, description="Place among your jobs that wait, from 1, while this one does")
    attempts: int = Field(description="Processes of the service that have worked on it: more than one after restarts")
    progress: JobProgress
    warnings: list[str] = Field(description="What the pages that were read so far lack")
    document: DocumentInfo | None = None
    error: JobError | None = Field(None, description="Why the job failed")
    links: dict[str, str] = Field(
        description="URLs of the job itself, its `events`, `result` and `pages`. That of the result of a job that has "
        "ended needs no key, for as long as the job is kept"
    )


class BatchInfo(BaseModel):
    batch: str
    jobs: list[JobInfo] = Field(description="In the order of their documents in the request")


class JobList(BaseModel):
    jobs: list[JobInfo]
    next: str | None = Field(
        None,
        description="Path of the next older jobs; null at the end. With `state` there may be fewer "
        "jobs than `limit` before it",
    )


def describe_job(job: Job, links: Links) -> JobInfo:
    """Blocks as `Links.of_job`."""
    record, plan, end = job.record, job.plan, job.end
    expires = end.ended + record.keep_s if end else None
    is_failed = end is not None and end.state == "failed"
    return JobInfo(
        id=record.id,
        state=job.state,
        name=record.name,
        batch=record.batch,
        created=record.created,
        started=plan.started if plan else None,
        ended=end.ended if end else None,
        expires=expires,
        position=job.position,
        attempts=job.attempts,
        warnings=list(job.warnings),
        progress=JobProgress(done=job.pages_done, total=len(plan.pages) if plan else None),
        document=plan.document if plan else None,
        error=JobError(status=end.status, code=end.code, detail=end.detail) if end and is_failed else None,
        links=links.of_job(record.id, expires),
    )
