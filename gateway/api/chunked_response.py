"""An answer whose body is never in one piece: what is read of a page becomes its bytes when the page is finished.

A thousand pages are tens of megabytes. Held as objects, joined, and handed to the socket at once, they would be in
memory four times. They grow in one `bytearray`, not as a thousand pieces: between those, other memory that is freed
could not be given back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.intake.spool import SpooledFile

SENT_AT_ONCE = 65_536
"""Bytes of one write to the socket."""
Bytes: TypeAlias = bytes | bytearray


class ChunkedResponse(Response):
    """Pieces of bytes, sent one after the other as one body of known length."""

    def __init__(self, pieces: Sequence[Bytes], headers: Mapping[str, str]) -> None:
        self.pieces = pieces
        self.size = sum(map(len, pieces))
        kept = {name.lower(): value for name, value in headers.items()}
        super().__init__(headers={**kept, "content-length": str(self.size)})

    def add_header(self, name: str, value: str) -> ChunkedResponse:
        """A copy with one header more, which shares the pieces."""
        return ChunkedResponse(self.pieces, {**self.headers, name: value})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in _chunks(self.pieces):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})


class SpooledResponse(Response):
    """A file as one body of known length, which is gone when it is sent."""

    def __init__(self, content: SpooledFile, headers: Mapping[str, str]) -> None:
        self.content = content
        super().__init__(headers={**headers, "content-length": str(content.size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            with self.content.open_fd() as descriptor:
                for at in range(0, self.content.size, SENT_AT_ONCE):
                    piece = await asyncio.to_thread(os.pread, descriptor, SENT_AT_ONCE, at)
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body"})
        finally:
            self.content.close()


def append(body: bytearray, piece: bytes, separator: bytes) -> None:
    if body:
        body += separator
    body += piece


def splice_json(frame: bytes, inserts: Iterable[tuple[str, Bytes]]) -> Iterator[Bytes]:
    """JSON `frame` with something put into those of its parts that are empty: `"name":[]`, `{}` or `""`.

    `inserts` names the parts in the order in which they stand, each the first of its name after the one before. Only a
    name can be followed by a colon in JSON without spaces, and a quotation mark inside a string is escaped, so that no
    text can be taken for a part. ValueError where there is no such empty part.
    """
    for name, piece in inserts:
        start, found, rest = frame.partition(f'"{name}":'.encode())
        if rest[:2] not in (b"[]", b"{}", b'""'):
            raise ValueError(f"the frame has no empty {name!r}")
        yield start + found + rest[:1]
        yield piece
        frame = rest[1:]
    yield frame


def _chunks(pieces: Iterable[Bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of a size worth sending."""
    waiting = bytearray()
    for piece in pieces:
        for at in range(0, len(piece), SENT_AT_ONCE):
            waiting += memoryview(piece)[at : at + SENT_AT_ONCE]
            if len(waiting) >= SENT_AT_ONCE:
                yield bytes(waiting)
                waiting.clear()
    yield bytes(waiting)
