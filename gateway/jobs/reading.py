"""The reading of one job in this process: pages that are not kept yet are read and kept, in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from contextvars import copy_context
from functools import partial
from http import HTTPStatus
from typing import Protocol, TypeVar

import structlog

from gateway.assembly.restructure import describe_document
from gateway.assembly.running_heads import LOOK_BACK
from gateway.errors import ServiceError
from gateway.jobs.store import JobPlan, JobRecord, JobStore, StoredPage
from gateway.model import Document, PageResult, Timings
from gateway.recognized_page import PageView, RecognizedPage
from gateway.scheduling.fair_semaphore import BATCH, Flow
from gateway.service import Service
from gateway.session import DocumentSession, DocumentSource, open_session
from gateway.storage.bucket import S3Source
from gateway.tracing import Attributes

READY_POLL_S = 0.5
KEY_LIMIT_POLL_S = 1.0
"""How often a job whose key may read no more pages for now looks whether it may."""
RETRY_S = 5.0
"""How long a job rests where the store, or where its document comes from, is away or full: that may pass."""
DELETION_POLL_S = 0.5
"""How often a job that is read is looked for where gateways share it: any of them may have deleted it."""
T = TypeVar("T")

log = structlog.get_logger(__name__)


class PageEncoder(Protocol):
    """How a dialect keeps a page of which it says more than `StoredPage` holds."""

    def view(self, record: JobRecord, document: Document) -> PageView | None:
        """What each page is to be drawn by while its pixels are there."""

    def encode(self, record: JobRecord, document: Document, page: RecognizedPage) -> tuple[bytes, Mapping[str, bytes]]:
        """The page, and pictures that it names beside those of the page. Blocks."""


class JobReading:
    """`numbers`: pages of the plan that are not kept yet; `on_change` is called with the job's id when one is, and
    when the job was deleted. `writers`: threads that keep pages."""

    def __init__(
        self,
        service: Service,
        store: JobStore,
        record: JobRecord,
        numbers: set[int],
        encoder: PageEncoder | None,
        writers: Executor,
        on_change: Callable[[str], None],
    ) -> None:
        self._service = service
        self._store = store
        self._record = record
        self._missing = numbers
        self._encoder = encoder
        self._writers = writers
        self._on_change = on_change
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._read_missing())
        self._watch = asyncio.create_task(self._await_deletion())

    @property
    def is_over(self) -> bool:
        return self._task.done()

    async def wait(self, least_s: float) -> bool:
        """Returns after the time, later where no page was kept in it, sooner where all are or the reading was stopped.
        Whether a page is missing still; raises what ended the reading else."""
        before = len(self._missing)
        with suppress(TimeoutError):
            async with asyncio.timeout(least_s):
                await self._wait_until(lambda: not self._missing)
        await self._wait_until(lambda: len(self._missing) < before)
        self.raise_failure()
        return bool(self._missing)

    def raise_failure(self) -> None:
        """Raises what has ended the reading before all was kept, if anything but a stop has."""
        if self._missing and self.is_over and not self._task.cancelled():
            self._task.result()

    async def _wait_until(self, condition: Callable[[], bool]) -> None:
        """Or until the reading is over."""
        async with self._changed:
            await self._changed.wait_for(lambda: condition() or self.is_over)

    async def stop(self) -> None:
        self._task.cancel()
        self._watch.cancel()
        await asyncio.gather(self._task, self._watch, return_exceptions=True)

    async def _read_missing(self) -> None:
        try:
            while self._missing:
                await retry_while_away(self._service, self._record, self._read_on)
        finally:
            self._watch.cancel()
            async with self._changed:
                self._changed.notify_all()

    async def _await_deletion(self) -> None:
        """Frees the engine soon where another gateway has deleted the job."""
        while self._service.settings.database_url:
            await asyncio.sleep(DELETION_POLL_S)
            with suppress(OSError, ServiceError):
                if not await asyncio.to_thread(self._store.has_job, self._record.id):
                    self._task.cancel()
                    self._on_change(self._record.id)
                    return

    async def _read_on(self) -> None:
        """Reads until all is kept that the key may have read now, or until the engine goes away: what that has cost a
        page is read again then."""
        account = self._service.keyring.find_owner(self._record.owner)
        numbers = sorted(self._missing)[: account.pages_left() if account else None]
        flow = Flow(BATCH, f"jobs of {self._record.owner}", account)
        try:
            await self._read(numbers, flow)
        except ServiceError as error:
            # Another document of the key's was faster.
            if error.code != "key_limit_reached":
                raise
            numbers = []
        if not numbers:
            await asyncio.sleep(KEY_LIMIT_POLL_S)

    async def _read(self, numbers: list[int], flow: Flow) -> None:
        if not numbers:
            return
        engine = self._service.parts.choose(self._record.options.model).engine
        about: Attributes = {"ocr.job": self._record.id, "ocr.pages": len(numbers)}
        with self._service.parts.tracing.root_span("read job", about, self._record.trace):
            async with open_job(self._service, self._store, self._record, flow, numbers, self._encoder) as session:
                async for page in session.pages():
                    if page.result.status != "ok" and engine.state != "ready":
                        log.info("job_paused", id=self._record.id, page=page.result.page)
                        return
                    await self._keep(session, page)
        if lost := self._missing.intersection(numbers):
            raise RuntimeError(f"pages {sorted(lost)[:5]} of job {self._record.id} did not come")

    async def _keep(self, session: DocumentSession, page: RecognizedPage) -> None:
        stored = StoredPage(
            result=page.result,
            timings=Timings(intake_ms=page.intake_ms, layout_ms=page.layout_ms, recognition_ms=page.recognition_ms),
            images=list(page.images),
            is_refused=page.is_refused,
        )
        try:
            keep = partial(copy_context().run, self._write, session.document, stored, page)  # log lines name the job
            await asyncio.get_running_loop().run_in_executor(self._writers, keep)
        except FileNotFoundError:
            raise _job_deleted() from None
        async with self._changed:
            self._missing.discard(page.result.page)
            self._changed.notify_all()
        self._on_change(self._record.id)

    def _write(self, document: Document, stored: StoredPage, page: RecognizedPage) -> None:
        encoded: bytes | None = None
        pictures: Mapping[str, bytes] = {}
        if self._encoder is not None:
            encoded, pictures = self._encoder.encode(self._record, document, page)
        self._store.write_page(self._record.id, stored, {**page.images, **pictures}, encoded)


async def wait_until_ready(service: Service, model: str | None, deadline: float) -> None:
    """Returns when documents can be read with the model, or none of that name is known. ServiceError 503
    `vlm_unavailable` at the deadline, a time of the running loop."""
    try:
        async with asyncio.timeout_at(deadline):
            while (parts := service.parts.find_model(model)) and service.unreadiness(parts.engine):  # noqa: ASYNC110
                await asyncio.sleep(READY_POLL_S)
    except TimeoutError:
        detail = "The service could not read for longer than a job may take (JOB_TIMEOUT_S)."
        raise ServiceError(503, "vlm_unavailable", detail) from None


async def retry_while_away(service: Service, record: JobRecord, attempt: Callable[[], Awaitable[T]]) -> T:
    """What the attempt gives. While the engine, the store or the document's source is away or full, it is made again,
    for as long as a job may take at most. Raises what the attempt raises else."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + service.settings.job_timeout_s
    while True:
        await wait_until_ready(service, record.options.model, deadline)
        try:
            return await attempt()
        except OSError as error:
            reason = f"{service.objects.place}: {error.strerror or type(error).__name__}"
            if loop.time() > deadline:
                raise
        except ServiceError as error:
            reason = error.detail
            if error.status != HTTPStatus.SERVICE_UNAVAILABLE or loop.time() > deadline:
                raise
        log.warning("job_paused", id=record.id, reason=reason)
        await asyncio.sleep(RETRY_S)


async def make_plan(service: Service, store: JobStore, record: JobRecord) -> JobPlan:
    """The plan that is kept. Raises ServiceError for a document that can't be read."""

    async def attempt() -> JobPlan:
        plan = await asyncio.to_thread(store.plan, record.id)
        if plan is None:
            async with open_job(service, store, record, Flow(BATCH, f"jobs of {record.owner}")) as session:
                made = JobPlan(
                    document=describe_document(session.document),
                    pages=list(session.document.selected),
                    started=time.time(),
                    engine=session.engine,
                    model=session.model,
                )
            plan = await asyncio.to_thread(_keep_plan, store, record.id, made)
        return plan

    return await retry_while_away(service, record, attempt)


def _job_deleted() -> ServiceError:
    return ServiceError(410, "job_deleted", "The job was deleted.")


def _keep_plan(store: JobStore, job_id: str, plan: JobPlan) -> JobPlan:
    """Another gateway's where one has come before."""
    try:
        store.write_plan(job_id, plan)
    except FileNotFoundError:
        raise _job_deleted() from None
    return store.plan(job_id) or plan


@asynccontextmanager
async def open_job(
    service: Service,
    store: JobStore,
    record: JobRecord,
    flow: Flow,
    numbers: list[int] | None = None,
    encoder: PageEncoder | None = None,
) -> AsyncIterator[DocumentSession]:
    """`numbers`: pages to read; None: those that the job asks for. Raises as `job_source`."""
    options = record.options
    deadline = asyncio.get_running_loop().time() + service.settings.job_timeout_s
    source = await asyncio.to_thread(job_source, store, record)
    before = await asyncio.to_thread(_find_pages_before, store, record, numbers[0]) if numbers else ()
    async with open_session(
        service,
        source,
        options,
        deadline,
        pages=options.pages if numbers is None else ",".join(map(str, numbers)),
        dpi=options.dpi,
        password=record.password,
        flow=flow,
        view=partial(encoder.view, record) if encoder else None,
        is_accepted=True,
        before=before,
    ) as session:
        yield session


def _find_pages_before(store: JobStore, record: JobRecord, number: int) -> list[PageResult]:
    """The last kept ones: what is read behind them is to be as if all were read at once."""
    plan = store.plan(record.id)
    numbers = [one for one in plan.pages if one < number][-LOOK_BACK:] if plan else []
    return [page.result for page in (store.page(record.id, one) for one in numbers) if page]


def job_source(store: JobStore, record: JobRecord) -> DocumentSource:
    """Blocks. Raises ServiceError 410 `job_deleted`, 503 `storage_unavailable`."""
    if record.url:
        return DocumentSource(None, record.name, url=record.url)
    if record.s3_key:
        return DocumentSource(None, record.name, s3=S3Source(record.s3_key, record.s3_bucket))
    try:
        return DocumentSource(store.open_document(record), record.name, media_type=record.media_type)
    except FileNotFoundError:
        raise _job_deleted() from None
