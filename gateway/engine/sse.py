"""Server-sent events from an engine, cut into whole ones; only those that may tell of an error are parsed."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from gateway.engine.completion import parse_json
from gateway.engine.errors import EngineError, invalid_response

MAX_EVENT_BYTES = 16 * 2**20
"""20 alternatives for each of a thousand tokens in one event stream stay below."""

_PLAIN_EVENTS = re.compile(rb"(?:data: \{[^\n]*\}\n\n)+")
_LINE_END = re.compile(rb"\r\n?")
_DONE = b"[DONE]"
_LAST_EVENT = b"data: [DONE]\n\n"


async def split_events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """One or more whole `data:` events at a time, as soon as they are there, without the last `[DONE]`.

    Raises EngineError for an error event, whose text goes no further, and for what is no stream of JSON events.
    """
    rest = bytearray()
    async for chunk in chunks:
        before = len(rest)
        rest += chunk
        # Only what is new is looked at, with what may be the first half of a line end or of a blank line.
        if b"\r" in chunk or rest[before - 1 : before] == b"\r":
            rest[max(before - 1, 0) :] = _normalize_line_ends(bytes(rest[max(before - 1, 0) :]))
        end = rest.rfind(b"\n\n", max(before - 2, 0)) + 2
        if end >= 2:
            events = bytes(rest[:end])
            del rest[:end]
            is_last = events.endswith(_LAST_EVENT)
            plain = events.removesuffix(_LAST_EVENT)
            if not plain or _is_fast_path(plain):
                events = plain
            else:
                events, is_last = _clean_events(events)
            if events:
                yield events
            if is_last:
                return
        elif len(rest) > MAX_EVENT_BYTES:
            raise invalid_response()


def _is_fast_path(events: bytes) -> bool:
    """Whether these are plain JSON events, none of which may tell of an error: they need no parsing."""
    return b'"error"' not in events and _PLAIN_EVENTS.fullmatch(events) is not None


def _normalize_line_ends(text: bytes) -> bytes:
    """A carriage return at the very end may be half of a line end: it waits for the rest."""
    tail = b"\r" if text.endswith(b"\r") else b""
    return _LINE_END.sub(b"\n", text.removesuffix(b"\r")) + tail


def _clean_events(events: bytes) -> tuple[bytes, bool]:
    """The data events in `events` up to `[DONE]`, and whether that was reached."""
    cleaned: list[bytes] = []
    for event in events.split(b"\n\n"):
        for data in _data_lines(event):
            if data == _DONE:
                return b"".join(cleaned), True
            _check(data)
            cleaned.append(b"data: " + data + b"\n\n")
    return b"".join(cleaned), False


def _data_lines(event: bytes) -> Iterator[bytes]:
    """What stands after `data:`; comments and names of events are dropped. JSON needs no more than one line."""
    lines = event.split(b"\n")
    if b"event: error" in lines:
        raise _stream_failure()
    return (line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:"))


def _check(data: bytes) -> None:
    try:
        content = parse_json(data)
    except ValueError as error:
        raise invalid_response() from error
    if not isinstance(content, dict) or content.get("error"):
        raise _stream_failure()


def _stream_failure() -> EngineError:
    return EngineError("server_error", "The recognition engine failed while it answered.")
