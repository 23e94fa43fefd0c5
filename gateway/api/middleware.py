"""What every request passes through: its id, log line and count, HEAD for GET, what a proxy says, its body's limit."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import Iterable

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from gateway.api.problems import error_event, error_response, internal_error, shutting_down
from gateway.errors import ServiceError
from gateway.metrics import Metrics
from gateway.scheduling.body_turns import BodyTurns
from gateway.scheduling.fair_threads import CALLER

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+){0,16}")

log = structlog.get_logger(__name__)
STALLED_AFTER_S = 60.0
"""How long a client may take no byte of a response."""
PROBES = frozenset({"/livez", "/readyz", "/ready", "/startupz", "/ping", "/v1/health/live", "/v1/health/ready"})
"""Answered whoever asks, under whatever name, and however many connections there are."""
_WITH_BODY = frozenset({"POST", "PUT"})
QUIET_ROUTES = PROBES | {"/health", "/metrics"}
"""Asked every few seconds by platforms; their log lines would bury the others."""


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
        CALLER.set(f"peer {(scope.get('client') or ('',))[0]}")
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


class SlashMiddleware:
    """Serves a path with a slash at its end as the one without, where a body comes with it: the redirect that other
    paths get has the body sent twice, and many clients don't follow it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in _WITH_BODY:
            prefix = scope.get("root_path", "").rstrip("/")
            # The root itself ends with a slash, below a prefix too.
            scope["path"] = max(scope["path"].rstrip("/"), f"{prefix}/", key=len)
        await self.app(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body above `limit` bytes, by its announced length before reading, else as soon as it has grown.

    One that comes too slowly is refused too: it would hold its place until its deadline. It may pause for `pause_s`
    seconds, and must come at `rate` bytes a second on the whole; the time that the application takes does not count.

    Pieces beyond a body's first are taken by turns.
    """

    def __init__(self, app: ASGIApp, limit: int, pause_s: float, rate: float) -> None:
        self.app = app
        self.limit = limit
        self.pause_s = pause_s
        self.rate = rate
        self._turns = BodyTurns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _content_length(scope) > self.limit:
            await error_response(scope, self._too_large())(scope, receive, send)
        else:
            await self.app(scope, self._count_bytes(receive), send)

    def _count_bytes(self, receive: Receive) -> Receive:
        size, is_whole, left_s = 0, False, self.pause_s

        async def receive_counted() -> Message:
            nonlocal size, is_whole, left_s
            if is_whole:
                # Receiving is waiting for the client to leave.
                return await receive()
            if size:
                await self._turns.wait()
            started = time.monotonic()
            message = await self._receive(receive, left_s)
            body: bytes = message.get("body", b"")
            left_s = min(left_s - (time.monotonic() - started) + len(body) / self.rate, self.pause_s)
            is_whole = not message.get("more_body", False)
            size += len(body)
            if size > self.limit:
                raise self._too_large()
            return message

        return receive_counted

    async def _receive(self, receive: Receive, left_s: float) -> Message:
        try:
            async with asyncio.timeout(left_s):
                return await receive()
        except TimeoutError:
            raise self._too_slow() from None

    def _too_large(self) -> ServiceError:
        return ServiceError(
            413, "body_too_large", f"The request body is larger than {self.limit / 1e6:g} MB (MAX_UPLOAD_MB)."
        )

    def _too_slow(self) -> ServiceError:
        return ServiceError(
            408,
            "body_timeout",
            f"The request body came too slowly: it may pause for {self.pause_s:g} s (MAX_UPLOAD_PAUSE_S), and must "
            f"come at {self.rate:g} bytes a second otherwise (MIN_TRANSFER_BYTES_S).",
        )


class ProxyMiddleware(ProxyHeadersMiddleware):
    """Takes `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` of trusted peers; puts `root_path` before all paths.

    The host serves for links only, as `forwarded_host` of the scope: who may be served is judged by `Host`.

    Whether the proxy takes the prefix off or leaves it, `path` has it afterwards, as ASGI wants it.
    """

    def __init__(self, app: ASGIApp, trusted_hosts: str, root_path: str) -> None:
        super().__init__(app, trusted_hosts)  # type: ignore[arg-type]
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        if scope["type"] == "http":
            is_trusted = (client := scope.get("client")) is not None and client[0] in self.trusted_hosts
            headers = Headers(scope=scope) if is_trusted else Headers()
            host = headers.get("x-forwarded-host", "").partition(",")[0].strip()
            if _HOST.fullmatch(host):
                scope["forwarded_host"] = host
            _merge_slashes(scope)
            prefix = _join_prefixes(headers.getlist("x-forwarded-prefix"))
            _put_below(scope, prefix if prefix and _PREFIX.fullmatch(prefix) else self._root_path)
        await super().__call__(scope, receive, send)  # type: ignore[arg-type]


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _content_length(scope: Scope) -> int:
    length = Headers(scope=scope).get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else 0


def _merge_slashes(scope: Scope) -> None:
    """Leaves one slash at the path's start: of a base URL that ends with one clients make two, and proxies too."""
    if scope["path"].startswith("//"):
        scope["path"] = "/" + scope["path"].lstrip("/")
        scope["raw_path"] = b"/" + scope.get("raw_path", b"").lstrip(b"/")


def _join_prefixes(fields: Iterable[str]) -> str:
    """One prefix from those of several proxies, the outer one's first; each may have a field, or they share one."""
    parts = (part.strip().rstrip("/") for field in fields for part in field.split(","))
    return "".join(parts)


def _put_below(scope: Scope, prefix: str) -> None:
    if not prefix:
        return
    if not scope["path"].startswith(f"{prefix}/"):
        scope["path"] = prefix + scope["path"]
        scope["raw_path"] = prefix.encode() + scope.get("raw_path", b"")
    scope["root_path"] = prefix
