"""Events of a job whose service and clock are the test's own."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.api.jobs import events
from gateway.api.ocr.options import RequestOptions
from gateway.jobs.catalog import Job
from gateway.jobs.store import JobRecord


async def test_changes_that_bring_a_client_nothing_keep_no_pings_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `Last-Event-ID` may lie beyond the pages that are read, one each second."""
    looks = list[float]()

    async def find() -> Job:
        looks.append(len(looks))
        assert len(looks) < 60, "no ping for a minute"
        return Job(JobRecord(id="a" * 32, owner="", created=0, keep_s=60), "running", None, None, pages_done=len(looks))

    def next_change(_job_id: str) -> asyncio.Event:
        change = asyncio.Event()
        change.set()
        return change

    monkeypatch.setattr(events, "time", SimpleNamespace(monotonic=lambda: float(len(looks))))
    jobs: Any = SimpleNamespace(store=None, next_change=next_change, is_told=lambda _job_id: True)
    links: Any = None
    stream = events.stream_job(jobs, "a" * 32, find, RequestOptions(), links, after=900)
    told = [await anext(stream), await anext(stream)]
    await stream.aclose()
    assert [line[:1] for line in told] == [b":", b":"]  # comments of server-sent events
