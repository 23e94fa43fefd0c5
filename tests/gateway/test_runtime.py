"""What the process does again and again."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from structlog.testing import capture_logs

from gateway.runtime import repeat
from tests.support.waiting import eventually

SEARCH = """
import gc
from gateway.runtime import shorten_pauses
shorten_pauses()
counts = [gc.get_freeze_count()]
kept = []
for _ in range(20):
    kept.append([[] for _ in range(50_000)])
    gc.collect()
    counts.append(gc.get_freeze_count())
print(*counts)
"""


def test_what_parts_load_while_they_start_is_not_searched_for_garbage_again() -> None:
    """And what comes later is: garbage of requests must not add up."""
    done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True, check=True)
    counts = list(map(int, done.stdout.split()))
    assert counts[1] > counts[0] + 50_000
    assert counts[-1] == counts[-2] < counts[0] + 10 * 50_000


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
