"""Whether jobs can be taken, and who is told of a change."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from gateway.jobs.catalog import JobChanges, await_change
from gateway.jobs.queue import JobQueue
from gateway.jobs.service import JobService
from gateway.jobs.store import JobEnd
from gateway.storage.bucket import StoredObject
from gateway.storage.objects import FolderObjects
from tests.gateway.jobs.idle import add_jobs
from tests.support.waiting import WAIT_S


async def test_who_watches_a_job_is_woken_by_no_other() -> None:
    changes = JobChanges()
    change = changes.watch("own")
    changes.announce("another")
    assert not change.is_set()
    changes.announce("own")
    assert await await_change(change, WAIT_S)


async def test_jobs_are_not_called_available_before_they_were_counted(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs.reason is not None
    assert jobs.limitation is None  # it has only begun
    survey = FolderObjects.survey

    def fail(_objects: FolderObjects, _folder: str) -> Iterator[StoredObject]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(FolderObjects, "survey", fail)
    await jobs.sweeper.sweep()
    assert jobs.limitation is not None
    monkeypatch.setattr(FolderObjects, "survey", survey)
    await jobs.sweeper.sweep()
    assert (jobs.reason, jobs.limitation) == (None, None)


async def test_a_job_that_has_ended_is_shown_without_its_database(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs keeps nobody from a result for as long as it is waited for."""
    (job_id,) = add_jobs(jobs, 1)
    jobs.store.write_end(job_id, JobEnd(state="done", ended=1))
    asked: list[str] = []

    async def note(_queue: JobQueue, asked_for: str) -> None:
        asked.append(asked_for)

    monkeypatch.setattr(JobQueue, "find", note)
    assert (await jobs.find(job_id, "")).state == "done"
    assert asked == []
