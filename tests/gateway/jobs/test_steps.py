"""The steps of one job."""

from __future__ import annotations

import time

import pytest

from gateway.errors import ServiceError
from gateway.jobs.service import JobService
from gateway.jobs.store import JobEnd, JobRecord
from gateway.service import Service
from tests.gateway.jobs.idle import add_jobs, add_plan
from tests.support.waiting import eventually


async def test_a_reading_that_fails_between_two_steps_is_told_and_not_begun_anew(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job], begun = add_jobs(jobs, 1), list[str]()
    add_plan(jobs, job, [1, 2])

    async def fail(_service: Service, record: JobRecord, _attempt: object) -> None:
        begun.append(record.id)
        raise ServiceError(410, "document_gone", "There is no such document any more.")

    monkeypatch.setattr("gateway.jobs.reading.retry_while_away", fail)
    await jobs.runner.plan(job)
    await eventually(lambda: not jobs.runner.is_reading(job))
    assert not await jobs.runner.read_on(job)
    end = jobs.store.end(job)
    await jobs.runner.stop()
    assert end is not None
    assert (end.code, begun) == ("document_gone", [job])


async def test_the_plan_of_a_job_tells_its_pages_to_the_version_before(jobs: JobService) -> None:
    """A gateway of that version which takes the job over reads those that the record of the step has."""
    [job] = add_jobs(jobs, 1)
    add_plan(jobs, job, [2, 3])
    jobs.store.write_end(job, JobEnd(state="done", ended=time.time()))
    assert await jobs.runner.plan(job) == [2, 3]
