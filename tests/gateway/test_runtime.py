"""What the process does again and again."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from gateway.runtime import repeat
from tests.support.waiting import eventually


async def test_work_that_fails_once_is_logged_and_done_again() -> None:
    done: list[int] = []

    async def work() -> None:
        done.append(len(done))
        if len(done) == 1:
            raise ValueError("a broken record")

    with capture_logs() as logs:
        task = asyncio.create_task(repeat(work, 0))
        await eventually(lambda: len(done) > 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    (failure,) = logs
    assert failure["log_level"] == "error"
    assert "work" in failure["work"]
