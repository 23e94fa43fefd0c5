"""A job's pages as server-sent events that a client may take up again, then `end` with the job."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from gateway.api.jobs.results import deliver_pictures
from gateway.api.jobs.schema import describe_job
from gateway.api.ocr.options import RequestOptions
from gateway.api.ocr.stream import PageEvent
from gateway.api.signed_links import Links
from gateway.assembly.block_html import add_html
from gateway.jobs.catalog import Job, await_change
from gateway.jobs.service import JobService
from gateway.jobs.store import JobStore, StoredPage

_PING = b": still reading\n\n"
_PING_S = 10.0
_LOOK_S = 1.0
"""How often the job is looked at where nothing is announced: another process may read it."""
_TOLD_LOOK_S = 10.0
"""The same where all is announced."""
_AT_ONCE_BYTES = 1_000_000
"""Events that are sent together, beside the one that makes them more."""


async def stream_job(
    jobs: JobService, job_id: str, find: Callable[[], Awaitable[Job]], params: RequestOptions, links: Links, after: int
) -> AsyncGenerator[bytes, None]:
    """`page` events of all pages beyond number `after`, in order, each when it and those before it are read; then
    `end`. `find` gives the job as it is now; raises where it was deleted, which ends the stream.

    While pages come they tell enough: to look at the job asks the database.
    """
    pages, sent, must_look = _PageEvents(jobs.store, params, links, after), time.monotonic(), True
    while True:
        change = jobs.next_change(job_id)
        if has_looked := must_look:
            pages.job = await find()
        has_sent = False
        while events := await asyncio.to_thread(pages.take):
            yield events
            has_sent, sent = True, time.monotonic()
            if len(events) < _AT_ONCE_BYTES:
                break
        if pages.job.state not in ("queued", "running"):
            info = await asyncio.to_thread(describe_job, pages.job, links)
            yield f"event: end\ndata: {info.model_dump_json()}\n\n".encode()
            return
        must_look = not has_sent or pages.are_sent
        if must_look and not has_looked:
            continue
        ping_s = max(0.0, sent + _PING_S - time.monotonic())
        await await_change(change, min(_TOLD_LOOK_S if jobs.is_told(job_id) else _LOOK_S, ping_s))
        if time.monotonic() >= sent + _PING_S:
            yield _PING
            sent = time.monotonic()


class _PageEvents:
    """Events of a job's pages beyond number `after`, each once. `job`: as it was looked at last."""

    job: Job

    def __init__(self, store: JobStore, params: RequestOptions, links: Links, after: int) -> None:
        self._store, self._params, self._links = store, params, links
        self._last = after

    @property
    def are_sent(self) -> bool:
        """Whether no page of the job will come any more."""
        return not self._find_unsent()

    def take(self) -> bytes:
        """The next, up to the first page that is not kept, or until they make `_AT_ONCE_BYTES`. Blocks."""
        events = bytearray()
        for number in self._find_unsent():
            if len(events) >= _AT_ONCE_BYTES or not (page := self._store.page(self.job.record.id, number)):
                break
            event = page_event(self._store, self.job, page, self._params, self._links)
            events += f"event: page\nid: {number}\ndata: {event.model_dump_json()}\n\n".encode()
            self._last = number
        return bytes(events)

    def _find_unsent(self) -> Sequence[int]:
        numbers = self.job.plan.pages if self.job.plan else []
        return numbers[bisect_right(numbers, self._last) :]


def page_event(store: JobStore, job: Job, page: StoredPage, params: RequestOptions, links: Links) -> PageEvent:
    result = add_html(page.result, job.record.options)
    return PageEvent(**dict(result), images=deliver_pictures(store, job, page, params, links))
