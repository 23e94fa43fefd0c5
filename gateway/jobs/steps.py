"""What is done of jobs, step by step: their plans, their pages, their ends, and who is told of these."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar, TypeVarTuple

import structlog

from gateway.errors import ServiceError
from gateway.jobs.links import LinkSigner
from gateway.jobs.queue import JobQueue
from gateway.jobs.reading import RETRY_S, JobReading, PageEncoder, make_plan
from gateway.jobs.store import JobEnd, JobRecord, JobStore
from gateway.jobs.webhooks import WebhookMessage, WebhookSender, create_message
from gateway.service import Service

SUSPECT_LOSSES, MAX_LOSSES = 2, 4
"""So many processes that a job has outlived without another page make it one that is read alone, and one given up: it
may be what ends them."""
STEP_S = 10.0
"""How long a step of reading is at least, unless all is read. Its record in the database takes 3 ms of CPU, and each
page is kept without it: it only tells whether the job is this gateway's still."""
WRITERS = 16
"""Threads that keep pages, most of whose time goes by waiting for a disk or a bucket. Not the loop's own: the pages
that are read then would wait for them, those of requests too."""
Ts = TypeVarTuple("Ts")
T = TypeVar("T")
NOTICE_RETRY_S = 5.0
"""Between two tries to put a webhook's message into the database."""

log = structlog.get_logger(__name__)


class JobRunner:
    """The `JobSteps` of this process. `on_change` is called when something of a job has changed, `on_end` when one has
    ended."""

    def __init__(
        self,
        service: Service,
        store: JobStore,
        queue: JobQueue,
        encoders: Mapping[str, PageEncoder],
        links: LinkSigner,
        webhooks: WebhookSender,
        on_change: Callable[[str], None],
        on_end: Callable[[str], None],
    ) -> None:
        """`encoders`: by the name of their dialect."""
        self._service, self._store, self._queue, self._encoders = service, store, queue, encoders
        self._links, self._webhooks = links, webhooks
        self._on_change, self._on_end = on_change, on_end
        self._process = uuid.uuid4().hex
        self._readings: dict[str, JobReading] = {}
        self._writers = ThreadPoolExecutor(WRITERS, thread_name_prefix="pages")
        self._begun: set[str] = set()
        """Jobs that this process works on."""
        self._alone = asyncio.Lock()
        self._suspect: str | None = None
        """The job that holds the lock."""
        self._is_stopping = False

    @property
    def readings(self) -> int:
        """Jobs that are read now."""
        return len(self._readings)

    def is_reading(self, job_id: str) -> bool:
        """Whether this process does: it tells of each change then."""
        return job_id in self._readings and not self._readings[job_id].is_over

    async def stop(self) -> None:
        """Ends all readings. A step that fails for it would be written down as failed, so the executor stops before."""
        self._is_stopping = True
        await asyncio.gather(*(reading.stop() for reading in self._readings.values()))
        for job_id in tuple(self._begun):
            await self._note_attempt(self._store.end_attempt, job_id)
        self._writers.shutdown(wait=False)

    async def plan(self, job_id: str) -> list[int]:
        """As JobSteps."""
        record = await self._ask(job_id, self._store.record)
        if record is None:
            return []
        try:
            plan = await self._ask(job_id, self._store.plan)
            if plan is None:
                await self._begin_attempt(job_id)
                plan = await make_plan(self._service, self._store, record)
                self._on_change(job_id)
            await self._find_reading(job_id)  # begins it, without a wait for the record of this step
        except ServiceError as error:
            await self._fail(job_id, error)
            return []
        return plan.pages

    async def read_on(self, job_id: str) -> bool:
        """As JobSteps."""
        try:
            reading = await self._find_reading(job_id)
            return reading is not None and await reading.wait(STEP_S)
        except ServiceError as error:
            await self._fail(job_id, error)
            return False

    async def _find_reading(self, job_id: str) -> JobReading | None:
        """What reads the job, begun where nothing does; None where there is nothing left to read. Raises what has ended
        the reading since the last step."""
        record = await self._ask(job_id, self._store.record)
        if record is None or await self._ask(job_id, self._store.end) is not None:
            return None
        if self._is_stopping:
            raise RuntimeError(f"the reading of job {job_id} was stopped")
        reading = self._readings.get(job_id)
        if reading is not None:
            reading.raise_failure()
        if reading is None or reading.is_over:
            reading = await self._begin_reading(record)
        return reading

    async def _begin_reading(self, record: JobRecord) -> JobReading | None:
        """None where all pages are kept."""
        plan = await self._ask(record.id, self._store.plan)
        missing = set(plan.pages if plan else ()) - await self._ask(record.id, self._store.page_numbers)
        if not missing:
            return None
        await self._begin_attempt(record.id)
        encoder = self._encoders.get(record.dialect)
        reading = JobReading(self._service, self._store, record, missing, encoder, self._writers, self._on_change)
        self._readings[record.id] = reading
        return reading

    async def _begin_attempt(self, job_id: str) -> None:
        """Waits for its turn where the job may be one that ends the process. ServiceError 500 `job_given_up`."""
        if job_id in self._begun:
            return
        losses = await self._ask(job_id, self._store.count_losses, self._process)
        if losses >= MAX_LOSSES:
            raise _loss_error(losses)
        if losses >= SUSPECT_LOSSES and self._suspect != job_id:
            log.warning("job_read_alone", id=job_id, lost_attempts=losses)
            await self._alone.acquire()
            self._suspect = job_id
        self._begun.add(job_id)
        await self._note_attempt(self._store.begin_attempt, job_id)

    async def _note_attempt(self, note: Callable[[str, str], None], job_id: str) -> None:
        with suppress(OSError, ServiceError):  # deleted meanwhile, or the store is full or away
            await asyncio.to_thread(note, job_id, self._process)

    async def finish(self, job_id: str) -> None:
        """As JobSteps."""
        await self._stop_reading(job_id)
        end = await self._ask(job_id, self._store.end)
        if end is None:
            await self.end(job_id, end := JobEnd(state="done", ended=time.time()))
        record = await self._ask(job_id, self._store.record)
        while record is not None:
            try:
                await self.notify(record, end)
            except ServiceError:
                await asyncio.sleep(NOTICE_RETRY_S)
            else:
                return

    async def deliver(self, message: WebhookMessage, attempt: int) -> float | None:
        """As JobSteps."""
        return await self._webhooks.deliver(message, attempt)

    async def notify(self, record: JobRecord, end: JobEnd | None) -> None:
        """Has the client's webhook, if any, told of the job's end. ServiceError 503 `jobs_unavailable`."""
        message = await asyncio.to_thread(create_message, record, end, self._links)
        if message is not None:
            await self._queue.enqueue_delivery(message)

    async def release(self, job_id: str) -> None:
        """As JobSteps."""
        if job_id in self._begun:
            await self._note_attempt(self._store.end_attempt, job_id)
        await self._stop_reading(job_id)
        self._on_change(job_id)

    async def _stop_reading(self, job_id: str) -> None:
        self._begun.discard(job_id)
        if reading := self._readings.pop(job_id, None):
            await reading.stop()
        if self._suspect == job_id:
            self._suspect = None
            self._alone.release()

    async def _fail(self, job_id: str, error: ServiceError) -> None:
        await self.end(job_id, describe_failure(error))

    async def end(self, job_id: str, end: JobEnd) -> None:
        """Writes down how the job ended, unless it was deleted, and forgets its document's password."""
        with suppress(FileNotFoundError):  # deleted meanwhile
            await self._ask(job_id, self._store.write_end, end)
            self._on_end(job_id)
            await self._ask(job_id, self._store.forget_password)
        log.info("job_ended", id=job_id, state=end.state, code=end.code)
        self._on_change(job_id)

    async def _ask(self, job_id: str, operation: Callable[[str, *Ts], T], *arguments: *Ts) -> T:
        """What an operation of the store gives for the job; waits where the store is full or away. FileNotFoundError
        where it needs a job that was deleted."""
        while True:
            try:
                return await asyncio.to_thread(operation, job_id, *arguments)
            except FileNotFoundError:
                raise
            except OSError as error:
                reason = f"{self._store.place}: {error.strerror}"
            except ServiceError as error:
                if error.status != HTTPStatus.SERVICE_UNAVAILABLE:
                    raise
                reason = error.detail
            log.warning("job_paused", id=job_id, reason=reason)
            await asyncio.sleep(RETRY_S)


def _loss_error(losses: int) -> ServiceError:
    return ServiceError(
        500,
        "job_given_up",
        f"The service has ended {losses} times while it read this document, without another page of it being read. "
        "The log says what ended it; a lack of memory is the usual reason.",
    )


def describe_failure(error: ServiceError) -> JobEnd:
    """The end, now, of a job for which the error is the last word."""
    return JobEnd(state="failed", ended=time.time(), status=error.status, code=error.code, detail=error.detail)
