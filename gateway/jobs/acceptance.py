"""How a job comes in: it is kept, with its document, and put into the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from gateway.errors import ServiceError
from gateway.intake.page_ranges import check_ranges
from gateway.intake.spool import SpooledFile
from gateway.intake.url_rules import check_url
from gateway.jobs.queue import JobQueue
from gateway.jobs.quota import JobQuota
from gateway.jobs.removal import JobRemover
from gateway.jobs.store import JobRecord, JobStore
from gateway.parts import Parts
from gateway.storage.bucket import Bucket, S3Source, check_place


class NewJob(NamedTuple):
    """A job to accept; `content`: its document, unless it is named by URL or by its key in a bucket."""

    record: JobRecord
    content: SpooledFile | None


class JobAcceptance:
    """`require_running` raises where jobs can't be taken now."""

    def __init__(
        self,
        parts: Parts,
        bucket: Bucket,
        store: JobStore,
        queue: JobQueue,
        quota: JobQuota,
        remover: JobRemover,
        require_running: Callable[[], None],
    ) -> None:
        self._parts, self._bucket, self._store = parts, bucket, store
        self._queue, self._quota, self._remover = queue, quota, remover
        self._require_running = require_running
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        """Of requests that came with the same Idempotency-Key."""

    async def submit(self, submissions: Sequence[NewJob], priority: str) -> bool:
        """As `JobService.submit`."""
        for record, _ in submissions:
            check_ranges(record.options.pages, record.options.names)
        async with self._turns.setdefault(submissions[0].record.id, asyncio.Lock()):
            fresh = [one for one in submissions if not await self._is_known(one.record)]
            self._check_places(submissions, fresh)
            self._require_running()
            sizes = {record.id: content.size if content else 0 for record, content in fresh}
            if fresh:
                await self._quota.require_room(sizes)
            with self._quota.hold(submissions[0].record.owner, sizes):
                await self._keep(submissions, fresh, priority)
            return bool(fresh)

    def _check_places(self, submissions: Sequence[NewJob], fresh: Sequence[NewJob]) -> None:
        """As `_check_place`; says which one of several is refused."""
        numbers = {record.id: number for number, (record, _) in enumerate(submissions, 1)}
        for record, _ in fresh:
            try:
                self._check_place(record)
            except ServiceError as error:
                if len(numbers) == 1:
                    raise
                raise error.about(f"Document {numbers[record.id]} of {len(numbers)}") from None

    def _check_place(self, record: JobRecord) -> None:
        """Refuses a document that is never fetched, whatever is there. Raises ServiceError 400 `url_not_allowed`,
        `source_not_supported`, `s3_not_allowed`."""
        if record.url is not None:
            check_url(record.url, self._parts.settings)
        if record.s3_key is not None:
            check_place(self._bucket, S3Source(record.s3_key, record.s3_bucket))

    async def enqueue(self, record: JobRecord, priority: str) -> None:
        """Puts a job that is kept into the queue of its model. ServiceError 503 `jobs_unavailable`."""
        parts = self._parts.find_model(record.options.model)
        is_other = parts is not None and parts.engine is not self._parts.engine
        model = parts.engine.name if parts and is_other else None
        await self._queue.enqueue(record.id, record.owner, priority, model)

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
                await self.enqueue(record, priority)
                promised.add(record.id)
        except ServiceError:
            if not await self._may_be_accepted([one for one in own if one.id not in promised]):
                await self._remover.withdraw(own)
            raise

    async def _is_known(self, record: JobRecord) -> bool:
        """Whether the same request has made the job before. ServiceError 422 `idempotency_key_reused` where another
        one has."""
        known = await asyncio.to_thread(self._store.record, record.id)
        if known is not None and known.fingerprint != record.fingerprint:
            raise ServiceError(422, "idempotency_key_reused", "This `Idempotency-Key` came with another job before.")
        return known is not None

    async def _may_be_accepted(self, own: Sequence[JobRecord]) -> bool:
        """Whether another gateway, to which the same Idempotency-Key came, may have promised the jobs meanwhile. Where
        none can tell they stay, and are put into the queue when they seem abandoned."""
        shared = [record.id for record in own if record.fingerprint]
        try:
            return bool(shared and await self._queue.find_all(shared))
        except ServiceError:
            return True

    def _create(self, record: JobRecord, content: SpooledFile | None) -> bool:
        """As `JobStore.create`. ServiceError 507 `storage_full`."""
        try:
            return self._store.create(record, content)
        except OSError as error:
            reason = f"{self._store.place} can't be written: {error.strerror}"
            raise ServiceError(507, "storage_full", f"The job can't be kept: {reason}.") from error
