"""The process's one instance of DBOS, begun and ended."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dbos import EnqueueOptions

from gateway.errors import ServiceError
from gateway.jobs.execution import DELIVERIES_AT_ONCE, JobExecutor
from gateway.jobs.queue import DELIVERY_WORKFLOW, VERSION, JobQueue
from gateway.jobs.webhooks import WebhookMessage
from gateway.storage.objects import FolderObjects
from tests.support.waiting import WAIT_S, eventually

SLOW, QUICK = "https://slow.example/hook", "https://quick.example/hook"


class Steps:
    """No job comes. Receivers answer when `may_end` is set, that at `QUICK` at once."""

    def __init__(self) -> None:
        self.asked = list[str]()
        """URLs of messages, when their delivery began."""
        self.may_end = asyncio.Event()

    async def plan(self, job_id: str) -> list[int]:
        raise NotImplementedError

    async def read_on(self, job_id: str) -> bool:
        raise NotImplementedError

    async def finish(self, job_id: str) -> None:
        raise NotImplementedError

    async def deliver(self, message: WebhookMessage, attempt: int) -> float | None:
        self.asked.append(message.url)
        if message.url != QUICK:
            await self.may_end.wait()
        return None

    async def release(self, job_id: str) -> None:
        raise NotImplementedError


async def test_a_start_that_is_ended_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is stopped while its jobs start takes none from then on."""
    queue, begun, goes_on = JobQueue(), threading.Event(), threading.Event()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    join = JobExecutor._join

    def be_slow(executor: JobExecutor, *arguments: Any) -> None:  # noqa: ANN401 - whatever they are
        begun.set()
        assert goes_on.wait(WAIT_S)
        join(executor, *arguments)

    monkeypatch.setattr(JobExecutor, "_join", be_slow)
    before = set(threading.enumerate())
    starting = asyncio.create_task(executor.start(Steps()))
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    starting.cancel()
    asyncio.get_running_loop().call_later(0.2, goes_on.set)
    with pytest.raises(asyncio.CancelledError):
        await starting
    await executor.stop()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not queue.is_open
    left = {thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")}
    assert left == set()


async def test_a_start_that_fails_after_it_was_ended_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is stopped beside another one of its folder leaves no traceback in the log."""
    begun, goes_on = threading.Event(), threading.Event()
    executor = JobExecutor(JobQueue(), None, tmp_path, FolderObjects(tmp_path), 1)

    def fail_late(*_: object) -> None:
        begun.set()
        assert goes_on.wait(WAIT_S)
        raise ServiceError(503, "jobs_unavailable", "Another gateway has the jobs.")

    monkeypatch.setattr(JobExecutor, "_join", fail_late)
    told = list[Mapping[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    starting = asyncio.create_task(executor.start(Steps()))
    assert await asyncio.to_thread(begun.wait, WAIT_S)
    starting.cancel()
    loop.call_later(0.2, goes_on.set)
    with pytest.raises(asyncio.CancelledError):
        await starting
    del starting
    gc.collect()
    await asyncio.sleep(0)
    assert told == []


async def test_a_message_whose_delivery_was_lost_is_sent_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was away when its delivery was to begin; one that is under way is left alone."""
    monkeypatch.setattr("gateway.jobs.execution.STALLED_S", -1)
    queue, steps = JobQueue(), Steps()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(steps)
    try:
        await queue.enqueue_delivery(WebhookMessage(id="msg", url=SLOW, body="{}"))
        await eventually(lambda: len(steps.asked) == 1)
        await executor.look_after()
        running, executor._running = executor._running, Counter()
        await executor.look_after()
        executor._running = running
        await eventually(lambda: len(steps.asked) == 2)
        steps.may_end.set()
    finally:
        await executor.stop()


async def test_a_receiver_that_hangs_keeps_no_other_waiting(tmp_path: Path) -> None:
    queue, steps = JobQueue(), Steps()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(steps)
    try:
        for at in range(2 * DELIVERIES_AT_ONCE):
            await queue.enqueue_delivery(WebhookMessage(id=f"msg_{at}", url=SLOW, body="{}"))
        await eventually(lambda: len(steps.asked) == DELIVERIES_AT_ONCE)
        await queue.enqueue_delivery(WebhookMessage(id="msg_quick", url=QUICK, body="{}"))
        await eventually(lambda: QUICK in steps.asked)
        assert steps.asked.count(SLOW) == DELIVERIES_AT_ONCE
        steps.may_end.set()
    finally:
        await executor.stop()


async def test_a_message_of_the_version_before_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions without partitions have left it, and none of them is there any more."""
    monkeypatch.setattr("gateway.jobs.execution.IDLE_POLL_S", 0.1)
    queue, steps = JobQueue(), Steps()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(steps)
    try:
        message = WebhookMessage(id="msg", url=QUICK, body="{}")
        former: EnqueueOptions = {
            "queue_name": "webhooks",
            "workflow_name": DELIVERY_WORKFLOW,
            "workflow_id": "msg-3",
            "app_version": VERSION,
        }
        await queue.call(queue.require_client().enqueue, former, message.model_dump_json(), 3)
        await eventually(lambda: steps.asked == [QUICK])
    finally:
        await executor.stop()


class FormerSteps(Steps):
    """As the version before gives their results: all numbers of pages, then nothing for each page. The second page is
    never read."""

    def __init__(self) -> None:
        super().__init__()
        self.pages = 0

    async def plan(self, job_id: str) -> Any:  # noqa: ANN401 - another version's
        return [1, 2]

    async def read_on(self, job_id: str) -> Any:  # noqa: ANN401
        self.pages += 1
        if self.pages == 2:
            await self.may_end.wait()

    async def release(self, job_id: str) -> None:
        pass


class LastSteps(Steps):
    """Those that come when the first page was read."""

    def __init__(self) -> None:
        super().__init__()
        self.done = list[str]()

    async def read_on(self, job_id: str) -> bool:
        self.done.append("read_on")
        return False

    async def finish(self, job_id: str) -> None:
        self.done.append("finish")


async def test_a_job_that_the_version_before_has_begun_goes_on(tmp_path: Path) -> None:
    queue, former = JobQueue(), FormerSteps()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(former)
    try:
        await queue.enqueue(32 * "a", "owner", "batch")
        await eventually(lambda: former.pages == 2)
    finally:
        await executor.stop()
    queue, steps = JobQueue(), LastSteps()
    executor = JobExecutor(queue, None, tmp_path, FolderObjects(tmp_path), 1)
    await executor.start(steps)
    try:
        await eventually(lambda: steps.done == ["read_on", "finish"])
    finally:
        await executor.stop()
