"""What is found of all jobs from time to time: those whose time is over go, and the others are counted."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from gateway.jobs.store import JobStore, StoredJob
from tests.gateway.api.jobs.test_routes import end_of, submit
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
