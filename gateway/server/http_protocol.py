"""uvicorn's HTTP/1.1 with bounds, before any request reaches the application.

A head has a size, a number of fields and a time in which it must come (414, 431, 408). A response that is not taken is
given up. A response that comes before the request's body has arrived closes its connection, so that nobody has to hear
the rest of what was refused: what still comes is thrown away for a short while, for a connection that is closed with
unread bytes in it is reset, and the client would lose the answer. How fast a body must come is the application's to
say (`gateway.api.middleware`), which can say it as its dialects do.

Nothing is upgraded to: a client that asks for HTTP/2 on its first request, as Java's does, is answered by HTTP/1.1.
"""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios
import uuid
from collections.abc import Iterable
from typing import Any, Final

import httptools
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from gateway.api.middleware import PROBES
from gateway.api.problems import MEDIA_TYPE, advice, problem
from gateway.errors import ServiceError
from gateway.metrics import Metrics
from gateway.server.connections import ConnectionTable, peer_name
from gateway.server.limits import ConnectionLimits, malformed_request, small_pieces

MAX_PIPELINED = 16
"""Requests that wait on a connection for the answers before them; each costs memory before it is looked at."""
PROGRESS_BYTES = 16_384
"""A body gets on when so many bytes more of it are there."""
MANY_PIECES, MIN_PIECE_BYTES = 1000, 64
"""Of so many pieces of a body each has so many bytes on the average: every chunk of one byte takes as long as one
of some kB, and 256 kB of such chunks, which come at once, held up all others for a tenth of a second."""
LINGER_S, LINGER_PAUSE_S = 20.0, 3.0
"""How long the rest of a refused request is thrown away: in all, and after the last byte."""
DRAIN_LOOK_S = 1.0
_INT: Final = struct.Struct("i")
_CYCLE: Final = "gateway.cycle"
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})


class Refused(Exception):
    """Ends the parser's work; `error` is what the client is told."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.code)
        self.error = error


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `table` and `limits` are those of the server."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
        table: ConnectionTable,
        metrics: Metrics,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.limits = limits
        self.table = table
        self.metrics = metrics
        self.app = _CloseUnread(self.app)
        self.url = b""
        self.peer = ""
        self._is_in_head = True
        self._is_head_known = False
        """Whether the parser reads a head once more, for the framing of its body alone."""
        self._is_deaf = False
        self._head_bytes = 0
        """Read since the last piece of a body, or the end of a head: what the parser may hold of a head."""
        self._fields_bytes = 0
        self._progress = 0
        self._pieces = self._pieces_bytes = 0
        """Of the body, since the last `MANY_PIECES`."""
        self._head_timer: asyncio.TimerHandle | None = None
        self._drain: _Drain | None = None
        self._linger: _Linger | None = None

    @property
    def transfers(self) -> bool:
        return not self._is_in_head or self._drain is not None

    @property
    def has_unread(self) -> bool:
        connection = self.transport.get_extra_info("socket")
        if connection is None or connection.fileno() < 0:
            return False
        size = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(_INT.size))
        return bool(_INT.unpack(size)[0])

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.peer = peer_name(self.client[0]) if self.client else ""
        if self.table.add(self):
            self._await_head()
        else:
            self._is_deaf = True
            self._write_refusal(self.limits.too_many_connections())
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.table.remove(self)
        self._stop_head_timer()
        for watch in (self._drain, self._linger):
            if watch:
                watch.stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            if self._linger:
                self._linger.last = self.loop.time()
            return
        self._unset_keepalive_if_required()
        self._head_bytes += len(data)
        try:
            self._parse(data)
            self._check_head()
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause.error if isinstance(cause, Refused) else malformed_request())
        except Refused as refused:
            self._refuse(refused.error)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The parser takes what follows for another protocol; one that hears of no upgrade reads the body.
            self.parser = httptools.HttpRequestParser(self)
            self._is_head_known = True
            self._parse(_framing_head(self.scope["headers"]) + data[upgrade.args[0] :])

    def _check_head(self) -> None:
        if self._head_bytes > self.limits.max_header_bytes:
            raise Refused(self.limits.headers_too_large())
        if self._is_in_head and self._head_bytes and not self._head_timer:
            self._await_head()

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._is_head_known:
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise Refused(self.limits.too_many_peer_connections())
        super().on_message_begin()
        self._fields_bytes = 0

    def on_url(self, url: bytes) -> None:
        if self._is_head_known:
            return
        super().on_url(url)
        if len(self.url) > self.limits.max_url_bytes:
            raise Refused(self.limits.url_too_long())

    def on_header(self, name: bytes, value: bytes) -> None:
        """Fields behind a body (trailers) are counted and dropped: none of them means anything here."""
        self._fields_bytes += len(name) + len(value) + 4
        if self._fields_bytes > self.limits.max_header_bytes:
            raise Refused(self.limits.headers_too_large())
        if len(self.headers) >= self.limits.max_headers:
            raise Refused(self.limits.too_many_headers())
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_head_known:
            self._is_head_known = False
            return
        self._head_bytes = self._progress = self._pieces = self._pieces_bytes = 0
        self._stop_head_timer()
        if (refusal := self.table.refusal(self)) and not self._is_probe():
            raise Refused(refusal)
        self._is_in_head = False
        super().on_headers_complete()
        self.scope[_CYCLE] = self.cycle  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._head_bytes = 0
        self._count_piece(len(body))
        self._progress += len(body)
        if self._progress >= PROGRESS_BYTES:
            self._progress = 0
            self.table.wait(self)

    def _count_piece(self, size: int) -> None:
        self._pieces += 1
        self._pieces_bytes += size
        if self._pieces == MANY_PIECES:
            if self._pieces_bytes < MANY_PIECES * MIN_PIECE_BYTES:
                raise Refused(small_pieces(MIN_PIECE_BYTES))
            self._pieces = self._pieces_bytes = 0

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._is_in_head, self._head_bytes, self._fields_bytes = True, 0, 0
        self.table.work(self)

    # What the response calls.

    def on_response_complete(self) -> None:
        has_next = bool(self.pipeline)
        super().on_response_complete()
        self._watch_drain()
        if has_next or self.transport.is_closing():
            return
        self.table.wait(self)
        if self.cycle.more_body:
            self._close_gently()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_drain()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._drain:
            self._drain.renew()

    # How a connection ends.

    def give_way(self) -> None:
        self.transport.abort()

    def _refuse(self, error: ServiceError) -> None:
        """Answers and closes; where an earlier request's answer is on its way, closes behind that."""
        self._stop_head_timer()
        cycle, self._is_deaf = self.cycle, True
        if self.transport.is_closing():
            return
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering and (self._is_in_head or self.pipeline or cycle.response_started):
            cycle.keep_alive = False
            return
        self._write_refusal(error)
        self._close_gently()
        if is_answering:
            cycle.disconnected = True
            cycle.message_event.set()

    def _write_refusal(self, error: ServiceError) -> None:
        self.metrics.requests.labels("refused", error.status).inc()
        request_id = uuid.uuid4().hex
        body = problem(error, request_id).model_dump_json().encode()
        headers = {
            "content-type": MEDIA_TYPE, "content-length": str(len(body)), "connection": "close",
            "x-request-id": request_id, "x-content-type-options": "nosniff", **advice(error),
        }  # fmt: skip
        fields = [f"{name}: {value}\r\n".encode() for name, value in headers.items()]
        common = [name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers]
        self.transport.write(b"".join((STATUS_LINE[error.status], *common, *fields, b"\r\n", body)))

    def _close_gently(self) -> None:
        """Says that nothing more comes, and closes when the other side has nothing more to say, or talks on."""
        self._is_deaf = True
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.table.wait(self)
        self._linger = self._linger or _Linger(self.loop, self.transport)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.limits.header_timeout_s, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        if self._head_timer:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        if self.cycle and not self.cycle.response_complete:
            self._await_head()
        elif self._head_bytes and self.url:
            self._refuse(self.limits.headers_late())
        else:
            # Nothing was asked yet that could be answered.
            self.transport.close()

    def _watch_drain(self) -> None:
        if self.transport.get_write_buffer_size() and not self._drain:
            self.table.wait(self)
            self._drain = _Drain(self)

    def end_drain(self) -> None:
        self._drain = None
        cycle = self.cycle
        if cycle and not cycle.response_complete and not cycle.more_body:
            self.table.work(self)

    def _is_probe(self) -> bool:
        """Also below a proxy's prefix; what only looks like one is not found, which costs nothing."""
        path, _, _ = self.url.partition(b"?")
        return path.decode("ascii", "replace").endswith(tuple(PROBES))


def _framing_head(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A head with the fields that tell where a request's body ends."""
    fields = (b"%b: %b\r\n" % field for field in headers if field[0] in _FRAMING)
    return b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(fields)


class _Drain:
    """Watches a response being taken; gives it up when that goes too slowly, or when nothing is taken any more."""

    def __init__(self, protocol: GuardedProtocol) -> None:
        self._protocol = protocol
        self._left_s = protocol.limits.max_download_pause_s
        self._size = protocol.transport.get_write_buffer_size()
        self._timer = self._schedule()

    def stop(self) -> None:
        self._timer.cancel()

    def renew(self) -> None:
        """Much was taken at once."""
        self._left_s = self._protocol.limits.max_download_pause_s

    def _schedule(self) -> asyncio.TimerHandle:
        return self._protocol.loop.call_later(self._look_s, self._look)

    @property
    def _look_s(self) -> float:
        return min(DRAIN_LOOK_S, self._protocol.limits.max_download_pause_s / 4)

    def _look(self) -> None:
        transport, limits = self._protocol.transport, self._protocol.limits
        size = transport.get_write_buffer_size()
        taken, self._size = max(self._size - size, 0), size
        earned_s = taken / limits.min_transfer_bytes_s
        self._left_s = min(self._left_s - self._look_s + earned_s, limits.max_download_pause_s)
        if not size:
            self._protocol.end_drain()
        elif self._left_s <= 0:
            transport.abort()
        else:
            if earned_s:
                self._protocol.table.wait(self._protocol)
            self._timer = self._schedule()


class _Linger:
    """Closes a connection on which all is said, as soon as the other side falls silent, or has talked for too long."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._end = loop.time() + LINGER_S
        self.last = loop.time()
        self._timer = self._schedule()

    def stop(self) -> None:
        self._timer.cancel()

    def _schedule(self) -> asyncio.TimerHandle:
        return self._loop.call_at(min(self._end, self.last + LINGER_PAUSE_S), self._look)

    def _look(self) -> None:
        now = self._loop.time()
        if now >= self._end or now >= self.last + LINGER_PAUSE_S:
            self._transport.abort()
        else:
            self._timer = self._schedule()


class _CloseUnread:
    """Says `Connection: close` in a response that starts before the request's body is there."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        cycle: RequestResponseCycle = scope.pop(_CYCLE)

        async def send_closing(message: Message) -> None:
            if message["type"] != "http.response.start" or not cycle.more_body:
                await send(message)
                return
            await send({**message, "headers": [*message["headers"], (b"connection", b"close")]})
            # uvicorn would close at once, and so reset a connection on which the body still arrives.
            cycle.keep_alive = True

        await self.app(scope, receive, send_closing)
