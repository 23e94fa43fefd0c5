"""Jobs as clients see them: found by their ids, listed by their owners, and watched for changes."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakValueDictionary

from gateway.errors import ServiceError
from gateway.jobs.queue import Cursor, Execution, ExecutionState, JobQueue
from gateway.jobs.store import JobEnd, JobPlan, JobRecord, JobStore

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job as clients see it. `plan` is None until its document was opened, `end` until it has ended. `position`:
    among its owner's jobs that wait, from 1, while it does; `attempts`: processes that have worked on it."""

    record: JobRecord
    state: JobState
    plan: JobPlan | None
    end: JobEnd | None
    pages_done: int
    warnings: Sequence[str] = ()
    attempts: int = 0
    position: int | None = None


class JobCatalog:
    def __init__(self, store: JobStore, queue: JobQueue) -> None:
        self._store, self._queue = store, queue

    async def find(self, job_id: str) -> Job:
        """A job of whatever owner. ServiceError 404 `not_found`."""
        record = await asyncio.to_thread(self._store.record, job_id)
        if record is None:
            raise job_not_found()
        is_over = await asyncio.to_thread(self._store.end, job_id) is not None  # the database says nothing more then
        execution = None if is_over else await self._find_execution(job_id)
        job = await asyncio.to_thread(self._describe, record, execution)
        return (await self._add_positions([job], record.owner))[0]

    async def list_jobs(
        self, owner: str, *, state: JobState | None, batch: str | None, limit: int, cursor: Cursor | None
    ) -> tuple[Sequence[Job], Cursor | None]:
        """As `JobService.list_jobs`."""
        prefix = batch_prefix(owner, batch) if batch else None
        found, following = await self._queue.list_jobs(
            owner, states=_execution_states(state), prefix=prefix, limit=limit, cursor=cursor
        )
        jobs = await asyncio.to_thread(self._describe_all, found)
        chosen = [job for job in jobs if state in (None, job.state) and batch in (None, job.record.batch)]
        return await self._add_positions(chosen, owner), following

    async def _add_positions(self, jobs: Sequence[Job], owner: str) -> list[Job]:
        """Those that wait told how many go before them, where the database can be asked."""
        if any(job.state == "queued" for job in jobs):
            with suppress(ServiceError):
                places = await self._queue.find_positions(owner)
                return [replace(job, position=places.get(job.record.id)) for job in jobs]
        return list(jobs)

    async def _find_execution(self, job_id: str) -> Execution | None:
        """None where the database does not know the job, or can't be asked: the files tell most of it."""
        with suppress(ServiceError):
            return await self._queue.find(job_id)
        return None

    def _describe_all(self, executions: Sequence[Execution]) -> list[Job]:
        records = ((self._store.record(one.job_id), one) for one in executions)
        return [self._describe(record, one) for record, one in records if record is not None]

    def _describe(self, record: JobRecord, execution: Execution | None) -> Job:
        plan, end = self._store.plan(record.id), self._store.end(record.id)
        return Job(
            record,
            _state(execution, plan, end),
            plan,
            end,
            pages_done=len(self._store.page_numbers(record.id)),
            warnings=self._store.warnings(record),
            attempts=self._store.attempts(record.id),
        )


class JobChanges:
    """Wakes those who wait for a change of a job."""

    def __init__(self) -> None:
        self._events: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        """Of the jobs for whose change somebody waits."""

    def watch(self, job_id: str) -> asyncio.Event:
        """Is set with the next change."""
        return self._events.setdefault(job_id, asyncio.Event())

    def announce(self, job_id: str) -> None:
        """Something of the job has changed."""
        if change := self._events.pop(job_id, None):
            change.set()


async def await_change(change: asyncio.Event, timeout_s: float) -> bool:
    """Whether the change has come before the time was over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            return await change.wait()
    return False


def job_not_found() -> ServiceError:
    return ServiceError(404, "not_found", "There is no such job; it may have been deleted, or its time is over.")


def create_id(owner: str, batch: str | None, key: str | None = None) -> str:
    """32 hexadecimal digits, of which the first tell the batch: SQLite can't be asked for it otherwise.

    `key`: the same one gives the same id.
    """
    unique = hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest() if key is not None else uuid.uuid4().hex
    start = batch_prefix(owner, batch) if batch else ""
    return (start + unique)[:32]


def batch_prefix(owner: str, batch: str) -> str:
    """What the ids of a batch's jobs begin with."""
    return hashlib.sha256(f"{owner}\n{batch}".encode()).hexdigest()[:12]


def _state(execution: Execution | None, plan: JobPlan | None, end: JobEnd | None) -> JobState:
    """The files say how a job ended, which is known before the database has it; the database what it waits for."""
    if end is not None:
        return end.state
    if execution is not None and execution.state == "cancelled":
        return "cancelled"
    if execution is not None and execution.state == "broken":
        return "failed"
    return "queued" if plan is None and (execution is None or execution.state == "queued") else "running"


def _execution_states(state: JobState | None) -> Sequence[ExecutionState]:
    if state is None:
        return ()
    possible: dict[JobState, Sequence[ExecutionState]] = {
        "queued": ("queued",),
        "running": ("running", "ended"),
        "done": ("running", "ended"),
        "failed": ("running", "ended", "broken"),
        "cancelled": ("cancelled",),
    }
    return possible[state]
