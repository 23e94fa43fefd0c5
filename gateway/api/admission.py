"""Admission control before and after a body is read, and the end of work whose client has gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from gateway.api.auth import account_of, caller_of
from gateway.api.forms import content_type_of
from gateway.api.problems import shutting_down
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.parts import Parts
from gateway.scheduling.fair_semaphore import INTERACTIVE, PRIORITIES, Flow, Priority
from gateway.service import Service

T = TypeVar("T")
UPLOAD_RETRY_AFTER_S = 10


class Admission:
    """A request on its way to its place. What can't be served anyway is refused before the body is read; the place is
    taken when the body is there, so that uploads, which may take long, keep nobody out. These have places of their own.

    `deadline` is a time of the running loop; `flow` says whose turns the request takes. `chooses_model`: the body says
    which model is to read. Until that is known (`require_model`), one that is there is enough.
    """

    def __init__(
        self, request: Request, service: Service, scope: AsyncExitStack, flow: Flow, *, chooses_model: bool = False
    ) -> None:
        self.deadline = asyncio.get_running_loop().time() + service.settings.request_timeout_s
        self.flow = flow
        self._request = request
        self._service = service
        self._scope = scope
        self._queue = service.parts.queue
        self._is_model_open = chooses_model and bool(service.parts.others)

    async def read_body(self, body: Coroutine[Any, Any, T]) -> T:
        """The body, read in a place for uploads; raises ServiceError 408 `body_timeout`, 429 `too_many_uploads`."""
        uploads = self._service.uploads
        if not uploads.has_place(self.flow.caller):
            body.close()
            raise self._too_many_uploads()
        try:
            with uploads.hold(self.flow.caller):
                async with asyncio.timeout_at(self.deadline):
                    return await body
        except TimeoutError:
            raise ServiceError(408, "body_timeout", "The request body did not arrive before the deadline.") from None

    def require_document_place(self) -> None:
        """Raises ServiceError 429 `queue_full`."""
        self._queue.require_document_place(self.flow, counts_calls=not self._is_model_open)

    def require_chat_place(self) -> None:
        """Raises ServiceError 429 `queue_full`."""
        self._queue.require_chat_place(self.flow, counts_calls=not self._is_model_open)

    def take_document_place(self, *, needs_engine: bool = True) -> None:
        """Holds the place for as long as the request lasts. Raises ServiceError 429 `queue_full`, `key_limit_reached`,
        503."""
        place = self._queue.admit(self.flow, counts_calls=not self._is_model_open)
        self._take_place(place, needs_engine=needs_engine)

    def take_chat_place(self) -> None:
        """As `take_document_place`."""
        self._take_place(self._queue.admit_chat(self.flow, counts_calls=not self._is_model_open), needs_engine=True)

    def require_model(self, parts: Parts) -> None:
        """`parts`: what reads with the model that the body asks for. Raises ServiceError 429 `queue_full`, 503
        `vlm_unavailable` where that model could not read it now, whatever the others can."""
        if self._is_model_open:
            parts.engine.require_serving()
            parts.queue.require_capacity(self.flow)

    def _take_place(self, place: AbstractContextManager[None], *, needs_engine: bool) -> None:
        self.require_service(needs_engine=needs_engine)
        if self.flow.account:
            self._scope.enter_context(self.flow.account.hold_document())
        self._scope.enter_context(place)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """As `cancel_on_disconnect`, and frees the place: a client that takes its answer slowly keeps nobody out."""
        result = await cancel_on_disconnect(self._request.receive, work)
        await self._scope.aclose()
        return result

    def require_service(self, *, needs_engine: bool = True) -> None:
        """Raises ServiceError 503 `shutting_down`, `vlm_unavailable`."""
        if self._service.draining:
            raise shutting_down()
        if needs_engine:
            _require_any(self._service.engines if self._is_model_open else [self._service.parts.engine])

    def _too_many_uploads(self) -> ServiceError:
        count = self._service.uploads.count
        detail = f"{count} uploads are in progress, the most that this service takes of you now (MAX_UPLOADS)."
        return ServiceError(429, "too_many_uploads", detail, retry_after_s=UPLOAD_RETRY_AFTER_S)


def flow_of(request: Request, priority: Priority = INTERACTIVE) -> Flow:
    """Whose turns the request takes, and whose limits it counts in."""
    return Flow(priority, caller_of(request), account_of(request))


def parse_priority(request: Request) -> Priority:
    """What the query says of it, the only place that is known before the body is read."""
    return PRIORITIES.get(request.query_params.get("priority", ""), INTERACTIVE)


def begin_document(
    request: Request, service: Service, scope: AsyncExitStack, *, chooses_model: bool = False
) -> Admission:
    """Raises ServiceError 429 `queue_full`, 503 `shutting_down`, `vlm_unavailable`."""
    flow = flow_of(request, parse_priority(request))
    admission = Admission(request, service, scope, flow, chooses_model=chooses_model)
    admission.require_service()
    admission.require_document_place()
    return admission


def begin_restructuring(request: Request, service: Service, scope: AsyncExitStack) -> Admission:
    """As `begin_document`, for what needs no engine and so is served while there is none."""
    admission = Admission(request, service, scope, flow_of(request))
    admission.require_service(needs_engine=False)
    admission.require_document_place()
    return admission


def begin_submission(request: Request, service: Service, scope: AsyncExitStack) -> Admission:
    """For what is only taken now and read later: needs no engine and no document's place. ServiceError 503
    `shutting_down`."""
    admission = Admission(request, service, scope, flow_of(request))
    admission.require_service(needs_engine=False)
    return admission


def begin_chat(request: Request, service: Service, scope: AsyncExitStack) -> Admission:
    """As `begin_document`, for one picture and one answer."""
    admission = Admission(request, service, scope, flow_of(request), chooses_model=True)
    admission.require_service()
    admission.require_chat_place()
    return admission


def _require_any(engines: Sequence[EnginePool]) -> None:
    """Raises what the first says of itself where none serves."""
    failures = list[ServiceError]()
    for engine in engines:
        try:
            return engine.require_serving()
        except ServiceError as failure:
            failures.append(failure)
    raise failures[0]


def require_json(request: Request) -> None:
    """Refuses types that a web page can send to any address without being asked (415); none at all is no page's."""
    kind = content_type_of(request, "application/json")
    if kind != "application/json" and not kind.endswith("+json"):
        raise ServiceError(
            415, "unsupported_content_type", f"A body of type {kind[:80]!r} is not understood: send application/json."
        )


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
