"""`/jobs`, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Unpack

import httpx2

from paddleocr_vl_client.calls import Call, job_call, job_path, submit_call
from paddleocr_vl_client.connections import AsyncConnection, translate_errors
from paddleocr_vl_client.downloads import download_async
from paddleocr_vl_client.errors import APIConnectionError, APITimeoutError
from paddleocr_vl_client.events import failure_of, parse_event
from paddleocr_vl_client.models import Conversion, Document, Job, JobList, JobState, Page
from paddleocr_vl_client.options import Format, ReadOptions
from paddleocr_vl_client.pauses import poll_pauses
from paddleocr_vl_client.sources import Source, open_upload_async


class AsyncJobs:
    """As `Jobs`."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def submit(
        self,
        source: Source,
        *,
        name: str | None = None,
        batch: str | None = None,
        keep_s: float | None = None,
        webhook: str | None = None,
        format: Format | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Job:
        given = {**options, "batch": batch, "keep_s": keep_s, "webhook": webhook, "format": format}
        async with open_upload_async(source, name) as upload:
            return await self._connection.send_json(submit_call(upload, given, idempotency_key), Job)

    async def get(self, job_id: str) -> Job:
        return await self._connection.send_json(job_call(job_id), Job)

    async def list(self, *, state: JobState | None = None, batch: str | None = None) -> AsyncGenerator[Job, None]:
        call = Call("GET", "/jobs", {"state": state, "batch": batch})
        while True:
            found = await self._connection.send_json(call, JobList)
            for job in found.jobs:
                yield job
            if found.next is None:
                return
            call = Call("GET", found.next)

    async def wait(self, job_id: str, timeout_s: float | None = None) -> Job:
        for pause_s in poll_pauses(timeout_s):
            job = await self.get(job_id)
            if job.has_ended:
                return job
            await asyncio.sleep(pause_s)
        raise APITimeoutError(f"The job did not end within {timeout_s:g} s.")

    async def result(self, job_id: str) -> Document:
        return await self._connection.send_json(job_call(job_id, "/result", format="json"), Document)

    async def convert(self, job_id: str, format: Format, to: Path | str | None = None) -> Conversion:
        return await download_async(self._connection, job_call(job_id, "/result", format=format), to)

    async def pages(self, job_id: str, after: int = 0) -> AsyncGenerator[Page, None]:
        last, retries = after, 0
        while True:
            call = Call("GET", f"{job_path(job_id)}/events", headers={"Last-Event-ID": str(last)})
            try:
                async with self._connection.open(call) as response:
                    with translate_errors():
                        async for event in httpx2.EventSource(response, max_event_size=None):
                            parsed = parse_event(event)
                            if isinstance(parsed, Page):
                                last, retries = parsed.page, 0
                                yield parsed
                            elif isinstance(parsed, Job):
                                if failure := failure_of(parsed):
                                    raise failure
                                return
                raise APIConnectionError("The job's events broke off before their end.")
            except APIConnectionError as error:
                await self._connection.pause(retries, error)
                retries += 1

    async def cancel(self, job_id: str) -> None:
        async def drop(response: httpx2.Response) -> None:
            await response.aread()

        await self._connection.send(job_call(job_id, method="DELETE"), drop)
