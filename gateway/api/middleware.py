"""What every request passes through: its id, its log line and count, HEAD for GET, and the limit on its body."""

from __future__ import annotations

import asyncio
import re
import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import error_event, error_response, internal_error, shutting_down
from gateway.errors import ServiceError
from gateway.metrics import Metrics

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger(__name__)


class RequestMiddleware:
    """Gives each request an id, in its scope, its log lines and its response; logs and counts it when it is done."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = scope["request_id"] = _request_id(scope)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, answer.send)
            except ClientDisconnect:
                answer.status = 499
            except asyncio.CancelledError:
                # Only uvicorn cancels requests: those that outlast the grace of a shutdown.
                log.warning("request cut off by the shutdown")
                await answer.fail(scope, receive, shutting_down())
            except Exception:
                log.exception("unexpected error")
                await answer.fail(scope, receive, internal_error())
            finally:
                self._record(scope, answer.status, time.perf_counter() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self.metrics.requests.labels(route, status).inc()
        write = log.debug if route in QUIET_ROUTES else log.info
        write("request", method=scope["method"], path=scope["path"][:200], status=status, ms=int(seconds * 1000))


STALLED_AFTER_S = 60.0
"""How long a client may take no byte of a response."""


class _Answer:
    """One response on its way out: adds the request id, remembers the status."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self._started = False
        self._is_stream = False
        self.status = 499

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            self._is_stream = headers.get("content-type", "").startswith("text/event-stream")
            headers["X-Request-ID"] = self._request_id
            headers.setdefault("X-Content-Type-Options", "nosniff")
        await self._send_in_time(message)

    async def _send_in_time(self, message: Message) -> None:
        """Who has stopped reading has left: a stream holds a turn of the engine, or a document's place, an answer its
        memory."""
        try:
            async with asyncio.timeout(STALLED_AFTER_S):
                await self._send(message)
        except TimeoutError:
            raise ClientDisconnect from None

    async def fail(self, scope: Scope, receive: Receive, error: ServiceError) -> None:
        """Answers with the error if nothing was sent yet; a stream of events ends with it."""
        if not self._started:
            await error_response(scope, error)(scope, receive, self.send)
        elif self._is_stream:
            await self._send({"type": "http.response.body", "body": error_event(scope, error), "more_body": False})


QUIET_ROUTES = frozenset(
    {"/health", "/livez", "/readyz", "/startupz", "/ping", "/v1/health/live", "/v1/health/ready", "/metrics"}
)
"""Asked every few seconds by platforms; their log lines would bury the others."""


class HeadMiddleware:
    """Answers HEAD wherever GET is answered, as `wget --spider` and load balancers ask; uvicorn drops the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        await self.app(asked, receive, send)
        scope["route"] = asked.get("route")


BODY_STALLED_AFTER_S = 30.0
"""How long a body may pause; gaps of mobile networks are shorter."""


class BodyLimitMiddleware:
    """Refuses a body above `limit` bytes, by its announced length before reading, else as soon as it has grown.

    One that stops arriving is refused too: it would hold a document's place until its deadline.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _announced(scope) > self.limit:
            await error_response(scope, self._too_large())(scope, receive, send)
        else:
            await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        size, is_whole = 0, False

        async def counted() -> Message:
            nonlocal size, is_whole
            # Afterwards receiving is waiting for the client to leave.
            message = await (receive() if is_whole else _in_time(receive))
            is_whole = not message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > self.limit:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> ServiceError:
        return ServiceError(
            413, "body_too_large", f"The request body is larger than {self.limit / 1e6:g} MB (MAX_UPLOAD_MB)."
        )


async def _in_time(receive: Receive) -> Message:
    try:
        async with asyncio.timeout(BODY_STALLED_AFTER_S):
            return await receive()
    except TimeoutError:
        raise ServiceError(
            408, "body_timeout", f"The request body stopped arriving: nothing came for {BODY_STALLED_AFTER_S:g} s."
        ) from None


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _announced(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0
