"""Admission control before a body is read, and the end of work whose client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from gateway.api.problems import shutting_down
from gateway.errors import ServiceError
from gateway.scheduling.fair_semaphore import INTERACTIVE, URGENCIES, Urgency
from gateway.service import Service

T = TypeVar("T")


def requested_priority(request: Request) -> Urgency:
    """What the query says of it, the only place that is known before the body is read."""
    return URGENCIES.get(request.query_params.get("priority", ""), INTERACTIVE)


def admit_document(service: Service, scope: AsyncExitStack, urgency: Urgency = INTERACTIVE) -> float:
    """Refuses before the body is read what can't be served anyway; the deadline, a time of the running loop.

    Raises ServiceError 429 `queue_full`, 503 `shutting_down`, `vlm_unavailable`.
    """
    return _admit(service, service.parts.queue.admit(urgency), scope)


def admit_restructuring(service: Service, scope: AsyncExitStack) -> float:
    """As `admit_document`, for what needs no engine and so is served while there is none."""
    return _admit(service, service.parts.queue.admit(), scope, needs_engine=False)


def admit_chat(service: Service, scope: AsyncExitStack) -> float:
    """As `admit_document`, for one picture and one answer."""
    return _admit(service, service.parts.queue.admit_chat(), scope)


def _admit(
    service: Service, place: AbstractContextManager[None], scope: AsyncExitStack, *, needs_engine: bool = True
) -> float:
    deadline = asyncio.get_running_loop().time() + service.settings.request_timeout_s
    if service.draining:
        raise shutting_down()
    scope.enter_context(place)
    if needs_engine:
        service.parts.engine.require_serving()
    return deadline


async def read_body(body: Coroutine[Any, Any, T], deadline: float) -> T:
    """The body, read; raises ServiceError 408 `body_timeout`."""
    try:
        async with asyncio.timeout_at(deadline):
            return await body
    except TimeoutError:
        raise ServiceError(408, "body_timeout", "The request body did not arrive before the deadline.") from None


async def cancel_on_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; cancels it and raises ClientDisconnect when the client goes away first.

    The request's body must have been read: from then on `receive` tells of nothing but the disconnect.
    """
    task = asyncio.create_task(work)
    watch = asyncio.create_task(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        watch.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
