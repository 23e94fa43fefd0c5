"""What is found of all jobs from time to time: those whose time is over go, and the others are counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from gateway.jobs.queue import Execution, JobQueue
from gateway.jobs.service import JobService
from gateway.jobs.steps import JobRunner
from gateway.jobs.store import JobEnd, JobRecord, JobStore, StoredJob
from gateway.storage.objects import FolderObjects
from tests.gateway.api.jobs.test_routes import end_of, submit
from tests.gateway.jobs.idle import add_jobs
from tests.support.server import gateway
from tests.support.stub_engine import Reply
from tests.support.waiting import WAIT_S, wait_until


def test_a_broken_record_costs_its_own_job_only(tmp_path: Path, png: bytes) -> None:
    """Others go when their time is over, and what those take that stay is counted on."""
    broken = tmp_path / "data" / "jobs" / ("b" * 32)
    broken.mkdir(parents=True)
    for name in ("job.json", "end.json"):
        (broken / name).write_text("{}")
    with gateway(tmp_path, jobs=True, jobs_keep_s=2) as served:
        job = end_of(served, submit(served, png).json())["id"]
        wait_until(lambda: not (broken.parent / job).exists(), "the removal of the job")
        wait_until(lambda: "ocr_jobs_stored_bytes 4.0" in served.client.get("/metrics").text, "the bytes that stay")
    assert broken.exists()


def test_a_listing_forgets_no_job_that_came_after_it_began(
    tmp_path: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey, listed, goes_on = JobStore.survey, threading.Semaphore(0), threading.Semaphore(0)

    def be_slow(store: JobStore) -> list[StoredJob]:
        found = survey(store)
        listed.release()
        assert goes_on.acquire(timeout=WAIT_S)
        return found

    with gateway(tmp_path, jobs=True, jobs_keep_s=10, max_queued_jobs=2) as served:
        served.engine.answer = lambda _request: Reply("never", delay_s=3600)
        monkeypatch.setattr(JobStore, "survey", be_slow)
        assert listed.acquire(timeout=WAIT_S)
        assert [submit(served, png).status_code for _ in range(2)] == [202, 202]
        goes_on.release()
        assert listed.acquire(timeout=WAIT_S)  # what the first one has found was taken over
        assert submit(served, png).status_code == 429
        monkeypatch.undo()
        goes_on.release()


@pytest.fixture
def _abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.jobs.sweep.ABANDONED_S", -1)
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
    await jobs.sweeper.settle_all()
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
    await jobs.sweeper.settle_all()
    assert put_back == set(ids)


async def test_a_job_that_has_ended_is_read_for_its_password_once(
    jobs: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reading is a request where jobs lie in a bucket."""
    [job] = add_jobs(jobs, 1)
    jobs.store.write_end(job, JobEnd(state="done", ended=time.time()))
    await jobs.sweeper.settle_all()
    read = list[str]()
    monkeypatch.setattr(FolderObjects, "read", lambda _objects, key: read.append(key))
    await jobs.sweeper.settle_all()
    assert read == []
