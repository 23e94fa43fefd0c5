"""Jobs of this gateway: accepted, read in the background, shown, cancelled, and removed when their time is over."""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple
from weakref import WeakValueDictionary

import structlog

from gateway.errors import ServiceError
from gateway.intake.page_ranges import check_ranges
from gateway.intake.spool import SpooledFile
from gateway.intake.url_rules import parse_url
from gateway.jobs.execution import BEAT_S, JobExecutor
from gateway.jobs.links import LinkSigner
from gateway.jobs.queue import MAX_REASON, Cursor, Execution, ExecutionState, JobQueue
from gateway.jobs.reading import READY_POLL_S, PageEncoder
from gateway.jobs.steps import JobRunner, describe_failure
from gateway.jobs.store import JobEnd, JobPlan, JobRecord, JobStore, StoredJob
from gateway.jobs.webhooks import WebhookSender
from gateway.runtime import repeat
from gateway.service import Service
from gateway.storage.stored_sizes import StoredSizes

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
SWEEP_S = 60.0
START_RETRY_S = 5.0
COUNT_WAIT_S = 10.0
"""How long a new job waits, after a start, until all that is kept was counted."""
ABANDONED_S = 600.0
"""Age at which a job without an end may be asked for in the database: a killed process may not have put it there."""
LOOKED_UP_AT_ONCE = 500
_STARTING, _COUNTING = "Jobs are starting.", "Jobs are starting: what is kept is being counted."
_LOST = "The job ended for an internal reason; the service's log has it."
BUSY_RETRY_AFTER_S = 30

log = structlog.get_logger(__name__)


class NewJob(NamedTuple):
    """A job to accept; `content`: its document, unless it is named by URL or by its key in a bucket."""

    record: JobRecord
    content: SpooledFile | None


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


class JobService:
    """All jobs, by the id of their owner and their own."""

    def __init__(self, service: Service, links: LinkSigner, encoders: Mapping[str, PageEncoder]) -> None:
        """`encoders`: by the name of their dialect."""
        settings = service.settings
        self.store = JobStore(service.objects)
        self._failure: str | None = _STARTING if settings.jobs else "Jobs are switched off (JOBS)."
        """Why none are run now."""
        self._changes: WeakValueDictionary[str, asyncio.Event] = WeakValueDictionary()
        """Of the jobs for whose change somebody waits."""
        self._service = service
        self._settings = settings
        self.webhooks = WebhookSender(settings)
        self._queue = JobQueue()
        self._unfinished = StoredSizes()
        """Jobs without an end, which count for one each."""
        self._runner = JobRunner(
            service, self.store, self._queue, encoders, links, self.webhooks, self.announce, self._unfinished.remove
        )
        self._executor = JobExecutor(
            self._queue,
            settings.database_url,
            settings.data_dir,
            service.objects,
            settings.max_jobs,
            other_models=len(service.parts.others),
        )
        self._stored = StoredSizes()
        self._counted = asyncio.Event()
        """Whether `_stored` holds what earlier processes have kept."""
        self._uncounted = _COUNTING
        """Why it does not yet."""
        self._without_password = set[str]()
        """Jobs that have ended and hold none any more."""
        self._refused = set[str]()
        """Jobs that were not accepted and could not be removed yet."""
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of requests that came with the same Idempotency-Key."""
        self._register_gauges()

    @property
    def reason(self) -> str | None:
        """Why none can be taken now; None while they can."""
        return self._failure or (None if self._counted.is_set() else self._uncounted)

    @property
    def limitation(self) -> str | None:
        """Why no jobs are taken, where something is wrong."""
        is_meant = not self._settings.jobs or self.reason in (_STARTING, _COUNTING)
        return f"jobs are not taken: {self.reason}" if self.reason and not is_meant else None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Starts in the background; a database that is away costs jobs only, and is tried again."""
        sweep_s = min(SWEEP_S, max(1.0, self._settings.jobs_keep_s / 10))
        duties = (self._keep_running(), self._keep_swept(sweep_s)) if self._settings.jobs else ()
        tasks = [asyncio.create_task(duty) for duty in duties]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._executor.stop()
            await self._runner.stop()

    async def submit(self, submissions: Sequence[NewJob], priority: str) -> bool:
        """Keeps the jobs, all or none, and puts them into the queue; whether any is a new one.

        Raises ServiceError: 400 `url_not_allowed`; 422 `idempotency_key_reused`, `invalid_pages`; 429 `too_many_jobs`;
        503 `jobs_unavailable`; 507 `storage_full`, `key_storage_full`.
        """
        for record, _ in submissions:
            check_ranges(record.options.pages)
            if record.url is not None:
                parse_url(record.url)
        async with self._turns.setdefault(submissions[0].record.id, asyncio.Lock()):
            fresh = [one for one in submissions if not await self._is_known(one.record)]
            self._require_running()
            sizes = {record.id: content.size if content else 0 for record, content in fresh}
            if fresh:
                await self._require_counted()
                self._require_room(sizes, await asyncio.to_thread(self.store.free_bytes))
            # Without a pause, in which another request would take the same room.
            places = self._unfinished.hold(dict.fromkeys(sizes, 1))
            with self._hold_storage(fresh, sizes), self._stored.hold(sizes), places:
                await self._keep(submissions, fresh, priority)
            return bool(fresh)

    def _hold_storage(self, fresh: Sequence[NewJob], sizes: Mapping[str, int]) -> AbstractContextManager[None]:
        """Of the key whose jobs they are."""
        account = self._service.keyring.find_owner(fresh[0].record.owner) if fresh else None
        return account.hold_storage("jobs", sizes) if account else nullcontext()

    async def _keep(self, submissions: Sequence[NewJob], fresh: Sequence[NewJob], priority: str) -> None:
        own, promised = list[JobRecord](), set[str]()
        try:
            for record, content in fresh:
                if record.fingerprint:  # The same id may have been that of a job that was withdrawn or deleted.
                    await self._queue.forget_ended(record.id)
                else:  # Nobody else's, whatever becomes of its writing.
                    own.append(record)
                if not await asyncio.to_thread(self._create, record, content):
                    await self._is_known(record)
                elif record.fingerprint:
                    own.append(record)
            for record, _ in submissions:
                await self._enqueue(record, priority)
                promised.add(record.id)
        except ServiceError:
            if not await self._may_be_accepted([one for one in own if one.id not in promised]):
                await self._withdraw(own)
            raise

    async def _may_be_accepted(self, own: Sequence[JobRecord]) -> bool:
        """Whether another gateway, to which the same Idempotency-Key came, may have promised the jobs meanwhile. Where
        none can tell they stay, and are put into the queue when they seem abandoned."""
        shared = [record.id for record in own if record.fingerprint]
        try:
            return bool(shared and await self._queue.find_all(shared))
        except ServiceError:
            return True

    async def _enqueue(self, record: JobRecord, priority: str) -> None:
        parts = self._service.parts.find_model(record.options.model)
        is_other = parts is not None and parts.engine is not self._service.parts.engine
        model = parts.engine.name if parts and is_other else None
        await self._queue.enqueue(record.id, record.owner, priority, model)

    async def _is_known(self, record: JobRecord) -> bool:
        """Whether the same request has made the job before. ServiceError 422 `idempotency_key_reused` where another
        one has."""
        known = await asyncio.to_thread(self.store.record, record.id)
        if known is not None and known.fingerprint != record.fingerprint:
            raise ServiceError(422, "idempotency_key_reused", "This `Idempotency-Key` came with another job before.")
        return known is not None

    async def _withdraw(self, records: Sequence[JobRecord]) -> None:
        """Leaves nothing of jobs that were not accepted, some of which may be in the queue, or read already."""
        for record in records:
            with suppress(ServiceError):
                await self._queue.cancel(record.id)
            try:
                await self._remove(record.id)
            except (OSError, ServiceError):  # the store is away
                if not record.fingerprint:  # with a key the next try may find the job and be promised it
                    self._refused.add(record.id)
            with suppress(ServiceError):
                await self._queue.delete(record.id)

    async def _remove(self, job_id: str) -> None:
        try:
            await asyncio.to_thread(self.store.delete, job_id)
        finally:  # Not before: as long as the job is there, what waits for its pages would begin to read them anew.
            await self._runner.release(job_id)

    async def find(self, job_id: str, owner: str) -> Job:
        """ServiceError 404 `not_found` for another owner's job too."""
        job = await self.find_any(job_id)
        if job.record.owner != owner:
            raise _not_found()
        return job

    async def find_any(self, job_id: str) -> Job:
        """A job of whatever owner. ServiceError 404 `not_found`."""
        record = await asyncio.to_thread(self.store.record, job_id)
        if record is None:
            raise _not_found()
        job = await asyncio.to_thread(self._describe, record, await self._find_execution(job_id))
        return (await self._with_positions([job], record.owner))[0]

    async def _with_positions(self, jobs: Sequence[Job], owner: str) -> list[Job]:
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

    async def list_jobs(
        self, owner: str, *, state: JobState | None, batch: str | None, limit: int, cursor: Cursor | None = None
    ) -> tuple[Sequence[Job], Cursor | None]:
        """Newest first, and where the next begin, if there may be more: they may be fewer than `limit` though. Raises
        ServiceError 503 `jobs_unavailable`."""
        self._require_running()
        prefix = batch_prefix(owner, batch) if batch else None
        found, following = await self._queue.list_jobs(
            owner, states=_execution_states(state), prefix=prefix, limit=limit, cursor=cursor
        )
        jobs = await asyncio.to_thread(self._describe_all, found)
        chosen = [job for job in jobs if state in (None, job.state) and batch in (None, job.record.batch)]
        return await self._with_positions(chosen, owner), following

    async def delete(self, job: Job) -> None:
        """Ends the job and removes all that is kept of it."""
        job_id = job.record.id
        if self._queue.is_open:
            await self._queue.cancel(job_id)
        if job.state in ("queued", "running"):
            await self._runner.notify(job.record, None)
        await self._remove(job_id)
        self._stored.remove(job_id)
        self._unfinished.remove(job_id)
        if account := self._service.keyring.find_owner(job.record.owner):
            account.free_storage("jobs", job_id)
        if self._queue.is_open:
            await self._queue.delete(job_id)
        self.announce(job_id)

    def next_change(self, job_id: str) -> asyncio.Event:
        """Is set when something is known to have changed of the job. Who looks at the job first and then asks for it
        misses what changes in between."""
        return self._changes.setdefault(job_id, asyncio.Event())

    def is_told(self, job_id: str) -> bool:
        """Whether each change of the job is announced here now; else another gateway may make it."""
        return self._runner.is_reading(job_id)

    def announce(self, job_id: str) -> None:
        """Something of the job has changed."""
        if change := self._changes.pop(job_id, None):
            change.set()

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
            self._tell(error.detail)
        else:
            self._tell(None)

    async def _start(self) -> bool:
        """Whether jobs are run now. Never raises."""
        try:
            await asyncio.to_thread(self.store.prepare)
            await self._executor.start(self._runner)
        except ServiceError as error:
            self._tell(error.detail)
        except Exception as error:
            self._tell(f"The jobs' database can't be used: {type(error).__name__}.")
            log.warning("jobs_not_started", reason=str(error)[:MAX_REASON])
        else:
            return True
        return False

    def _tell(self, reason: str | None) -> None:
        if reason != self._failure:
            log.info("jobs", reason=reason) if reason is None else log.warning("jobs", reason=reason)
        self._failure = reason

    def _register_gauges(self) -> None:
        metrics = self._service.metrics
        metrics.watch("ocr_jobs_available", "1 while jobs are taken: their database answers", lambda: not self.reason)
        unfinished = "Jobs that wait or are read, of all gateways"
        metrics.watch("ocr_jobs_unfinished", unfinished, lambda: self._unfinished.total)
        metrics.watch("ocr_jobs_reading", "Jobs that this gateway reads", lambda: self._runner.readings)
        metrics.watch("ocr_jobs_stored_bytes", "What all jobs take of the store", lambda: self._stored.total)
        gateways = "Gateways on the jobs' database that live"
        metrics.watch("ocr_jobs_gateways", gateways, lambda: self._executor.gateways)

    async def _keep_swept(self, rest_s: float) -> None:
        while True:
            await self._sweep()
            await asyncio.sleep(rest_s if self._counted.is_set() else START_RETRY_S)

    async def _sweep(self) -> None:
        try:
            await self._settle_all()
        except Exception as error:
            is_away = isinstance(error, OSError | ServiceError)
            log.warning("jobs_not_settled", reason=str(error)[:MAX_REASON], exc_info=not is_away)
            self._uncounted = f"What is kept of jobs can't be counted: {type(error).__name__}."
        if self._queue.is_open:
            with suppress(ServiceError):
                await self._queue.forget_deliveries()

    async def _settle_all(self) -> None:
        begun = time.monotonic()
        jobs = await asyncio.to_thread(self.store.survey)
        self._stored.set_found({job.job_id: job.size for job in jobs}, begun)
        if (keyring := self._service.keyring).limits_storage:
            keyring.set_stored("jobs", await asyncio.to_thread(self.store.sizes_by_owner, jobs), begun)
        unfinished = (job.job_id for job in jobs if job.is_accepted and job.expires is None)
        self._unfinished.set_found(dict.fromkeys(unfinished, 1), begun)
        self._counted.set()
        self._without_password &= {job.job_id for job in jobs}
        await self._remove_refused()
        for job in jobs:
            await self._settle(self._remove_expired, job)
        if self._queue.is_open:
            await self._resume_abandoned(jobs)

    async def _resume_abandoned(self, jobs: Sequence[StoredJob]) -> None:
        """Those that nobody has touched for long; most of them only wait in a long queue."""
        waiting = [job for job in jobs if job.is_accepted and job.expires is None and job.age_s > ABANDONED_S]
        abandoned = [job for job in waiting if job.job_id not in self._refused]
        for at in range(0, len(abandoned), LOOKED_UP_AT_ONCE):
            some = abandoned[at : at + LOOKED_UP_AT_ONCE]
            known = await self._queue.find_all([job.job_id for job in some])
            for job in some:
                await self._settle(partial(self._resume, known.get(job.job_id)), job)

    async def _settle(self, work: Callable[[StoredJob], Awaitable[None]], job: StoredJob) -> None:
        try:
            await work(job)
        except Exception:
            log.exception("job_not_settled", id=job.job_id)

    async def _remove_refused(self) -> None:
        for job_id in tuple(self._refused):
            with suppress(OSError, ServiceError):  # the store is away still
                await asyncio.to_thread(self.store.delete, job_id)
                self._refused.discard(job_id)

    async def _remove_expired(self, job: StoredJob) -> None:
        """Removes a job whose time is over, and what a killed process left of one that it had not accepted."""
        if not job.is_accepted and job.age_s > ABANDONED_S:
            await asyncio.to_thread(self.store.delete, job.job_id)
        elif job.expires is not None and time.time() > job.expires:
            await self.delete(await self.find_any(job.job_id))
        elif job.expires is not None and job.job_id not in self._without_password:
            await asyncio.to_thread(self.store.forget_password, job.job_id)
            self._without_password.add(job.job_id)

    async def _resume(self, execution: Execution | None, job: StoredJob) -> None:
        """Puts a job back into the queue that a killed process had not put there, or that a lost database has
        forgotten; ends one whose execution is over, and removes one of a batch that was not kept whole."""
        if execution and execution.state in ("queued", "running"):
            return
        record = await asyncio.to_thread(self.store.record, job.job_id)
        if record is None:
            return
        if execution is None and not await asyncio.to_thread(self.store.is_complete, record):
            await asyncio.to_thread(self.store.delete, record.id)
        elif execution is None:
            await self._enqueue(record, "batch")
        elif not await asyncio.to_thread(self.store.end, record.id):
            end = describe_failure(ServiceError(500, "internal_error", _LOST))
            await self._runner.notify(record, end)
            await self._runner.end(record.id, end)

    def _create(self, record: JobRecord, content: SpooledFile | None) -> bool:
        """As `JobStore.create`."""
        try:
            return self.store.create(record, content)
        except OSError as error:
            reason = f"{self.store.place} can't be written: {error.strerror}"
            raise ServiceError(507, "storage_full", f"The job can't be kept: {reason}.") from error

    def _require_running(self) -> None:
        if self._failure is not None:
            raise ServiceError(503, "jobs_unavailable", self._failure, retry_after_s=BUSY_RETRY_AFTER_S)

    async def _require_counted(self) -> None:
        if not await await_change(self._counted, COUNT_WAIT_S):
            raise ServiceError(503, "jobs_unavailable", self._uncounted, retry_after_s=BUSY_RETRY_AFTER_S)

    def _require_room(self, sizes: Mapping[str, int], free: int | None) -> None:
        settings = self._settings
        if self._unfinished.total + len(sizes) > settings.max_queued_jobs:
            detail = f"{settings.max_queued_jobs} jobs wait or are read, the most that are kept (MAX_QUEUED_JOBS)."
            raise ServiceError(429, "too_many_jobs", detail, retry_after_s=BUSY_RETRY_AFTER_S)
        is_full = free is not None and free < settings.max_upload_mb * 1_000_000
        if self._stored.total + sum(sizes.values()) > settings.store_max_gb * 1e9 or is_full:
            detail = "There is no room for more jobs (STORE_MAX_GB, or the disk of DATA_DIR); delete some, or wait."
            raise ServiceError(507, "storage_full", detail)

    def _describe_all(self, executions: Sequence[Execution]) -> list[Job]:
        records = ((self.store.record(one.job_id), one) for one in executions)
        return [self._describe(record, one) for record, one in records if record is not None]

    def _describe(self, record: JobRecord, execution: Execution | None) -> Job:
        plan, end = self.store.plan(record.id), self.store.end(record.id)
        return Job(
            record,
            _state(execution, plan, end),
            plan,
            end,
            pages_done=len(self.store.page_numbers(record.id)),
            warnings=self.store.warnings(record),
            attempts=self.store.attempts(record.id),
        )


async def await_change(change: asyncio.Event, timeout_s: float) -> bool:
    """Whether the change has come before the time was over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            return await change.wait()
    return False


def _not_found() -> ServiceError:
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
