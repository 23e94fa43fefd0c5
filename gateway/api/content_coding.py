"""Bodies that a client has packed for the way (`Content-Encoding`), unpacked before anybody looks at them."""

from __future__ import annotations

import asyncio
import zlib

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.api.problems import error_response
from gateway.errors import ServiceError

CODINGS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Codings (RFC 9110) to zlib's `wbits`."""
_PIECE_BYTES = 2**16
_OWN_FIELDS = frozenset({b"content-encoding", b"content-length"})
"""Fields that are true of the packed body only."""


class ContentCodingMiddleware:
    """Unpacks gzip and deflate up to `limit` bytes; refuses other codings (415)."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        coding = Headers(scope=scope).get("content-encoding", "") if scope["type"] == "http" else ""
        coding = coding.strip().lower()
        if coding in ("", "identity"):
            await self.app(scope, receive, send)
        elif coding not in CODINGS:
            await error_response(scope, _unknown_coding(coding))(scope, receive, send)
        else:
            scope["headers"] = [field for field in scope["headers"] if field[0] not in _OWN_FIELDS]
            await self.app(scope, _UnpackedBody(receive, CODINGS[coding], self.limit).receive, send)


class _UnpackedBody:
    """A request's body in pieces that are small however well it is packed."""

    def __init__(self, receive: Receive, window_bits: int, limit: int) -> None:
        self._receive = receive
        self._unpacker = zlib.decompressobj(window_bits)
        self._limit = limit
        self._size = 0
        self._more_body = True
        self._is_done = False

    async def receive(self) -> Message:
        if self._is_done:
            return await self._receive()
        packed = self._unpacker.unconsumed_tail
        if packed:
            await asyncio.sleep(0)  # others have their turn, for nothing was waited for
        elif self._more_body:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            packed, self._more_body = message.get("body", b""), message.get("more_body", False)
        return {"type": "http.request", "body": self._unpack(packed), "more_body": not self._is_done}

    def _unpack(self, packed: bytes) -> bytes:
        try:
            piece = self._unpacker.decompress(packed, _PIECE_BYTES)
        except zlib.error as error:
            raise _broken_body(str(error)) from None
        self._size += len(piece)
        if self._size > self._limit:
            detail = f"The request body is larger than {self._limit / 1e6:g} MB when unpacked (MAX_UPLOAD_MB)."
            raise ServiceError(413, "body_too_large", detail)
        self._is_done = not (self._more_body or self._unpacker.unconsumed_tail)
        if self._is_done and not self._unpacker.eof:
            raise _broken_body("its end is missing")
        return piece


def _broken_body(reason: str) -> ServiceError:
    return ServiceError(400, "invalid_content_encoding", f"The body can't be unpacked: {reason[:100]}.")


def _unknown_coding(coding: str) -> ServiceError:
    return ServiceError(
        415,
        "unsupported_content_encoding",
        f"A body may be packed by {', '.join(CODINGS)} (Content-Encoding), not by {coding[:40]!r}.",
    )
