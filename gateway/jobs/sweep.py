"""What is done about all jobs from time to time: they are counted, those whose time is over go, and abandoned ones are
resumed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from gateway.errors import ServiceError
from gateway.jobs.acceptance import JobAcceptance
from gateway.jobs.catalog import JobCatalog
from gateway.jobs.queue import MAX_REASON, Execution, JobQueue
from gateway.jobs.quota import JobQuota
from gateway.jobs.removal import JobRemover
from gateway.jobs.steps import JobRunner, describe_failure
from gateway.jobs.store import JobStore, StoredJob

_RETRY_S = 5.0
"""Between sweeps until one has counted all jobs."""
ABANDONED_S = 600.0
"""Age at which a job without an end may be asked for in the database: a killed process may not have put it there."""
_LOOKED_UP_AT_ONCE = 500
_LOST = "The job ended for an internal reason; the service's log has it."

log = structlog.get_logger(__name__)


class JobSweeper:
    def __init__(
        self,
        store: JobStore,
        queue: JobQueue,
        catalog: JobCatalog,
        quota: JobQuota,
        runner: JobRunner,
        remover: JobRemover,
        acceptance: JobAcceptance,
    ) -> None:
        self._store, self._queue, self._catalog, self._quota = store, queue, catalog, quota
        self._runner, self._remover, self._acceptance = runner, remover, acceptance
        self._without_password = set[str]()
        """Jobs that have ended and hold none any more."""

    async def run(self, rest_s: float) -> None:
        """Sweeps until it is cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(_RETRY_S if self._quota.reason else rest_s)

    async def sweep(self) -> None:
        """Never raises."""
        try:
            await self.settle_all()
        except Exception as error:
            is_away = isinstance(error, OSError | ServiceError)
            log.warning("jobs_not_settled", reason=str(error)[:MAX_REASON], exc_info=not is_away)
        if self._queue.is_open:
            with suppress(ServiceError):
                await self._queue.forget_deliveries()

    async def settle_all(self) -> None:
        """One sweep through the store. Raises what the store raises, and ServiceError 503 `jobs_unavailable`."""
        jobs = await self._quota.survey()
        self._without_password &= {job.job_id for job in jobs}
        await self._remover.remove_refused()
        for job in jobs:
            await self._settle(self._remove_expired, job)
        if self._queue.is_open:
            await self._resume_abandoned(jobs)

    async def _settle(self, work: Callable[[StoredJob], Awaitable[None]], job: StoredJob) -> None:
        try:
            await work(job)
        except Exception:
            log.exception("job_not_settled", id=job.job_id)

    async def _remove_expired(self, job: StoredJob) -> None:
        """Removes a job whose time is over, and what a killed process left of one that it had not accepted."""
        if not job.is_accepted and job.age_s > ABANDONED_S:
            await asyncio.to_thread(self._store.delete, job.job_id)
        elif job.expires is not None and time.time() > job.expires:
            await self._remover.delete(await self._catalog.find(job.job_id))
        elif job.expires is not None and job.job_id not in self._without_password:
            await asyncio.to_thread(self._store.forget_password, job.job_id)
            self._without_password.add(job.job_id)

    async def _resume_abandoned(self, jobs: Sequence[StoredJob]) -> None:
        """Those that nobody has touched for long; most of them only wait in a long queue."""
        waiting = [job for job in jobs if job.is_accepted and job.expires is None and job.age_s > ABANDONED_S]
        abandoned = [job for job in waiting if job.job_id not in self._remover.refused]
        for start in range(0, len(abandoned), _LOOKED_UP_AT_ONCE):
            some = abandoned[start : start + _LOOKED_UP_AT_ONCE]
            known = await self._queue.find_all([job.job_id for job in some])
            for job in some:
                await self._settle(partial(self._resume, known.get(job.job_id)), job)

    async def _resume(self, execution: Execution | None, job: StoredJob) -> None:
        """Puts a job back into the queue that a killed process had not put there, or that a lost database has
        forgotten; ends one whose execution is over, and removes one of a batch that was not kept whole."""
        if execution and execution.state in ("queued", "running"):
            return
        record = await asyncio.to_thread(self._store.record, job.job_id)
        if record is None:
            return
        if execution is None and not await asyncio.to_thread(self._store.is_complete, record):
            await asyncio.to_thread(self._store.delete, record.id)
        elif execution is None:
            await self._acceptance.enqueue(record, "batch")
        elif not await asyncio.to_thread(self._store.end, record.id):
            end = describe_failure(ServiceError(500, "internal_error", _LOST))
            await self._runner.notify(record, end)
            await self._runner.end(record.id, end)
