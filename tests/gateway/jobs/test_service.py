"""What concerns all jobs of a gateway, without any."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.app import create_app
from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.jobs.queue import Execution, JobQueue
from gateway.jobs.service import JobService, NewJob, await_change
from gateway.jobs.steps import JobRunner
from gateway.jobs.store import JobEnd, JobPlan, JobRecord
from gateway.model import DocumentInfo
from gateway.service import Service
from gateway.settings import Settings
from gateway.storage.bucket import StoredObject
from gateway.storage.objects import FolderObjects
from tests.support.waiting import WAIT_S, eventually


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    """None of them is run."""
    app = create_app(
        Settings(_env_file=None, data_dir=tmp_path, output_dir=tmp_path / "output", temp_dir=tmp_path / "temp")
    )
    yield app.state.jobs
    app.state.service.parts.slots.close()


async def test_who_watches_a_job_is_woken_by_no_other(jobs: JobService) -> None:
    change = jobs.next_change("own")
    jobs.announce("another")
    assert not change.is_set()
    jobs.announce("own")
    assert await await_change(change, WAIT_S)


def make_job(document: bytes) -> NewJob:
    """As a request with an Idempotency-Key has it."""
    record = JobRecord(id="a" * 32, owner="", created=0, keep_s=60, fingerprint=document.decode())
    return NewJob(record, SpooledFile.from_bytes(document))


async def test_two_gateways_with_one_key_swap_no_documents(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever each has written when the other one comes: the job is one's, with its document, the other says so."""
    await jobs._settle_all()
    jobs._tell(None)
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


RECORD = f"jobs/{'a' * 32}/job.json"


@pytest.mark.parametrize("fails", ["write", "read"])
@pytest.mark.parametrize("fingerprint", ["", "own"])
def test_a_job_whose_keeping_fails_late_is_not_kept(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, fails: str, fingerprint: str
) -> None:
    """The record is written, the store is away for a moment then: a client that is told so finds no job later."""
    operation, failures = getattr(FolderObjects, fails), [OSError(errno.EIO, "Input/output error")]

    def fail_once(objects: FolderObjects, key: str, *rest: Any, **options: Any) -> Any:  # noqa: ANN401
        answer = operation(objects, key, *rest, **options)
        if key == RECORD and failures:
            raise failures.pop()
        return answer

    own = make_job(b"own")
    record = own.record.model_copy(update={"fingerprint": fingerprint})
    monkeypatch.setattr(FolderObjects, fails, fail_once)
    with pytest.raises(OSError, match="Input/output"):
        jobs.store.create(record, own.content)
    assert not jobs.store.has_job(record.id)


def test_a_job_whose_keeping_fails_leaves_that_of_another_gateway(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, read, failures = make_job(b"other"), FolderObjects.read, [OSError(errno.EIO, "Input/output error")]
    assert jobs.store.create(*other)

    def fail_once(objects: FolderObjects, key: str) -> bytes | None:
        if failures:
            raise failures.pop()
        return read(objects, key)

    monkeypatch.setattr(FolderObjects, "read", fail_once)
    with pytest.raises(OSError, match="Input/output"):
        jobs.store.create(*make_job(b"own"))
    kept = jobs.store.record(other.record.id)
    assert kept is not None
    assert jobs.store.open_document(kept).read() == b"other"


def test_a_job_without_a_key_is_kept_as_earlier_versions_read_it(jobs: JobService, tmp_path: Path) -> None:
    """Of gateways that share a store some are of the version before while all are replaced."""
    job = make_job(b"own")
    jobs.store.create(job.record.model_copy(update={"fingerprint": ""}), job.content)
    assert (tmp_path / "jobs" / job.record.id / "document").read_bytes() == b"own"


async def fail_to_enqueue(_queue: JobQueue, *_job: object) -> None:
    raise ServiceError(503, "jobs_unavailable", "The jobs' database does not answer.")


async def refuse(jobs: JobService, job: NewJob) -> None:
    """Submits a job that can't be put into the queue."""
    await jobs._settle_all()
    jobs._tell(None)
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
    job, delete = make_job(b"own"), FolderObjects.delete

    def fail(_objects: FolderObjects, _folder: str, _marker: str) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(JobQueue, "enqueue", fail_to_enqueue)
    monkeypatch.setattr(FolderObjects, "delete", fail)
    await refuse(jobs, NewJob(job.record.model_copy(update={"fingerprint": ""}), job.content))
    assert jobs.store.has_job(job.record.id)
    monkeypatch.setattr(FolderObjects, "delete", delete)
    await jobs._settle_all()
    assert not jobs.store.has_job(job.record.id)


async def test_what_earlier_processes_have_kept_counts_for_the_first_job(jobs: JobService) -> None:
    """It is refused when all is counted, instead of being kept before."""
    add_jobs(jobs, 1)
    jobs._settings = jobs._settings.model_copy(update={"store_max_gb": 1e-9})
    jobs._tell(None)
    submission = asyncio.create_task(jobs.submit([make_job(b"")], "batch"))
    await eventually(lambda: "a" * 32 in jobs._turns)
    await jobs._sweep()
    with pytest.raises(ServiceError) as refused:
        await submission
    assert refused.value.code == "storage_full"


async def test_jobs_are_not_called_available_before_they_were_counted(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs._tell(None)
    assert jobs.reason is not None
    assert jobs.limitation is None  # it has only begun
    survey = FolderObjects.survey

    def fail(_objects: FolderObjects, _folder: str) -> Iterator[StoredObject]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(FolderObjects, "survey", fail)
    await jobs._sweep()
    assert jobs.limitation is not None
    monkeypatch.setattr(FolderObjects, "survey", survey)
    await jobs._sweep()
    assert (jobs.reason, jobs.limitation) == (None, None)


async def test_a_job_that_is_known_waits_for_no_count(jobs: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes no more room."""
    job, enqueued = make_job(b"own"), list[str]()

    async def enqueue(_queue: JobQueue, job_id: str, *_rest: object) -> None:
        enqueued.append(job_id)

    jobs.store.create(*job)
    jobs._tell(None)
    monkeypatch.setattr("gateway.jobs.service.COUNT_WAIT_S", 0)
    monkeypatch.setattr(JobQueue, "enqueue", enqueue)
    assert not await jobs.submit([make_job(b"own")], "batch")
    assert enqueued == [job.record.id]


def add_jobs(jobs: JobService, count: int) -> list[str]:
    """Their ids; they were accepted long ago, and nothing was done of them."""
    ids = [f"{at:032x}" for at in range(count)]
    jobs.store.prepare()
    for job_id in ids:
        jobs.store.create(JobRecord(id=job_id, owner="", created=0, keep_s=60), None)
    return ids


@pytest.fixture
def _abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.jobs.service.ABANDONED_S", -1)
    monkeypatch.setattr(JobQueue, "is_open", True)


@pytest.mark.usefixtures("_abandoned")
@pytest.mark.parametrize("ends_meanwhile", [True, False])
async def test_a_job_that_ends_while_all_are_listed_is_not_called_lost(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch, ends_meanwhile: bool
) -> None:
    """A listing takes minutes where there are many; a job whose execution is over without an end is lost indeed."""
    [job] = add_jobs(jobs, 1)
    told: list[JobEnd | None] = []

    async def find_all(_queue: JobQueue, _ids: Sequence[str]) -> Mapping[str, Execution]:
        if ends_meanwhile:
            jobs.store.write_end(job, JobEnd(state="done", ended=time.time()))
        return {job: Execution(job, "ended", 0)}

    async def notify(_runner: JobRunner, _record: JobRecord, end: JobEnd | None) -> None:
        told.append(end)

    monkeypatch.setattr(JobQueue, "find_all", find_all)
    monkeypatch.setattr(JobRunner, "notify", notify)
    await jobs._settle_all()
    kept = jobs.store.end(job)
    assert kept is not None
    assert (kept.state, len(told)) == (("done", 0) if ends_meanwhile else ("failed", 1))


@pytest.mark.usefixtures("_abandoned")
async def test_all_jobs_that_a_lost_database_has_forgotten_are_put_back_at_once(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, put_back = add_jobs(jobs, 600), set[str]()

    async def enqueue(_queue: JobQueue, job_id: str, *_rest: object) -> None:
        put_back.add(job_id)

    monkeypatch.setattr(JobQueue, "list_workflows", lambda _queue, **_conditions: [])
    monkeypatch.setattr(JobQueue, "enqueue", enqueue)
    await jobs._settle_all()
    assert put_back == set(ids)


async def test_a_job_that_has_ended_is_read_for_its_password_once(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading is a request where jobs lie in a bucket."""
    [job] = add_jobs(jobs, 1)
    jobs.store.write_end(job, JobEnd(state="done", ended=time.time()))
    await jobs._settle_all()
    read = list[str]()
    monkeypatch.setattr(FolderObjects, "read", lambda _objects, key: read.append(key))
    await jobs._settle_all()
    assert read == []


async def test_a_reading_that_fails_between_two_steps_is_told_and_not_begun_anew(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    [job], begun = add_jobs(jobs, 1), list[str]()
    add_plan(jobs, job, [1, 2])

    async def fail(_service: Service, record: JobRecord, _attempt: object) -> None:
        begun.append(record.id)
        raise ServiceError(410, "document_gone", "There is no such document any more.")

    monkeypatch.setattr("gateway.jobs.reading.retry_while_away", fail)
    await jobs._runner.plan(job)
    await eventually(lambda: not jobs._runner.is_reading(job))
    assert not await jobs._runner.read_on(job)
    end = jobs.store.end(job)
    await jobs._runner.stop()
    assert end is not None
    assert (end.code, begun) == ("document_gone", [job])


async def test_the_plan_of_a_job_tells_its_pages_to_the_version_before(jobs: JobService) -> None:
    """A gateway of that version which takes the job over reads those that the record of the step has."""
    [job] = add_jobs(jobs, 1)
    add_plan(jobs, job, [2, 3])
    jobs.store.write_end(job, JobEnd(state="done", ended=time.time()))
    assert await jobs._runner.plan(job) == [2, 3]


def add_plan(jobs: JobService, job: str, pages: list[int]) -> None:
    document = DocumentInfo(name="", media_type="application/pdf", pages_total=3, sha256="")
    jobs.store.write_plan(job, JobPlan(document=document, pages=pages, started=0, engine="", model=""))
