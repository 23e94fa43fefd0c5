"""Jobs that no gateway runs, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.app import create_app
from gateway.intake.spool import SpooledFile
from gateway.jobs.acceptance import NewJob
from gateway.jobs.service import JobService
from gateway.jobs.store import JobPlan, JobRecord
from gateway.model import DocumentInfo
from gateway.settings import Settings


@contextmanager
def open_jobs(folder: Path, **settings: Any) -> Iterator[JobService]:  # noqa: ANN401 - values of settings
    """They can be taken, once they were counted: nothing says that they can't be run."""
    output, temp = folder / "output", folder / "temp"
    app = create_app(Settings(_env_file=None, data_dir=folder, output_dir=output, temp_dir=temp, **settings))
    jobs: JobService = app.state.jobs
    jobs.set_failure(None)
    yield jobs
    app.state.service.parts.slots.close()


def make_job(document: bytes) -> NewJob:
    """As a request with an Idempotency-Key has it."""
    record = JobRecord(id="a" * 32, owner="", created=0, keep_s=60, fingerprint=document.decode())
    return NewJob(record, SpooledFile.from_bytes(document))


def without_key(job: NewJob) -> NewJob:
    """The same job of a request without an Idempotency-Key."""
    return NewJob(job.record.model_copy(update={"fingerprint": ""}), job.content)


def add_jobs(jobs: JobService, count: int) -> list[str]:
    """Their ids; they were accepted long ago, and nothing was done of them."""
    ids = [f"{at:032x}" for at in range(count)]
    jobs.store.prepare()
    for job_id in ids:
        jobs.store.create(JobRecord(id=job_id, owner="", created=0, keep_s=60), None)
    return ids


def add_plan(jobs: JobService, job: str, pages: list[int]) -> None:
    document = DocumentInfo(name="", media_type="application/pdf", pages_total=3, sha256="")
    jobs.store.write_plan(job, JobPlan(document=document, pages=pages, started=0, engine="", model=""))
