"""Whether there is room for more jobs: how many are unfinished, and how many bytes all of them take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

from gateway.errors import ServiceError
from gateway.jobs.store import JobStore, StoredJob
from gateway.keys.keyring import Keyring
from gateway.settings import Settings
from gateway.storage.stored_sizes import StoredSizes

START_WAIT_S = 30.0
"""How long a request waits after a start, which takes a second or two, until jobs are run; and a new job, until all
that is kept was counted."""
BUSY_RETRY_AFTER_S = 30
COUNTING = "Jobs are starting: what is kept is being counted."


class JobQuota:
    """Belongs to the event loop. `reason`: why jobs can't be counted yet; None once they were."""

    def __init__(self, settings: Settings, store: JobStore, keyring: Keyring) -> None:
        self.reason: str | None = COUNTING
        self._settings, self._store, self._keyring = settings, store, keyring
        self._stored = StoredSizes()
        self._unfinished = StoredSizes()
        """Jobs without an end, which count for one each."""
        self._counted = asyncio.Event()
        """Whether both hold what earlier processes have kept."""

    @property
    def bytes_stored(self) -> int:
        return self._stored.total

    @property
    def unfinished_jobs(self) -> int:
        return self._unfinished.total

    async def survey(self) -> Sequence[StoredJob]:
        """Looks through the store and counts what is there. Raises what the store raises; `reason` says so then, unless
        an earlier look has counted."""
        begun = time.monotonic()
        try:
            jobs = await asyncio.to_thread(self._store.survey)
            if self._keyring.limits_storage:
                self._keyring.set_stored("jobs", await asyncio.to_thread(self._store.sizes_by_owner, jobs), begun)
        except Exception as error:
            if not self._counted.is_set():
                self.reason = f"What is kept of jobs can't be counted: {type(error).__name__}."
            raise
        self._stored.set_found({job.job_id: job.size for job in jobs}, begun)
        unfinished = (job.job_id for job in jobs if job.is_accepted and job.expires is None)
        self._unfinished.set_found(dict.fromkeys(unfinished, 1), begun)
        self._counted.set()
        self.reason = None
        return jobs

    async def require_room(self, sizes: Mapping[str, int]) -> None:
        """Waits for the first survey. `sizes`: bytes of new jobs by their ids. Raises ServiceError: 429
        `too_many_jobs`, 503 `jobs_unavailable`, 507 `storage_full`."""
        try:
            async with asyncio.timeout(START_WAIT_S):
                await self._counted.wait()
        except TimeoutError:
            reason = self.reason or COUNTING
            raise ServiceError(503, "jobs_unavailable", reason, retry_after_s=BUSY_RETRY_AFTER_S) from None
        free, settings = await asyncio.to_thread(self._store.free_bytes), self._settings
        if self._unfinished.total + len(sizes) > settings.max_queued_jobs:
            detail = f"{settings.max_queued_jobs} jobs wait or are read, the most that are kept (MAX_QUEUED_JOBS)."
            raise ServiceError(429, "too_many_jobs", detail, retry_after_s=BUSY_RETRY_AFTER_S)
        is_full = free is not None and free < settings.max_upload_mb * 1_000_000
        if self._stored.total + sum(sizes.values()) > settings.store_max_gb * 1e9 or is_full:
            detail = "There is no room for more jobs (STORE_MAX_GB, or the disk of DATA_DIR); delete some, or wait."
            raise ServiceError(507, "storage_full", detail)

    @contextmanager
    def hold(self, owner: str, sizes: Mapping[str, int]) -> Iterator[None]:
        """Counts jobs of one owner that are being kept, and no more where that fails. Entered without a pause after
        `require_room`: another request would take the same room. ServiceError 507 `key_storage_full`."""
        account = self._keyring.find_owner(owner) if sizes else None
        key = account.hold_storage("jobs", sizes) if account else nullcontext()
        with key, self._stored.hold(sizes), self._unfinished.hold(dict.fromkeys(sizes, 1)):
            yield

    def end(self, job_id: str) -> None:
        """The job has ended, and is still kept."""
        self._unfinished.remove(job_id)

    def remove(self, job_id: str, owner: str) -> None:
        """Nothing of the job is kept any more."""
        self._stored.remove(job_id)
        self._unfinished.remove(job_id)
        if account := self._keyring.find_owner(owner):
            account.free_storage("jobs", job_id)
