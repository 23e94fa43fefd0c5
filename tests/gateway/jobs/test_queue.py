"""What is asked of the jobs' database."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.jobs.queue import JobQueue


async def test_all_who_ask_for_their_places_at_once_share_one_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def list_none(_queue: JobQueue, **conditions: object) -> list[object]:
        asked.append(conditions)
        return []

    monkeypatch.setattr(JobQueue, "list_workflows", list_none)
    queue = JobQueue()
    assert await asyncio.gather(*(queue.find_positions("somebody") for _ in range(20))) == [{}] * 20
    assert await queue.find_positions("another") == {}
    assert [conditions["user"] for conditions in asked] == ["somebody", "another"]
