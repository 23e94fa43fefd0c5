"""How a job goes: nothing of it is left in the store, in the queue or in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from gateway.errors import ServiceError
from gateway.jobs.catalog import Job, JobChanges
from gateway.jobs.queue import JobQueue
from gateway.jobs.quota import JobQuota
from gateway.jobs.steps import JobRunner
from gateway.jobs.store import JobRecord, JobStore


class JobRemover:
    """`refused`: jobs that were not accepted and could not be removed yet."""

    def __init__(
        self, store: JobStore, queue: JobQueue, runner: JobRunner, quota: JobQuota, changes: JobChanges
    ) -> None:
        self.refused = set[str]()
        self._store, self._queue, self._runner, self._quota, self._changes = store, queue, runner, quota, changes

    async def delete(self, job: Job) -> None:
        """Ends the job and removes all that is kept of it."""
        job_id = job.record.id
        if self._queue.is_open:
            await self._queue.cancel(job_id)
        if job.state in ("queued", "running"):
            await self._runner.notify(job.record, None)
        await self._remove(job_id)
        self._quota.remove(job_id, job.record.owner)
        if self._queue.is_open:
            await self._queue.delete(job_id)
        self._changes.announce(job_id)

    async def withdraw(self, records: Sequence[JobRecord]) -> None:
        """Leaves nothing of jobs that were not accepted, some of which may be in the queue, or read already."""
        for record in records:
            with suppress(ServiceError):
                await self._queue.cancel(record.id)
            try:
                await self._remove(record.id)
            except (OSError, ServiceError):  # the store is away
                if not record.fingerprint:  # with a key the next try may find the job and be promised it
                    self.refused.add(record.id)
            with suppress(ServiceError):
                await self._queue.delete(record.id)

    async def remove_refused(self) -> None:
        """Tries again what `withdraw` could not."""
        for job_id in tuple(self.refused):
            with suppress(OSError, ServiceError):  # the store is away still
                await asyncio.to_thread(self._store.delete, job_id)
                self.refused.discard(job_id)

    async def _remove(self, job_id: str) -> None:
        try:
            await asyncio.to_thread(self._store.delete, job_id)
        finally:  # Not before: as long as the job is there, what waits for its pages would begin to read them anew.
            await self._runner.release(job_id)
