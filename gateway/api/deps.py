"""What routes are given: the service, and the stack of what a request holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Annotated, TypeAlias

from fastapi import Depends, Request

from gateway.jobs.service import JobService
from gateway.service import Service


async def _service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _resources() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def _jobs_of(request: Request) -> JobService:
    jobs: JobService = request.app.state.jobs
    return jobs


ServiceDep: TypeAlias = Annotated[Service, Depends(_service_of)]
JobsDep: TypeAlias = Annotated[JobService, Depends(_jobs_of)]
RequestScope: TypeAlias = Annotated[AsyncExitStack, Depends(_resources)]
"""What a request holds until its response is sent, a stream's last event included. A whole answer lets go of it before:
who takes it slowly must not keep others out."""
