"""Jobs of this gateway, documents read in the background: their parts, started and stopped together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

import structlog

from gateway.errors import ServiceError
from gateway.jobs.acceptance import JobAcceptance, NewJob
from gateway.jobs.catalog import Job, JobCatalog, JobChanges, JobState, job_not_found
from gateway.jobs.execution import BEAT_S, JobExecutor
from gateway.jobs.links import LinkSigner
from gateway.jobs.queue import MAX_REASON, Cursor, JobQueue
from gateway.jobs.quota import BUSY_RETRY_AFTER_S, COUNTING, START_WAIT_S, JobQuota
from gateway.jobs.reading import READY_POLL_S, PageEncoder
from gateway.jobs.removal import JobRemover
from gateway.jobs.steps import JobRunner
from gateway.jobs.store import JobStore
from gateway.jobs.sweep import JobSweeper
from gateway.jobs.webhooks import WebhookSender
from gateway.runtime import repeat
from gateway.service import Service

SWEEP_S = 60.0
START_RETRY_S = 5.0
_STARTING = "Jobs are starting."

log = structlog.get_logger(__name__)


class JobService:
    """All jobs, by the id of their owner and their own. `failure`: why none are run now; None while they are."""

    def __init__(self, service: Service, links: LinkSigner, encoders: Mapping[str, PageEncoder]) -> None:
        """`encoders`: by the name of their dialect."""
        settings = service.settings
        self.failure: str | None = _STARTING if settings.jobs else "Jobs are switched off (JOBS)."
        self._tried = asyncio.Event()
        """Whether the first start has led to something."""
        self.store = JobStore(service.objects)
        self.webhooks = WebhookSender(settings)
        self.quota = JobQuota(settings, self.store, service.keyring)
        self._service = service
        self._settings = settings
        queue, changes = JobQueue(), JobChanges()
        self.runner = JobRunner(
            service, self.store, queue, encoders, links, self.webhooks, changes.announce, self.quota.end
        )
        self._changes = changes
        self._catalog = JobCatalog(self.store, queue)
        self._remover = JobRemover(self.store, queue, self.runner, self.quota, changes)
        self._acceptance = JobAcceptance(
            service.parts, service.bucket, self.store, queue, self.quota, self._remover, self._require_running
        )
        self.sweeper = JobSweeper(
            self.store, queue, self._catalog, self.quota, self.runner, self._remover, self._acceptance
        )
        self._executor = JobExecutor(
            queue,
            settings.database_url,
            settings.data_dir,
            service.objects,
            settings.max_jobs,
            other_models=len(service.parts.others),
        )
        self._register_gauges()

    @property
    def reason(self) -> str | None:
        """Why none can be taken now; None while they can."""
        return self.failure or self.quota.reason

    @property
    def limitation(self) -> str | None:
        """Why no jobs are taken, where something is wrong."""
        is_meant = not self._settings.jobs or self.reason in (_STARTING, COUNTING)
        return f"jobs are not taken: {self.reason}" if self.reason and not is_meant else None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Starts in the background; a database that is away costs jobs only, and is tried again."""
        sweep_s = min(SWEEP_S, max(1.0, self._settings.jobs_keep_s / 10))
        duties = (self._keep_running(), self.sweeper.run(sweep_s)) if self._settings.jobs else ()
        tasks = [asyncio.create_task(duty) for duty in duties]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._executor.stop()
            await self.runner.stop()

    async def submit(self, submissions: Sequence[NewJob], priority: str) -> bool:
        """Keeps the jobs of one owner, all or none, and puts them into the queue; whether any is a new one.

        Raises ServiceError: 400 `url_not_allowed`, `source_not_supported`, `s3_not_allowed`; 422
        `idempotency_key_reused`, `invalid_pages`; 429 `too_many_jobs`; 503 `jobs_unavailable`; 507 `storage_full`,
        `key_storage_full`.
        """
        await self._await_start()
        return await self._acceptance.submit(submissions, priority)

    async def find(self, job_id: str, owner: str) -> Job:
        """ServiceError 404 `not_found` for another owner's job too."""
        job = await self.find_any(job_id)
        if job.record.owner != owner:
            raise job_not_found()
        return job

    async def find_any(self, job_id: str) -> Job:
        """A job of whatever owner. ServiceError 404 `not_found`."""
        return await self._catalog.find(job_id)

    async def list_jobs(
        self, owner: str, *, state: JobState | None, batch: str | None, limit: int, cursor: Cursor | None = None
    ) -> tuple[Sequence[Job], Cursor | None]:
        """Newest first, and where the next begin, if there may be more: they may be fewer than `limit` though. Raises
        ServiceError 503 `jobs_unavailable`."""
        await self._await_start()
        self._require_running()
        return await self._catalog.list_jobs(owner, state=state, batch=batch, limit=limit, cursor=cursor)

    async def delete(self, job: Job) -> None:
        """Ends the job and removes all that is kept of it."""
        await self._remover.delete(job)

    def next_change(self, job_id: str) -> asyncio.Event:
        """Is set when something is known to have changed of the job. Who looks at the job first and then asks for it
        misses what changes in between."""
        return self._changes.watch(job_id)

    def is_told(self, job_id: str) -> bool:
        """Whether each change of the job is announced here now; else another gateway may make it."""
        return self.runner.is_reading(job_id)

    def set_failure(self, reason: str | None) -> None:
        """Why none are run from now on; None: they are."""
        if reason != self.failure:
            log.info("jobs", reason=reason) if reason is None else log.warning("jobs", reason=reason)
        self.failure = reason
        self._tried.set()

    async def _await_start(self) -> None:
        """The service is ready before its jobs are: who has waited for it need not wait for them. While it loads, which
        may take minutes, nobody is kept."""
        if self._settings.jobs and not self._service.is_loading():
            with suppress(TimeoutError):
                async with asyncio.timeout(START_WAIT_S):
                    await self._tried.wait()

    async def _keep_running(self) -> None:
        # What the first page needs goes before: the database's library takes seconds of CPU.
        service = self._service
        # That of any model: the jobs of one need not wait for another.
        while service.is_loading() and all(map(service.unreadiness, service.engines)):  # noqa: ASYNC110 - several parts
            await asyncio.sleep(READY_POLL_S)
        while not await self._start():  # noqa: ASYNC110 - the database may be away
            await asyncio.sleep(START_RETRY_S)
        await asyncio.gather(repeat(self._beat, BEAT_S), repeat(self._look_after, BEAT_S))

    async def _beat(self) -> None:
        with suppress(Exception):  # the look tells of a database that is away
            await self._executor.beat()

    async def _look_after(self) -> None:
        try:
            await self._executor.look_after()
        except ServiceError as error:
            self.set_failure(error.detail)
        else:
            self.set_failure(None)

    async def _start(self) -> bool:
        """Whether jobs are run now. Never raises."""
        try:
            await asyncio.to_thread(self.store.prepare)
            await self._executor.start(self.runner)
        except ServiceError as error:
            self.set_failure(error.detail)
        except Exception as error:
            self.set_failure(f"The jobs' database can't be used: {type(error).__name__}.")
            log.warning("jobs_not_started", reason=str(error)[:MAX_REASON])
        else:
            return True
        return False

    def _require_running(self) -> None:
        if self.failure is not None:
            raise ServiceError(503, "jobs_unavailable", self.failure, retry_after_s=BUSY_RETRY_AFTER_S)

    def _register_gauges(self) -> None:
        metrics = self._service.metrics
        metrics.watch("ocr_jobs_available", "1 while jobs are taken: their database answers", lambda: not self.reason)
        unfinished = "Jobs that wait or are read, of all gateways"
        metrics.watch("ocr_jobs_unfinished", unfinished, lambda: self.quota.unfinished_jobs)
        metrics.watch("ocr_jobs_reading", "Jobs that this gateway reads", lambda: self.runner.readings)
        metrics.watch("ocr_jobs_stored_bytes", "What all jobs take of the store", lambda: self.quota.bytes_stored)
        gateways = "Gateways on the jobs' database that live"
        metrics.watch("ocr_jobs_gateways", gateways, lambda: self._executor.gateways)
