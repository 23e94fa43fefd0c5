"""Jobs that come in while others count, with the same key, or while the queue is away."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import ServiceError
from gateway.jobs.acceptance import NewJob
from gateway.jobs.queue import Execution, JobQueue
from gateway.jobs.service import JobService
from gateway.storage.objects import FolderObjects
from tests.gateway.jobs.idle import add_jobs, make_job, open_jobs, without_key
from tests.support.waiting import eventually


async def test_two_gateways_with_one_key_swap_no_documents(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever each has written when the other one comes: the job is one's, with its document, the other says so."""
    await jobs.sweeper.sweep()
    other, write, keys = make_job(b"other"), FolderObjects.write, list[str]()

    def let_other_come_between(objects: FolderObjects, key: str, content: Any, **options: Any) -> None:  # noqa: ANN401
        keys.append(key)
        if len(keys) == 2:  # the document is written, the record is not
            assert jobs.store.create(*other)
        write(objects, key, content, **options)

    monkeypatch.setattr(FolderObjects, "write", let_other_come_between)
    monkeypatch.setattr(JobQueue, "forget_ended", lambda _queue, _job: asyncio.sleep(0))
    with pytest.raises(ServiceError) as refused:
        await jobs.submit([make_job(b"own")], "batch")
    assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
    kept = jobs.store.record(other.record.id)
    assert kept is not None
    assert (kept.fingerprint, jobs.store.open_document(kept).read()) == ("other", b"other")


async def fail_to_enqueue(_queue: JobQueue, *_job: object) -> None:
    raise ServiceError(503, "jobs_unavailable", "The jobs' database does not answer.")


async def refuse(jobs: JobService, job: NewJob) -> None:
    """Submits a job that can't be put into the queue."""
    await jobs.sweeper.sweep()
    with pytest.raises(ServiceError) as refused:
        await jobs.submit([job], "batch")
    assert refused.value.code == "jobs_unavailable"


@pytest.mark.parametrize("known", ["promised", "not promised", "away"])
async def test_a_job_that_another_gateway_has_promised_stays(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    """It has found the record that this one wrote for the same Idempotency-Key, and was the faster one."""
    job = make_job(b"own")

    async def find_all(_queue: JobQueue, _ids: Sequence[str]) -> Mapping[str, Execution]:
        if known == "away":
            raise ServiceError(503, "jobs_unavailable", "The jobs' database does not answer.")
        return {job.record.id: Execution(job.record.id, "queued", 0)} if known == "promised" else {}

    monkeypatch.setattr(JobQueue, "forget_ended", lambda _queue, _job: asyncio.sleep(0))
    monkeypatch.setattr(JobQueue, "find_all", find_all)
    monkeypatch.setattr(JobQueue, "enqueue", fail_to_enqueue)
    await refuse(jobs, job)
    assert jobs.store.has_job(job.record.id) == (known != "not promised")


async def test_a_refused_job_that_the_store_would_not_remove_is_removed_later(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, delete = without_key(make_job(b"own")), FolderObjects.delete

    def fail(_objects: FolderObjects, _folder: str, _marker: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(JobQueue, "enqueue", fail_to_enqueue)
    monkeypatch.setattr(FolderObjects, "delete", fail)
    await refuse(jobs, job)
    assert jobs.store.has_job(job.record.id)
    monkeypatch.setattr(FolderObjects, "delete", delete)
    await jobs.sweeper.sweep()
    assert not jobs.store.has_job(job.record.id)


async def test_what_earlier_processes_have_kept_counts_for_the_first_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused when all is counted, instead of being kept before."""
    read, asked = FolderObjects.read, list[str]()

    def note(objects: FolderObjects, key: str) -> bytes | None:
        asked.append(key)
        return read(objects, key)

    with open_jobs(tmp_path, store_max_gb=1e-9) as jobs:
        add_jobs(jobs, 1)
        monkeypatch.setattr(FolderObjects, "read", note)
        submission = asyncio.create_task(jobs.submit([make_job(b"")], "batch"))
        await eventually(lambda: asked)
        await jobs.sweeper.sweep()
        with pytest.raises(ServiceError) as refused:
            await submission
    assert refused.value.code == "storage_full"


async def test_a_job_that_is_known_waits_for_no_count(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no more room."""
    job, enqueued = make_job(b"own"), list[str]()

    async def enqueue(_queue: JobQueue, job_id: str, *_rest: object) -> None:
        enqueued.append(job_id)

    jobs.store.create(*job)
    monkeypatch.setattr("gateway.jobs.quota.START_WAIT_S", 0)
    monkeypatch.setattr(JobQueue, "enqueue", enqueue)
    assert not await jobs.submit([make_job(b"own")], "batch")
    assert enqueued == [job.record.id]
