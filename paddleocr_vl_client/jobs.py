"""`/jobs`, for programs with threads, or with none."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import httpx2

from paddleocr_vl_client.calls import Call, job_call, job_path, submit_call
from paddleocr_vl_client.connections import Connection, translate_errors
from paddleocr_vl_client.downloads import download
from paddleocr_vl_client.errors import APIConnectionError, APITimeoutError
from paddleocr_vl_client.events import failure_of, parse_event
from paddleocr_vl_client.models import Conversion, Document, Job, JobList, JobState, Page
from paddleocr_vl_client.options import Format, ReadOptions
from paddleocr_vl_client.pauses import poll_pauses
from paddleocr_vl_client.sources import Source, open_upload


class Jobs:
    """Documents that the service reads in the background: `submit`, `wait`, then `result`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def submit(
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
        """The job, once the document is safe at the service. `format` is that of the result if nothing else is asked
        for; `pdf`, `hocr` and `alto` have to be named here."""
        given = {**options, "batch": batch, "keep_s": keep_s, "webhook": webhook, "format": format}
        with open_upload(source, name) as upload:
            return self._connection.send_json(submit_call(upload, given, idempotency_key), Job)

    def get(self, job_id: str) -> Job:
        return self._connection.send_json(job_call(job_id), Job)

    def list(self, *, state: JobState | None = None, batch: str | None = None) -> Iterator[Job]:
        """Your key's jobs, newest first."""
        call = Call("GET", "/jobs", {"state": state, "batch": batch})
        while True:
            found = self._connection.send_json(call, JobList)
            yield from found.jobs
            if found.next is None:
                return
            call = Call("GET", found.next)

    def wait(self, job_id: str, timeout_s: float | None = None) -> Job:
        """The job when it has ended, however. APITimeoutError where that takes longer than `timeout_s`."""
        for pause_s in poll_pauses(timeout_s):
            job = self.get(job_id)
            if job.has_ended:
                return job
            time.sleep(pause_s)
        raise APITimeoutError(f"The job did not end within {timeout_s:g} s.")

    def result(self, job_id: str) -> Document:
        """The whole answer. ConflictError while the job has none; if it failed, the error that `read` would raise."""
        return self._connection.send_json(job_call(job_id, "/result", format="json"), Document)

    def convert(self, job_id: str, format: Format, to: Path | str | None = None) -> Conversion:
        """The result in another format, as `Client.convert`."""
        return download(self._connection, job_call(job_id, "/result", format=format), to)

    def pages(self, job_id: str, after: int = 0) -> Iterator[Page]:
        """The pages beyond number `after`, each when it and those before it are read. A lost connection is taken up
        again. Ends with the job; raises the error that it failed of."""
        last, retries = after, 0
        while True:
            call = Call("GET", f"{job_path(job_id)}/events", headers={"Last-Event-ID": str(last)})
            try:
                with self._connection.open(call) as response, translate_errors():
                    for event in map(parse_event, httpx2.EventSource(response, max_event_size=None)):
                        if isinstance(event, Page):
                            last, retries = event.page, 0
                            yield event
                        elif isinstance(event, Job):
                            if failure := failure_of(event):
                                raise failure
                            return
                raise APIConnectionError("The job's events broke off before their end.")
            except APIConnectionError as error:
                self._connection.pause(retries, error)
                retries += 1

    def cancel(self, job_id: str) -> None:
        """Ends the job and removes all that is kept of it."""
        self._connection.send(job_call(job_id, method="DELETE"), lambda response: None)
