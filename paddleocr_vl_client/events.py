"""What is made of responses, alike for threads and for asyncio: events of a stream, ends of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import httpx2

from paddleocr_vl_client.connections import decode
from paddleocr_vl_client.errors import APIStatusError, ConflictError, Problem, job_error, problem_error
from paddleocr_vl_client.models import Job, Page, StreamEnd, StreamStart

Event: TypeAlias = StreamStart | Page | StreamEnd | Job
_KINDS: Mapping[str, type[Event]] = {"meta": StreamStart, "page": Page, "done": StreamEnd, "end": Job}
BROKEN_OFF = "The stream broke off before its end."
"""Of a stream that has ended without its last event."""


def parse_event(event: httpx2.ServerSentEvent) -> Event | None:
    """None for an event that this client does not know. Raises the APIStatusError that an `error` event tells of."""
    data = event.data.encode()
    if event.event == "error":
        raise problem_error(decode(data, Problem))
    kind = _KINDS.get(event.event)
    return None if kind is None else decode(data, kind)


def failure_of(job: Job) -> APIStatusError | None:
    """Why a job that has ended has no result; None where it has one."""
    if job.error is not None:
        return job_error(job.error.status, job.error.code, job.error.detail)
    if job.state == "done":
        return None
    return ConflictError(409, f"job_{job.state}", f"The job is {job.state}; there is no result.")
