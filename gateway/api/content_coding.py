"""Bodies that a client has packed for the way (`Content-Encoding`), unpacked before anybody looks at them."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import error_response
from gateway.errors import ServiceError
from gateway.unpacking import CODINGS, MAX_CODINGS, MAX_RATIO, UnknownCodingError, Unpacker, UnpackError, parse_codings

_OWN_FIELDS = frozenset({b"content-encoding", b"content-length"})
"""Fields that are true of the packed body only."""


class ContentCodingMiddleware:
    """Unpacks gzip and deflate up to `limit` bytes; refuses other codings (415)."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        codings = parse_codings(headers.getlist("content-encoding"))
        if not codings or not _has_body(headers):
            await self.app(scope, receive, send)
            return
        try:
            unpacker = Unpacker(codings)
        except UnknownCodingError as error:
            await error_response(scope, _unknown_coding(error))(scope, receive, send)
            return
        scope["headers"] = [field for field in scope["headers"] if field[0] not in _OWN_FIELDS]
        await self.app(scope, _UnpackedBody(receive, unpacker, self.limit).receive, send)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "").strip("0") != ""


class _UnpackedBody:
    """A request's body in pieces that are small however well it is packed."""

    def __init__(self, receive: Receive, unpacker: Unpacker, limit: int) -> None:
        self._receive = receive
        self._unpacker = unpacker
        self._limit = limit
        self._more_body = True
        self._is_done = False

    async def receive(self) -> Message:
        if self._is_done:
            return await self._receive()
        if self._unpacker.has_more:
            await asyncio.sleep(0)  # others have their turn, for nothing was waited for
        elif self._more_body:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._unpacker.feed(message.get("body", b""))
            self._more_body = message.get("more_body", False)
        return {"type": "http.request", "body": self._unpack(), "more_body": not self._is_done}

    def _unpack(self) -> bytes:
        try:
            piece = self._unpacker.step() if self._unpacker.has_more else b""
            self._is_done = not (self._more_body or self._unpacker.has_more)
            if self._is_done:
                self._unpacker.finish()
        except UnpackError as error:
            detail = f"The body can't be unpacked: {str(error)[:100]}."
            raise ServiceError(400, "invalid_content_encoding", detail) from None
        if self._unpacker.unpacked_bytes > self._limit:
            raise _too_large(f"is larger than {self._limit / 1e6:g} MB when unpacked (MAX_UPLOAD_MB)")
        if self._unpacker.is_bomb:
            raise _too_large(f"is more than {MAX_RATIO} times as large when unpacked; send it unpacked")
        return piece


def _too_large(reason: str) -> ServiceError:
    return ServiceError(413, "body_too_large", f"The request body {reason}.")


def _unknown_coding(error: UnknownCodingError) -> ServiceError:
    return ServiceError(
        415,
        "unsupported_content_encoding",
        f"A body may be packed by {', '.join(CODINGS)} (Content-Encoding), up to {MAX_CODINGS} times, not by {error}.",
    )
