"""Server-sent events from an engine, cut into whole ones; only those that may tell of an error are parsed."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterable, Iterator

from gateway.recognition.answer import parsed
from gateway.recognition.failures import EngineFailure, garbled

LONGEST_EVENT = 16 * 2**20
"""Bytes; 20 alternatives for each of a thousand tokens in one event stay below."""

_USUAL = re.compile(rb"(?:data: \{[^\n]*\}\n\n)+")
_LINE_END = re.compile(rb"\r\n?")
_DONE = b"[DONE]"


async def whole_events(chunks: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """One or more whole `data:` events at a time, as soon as they are there, without the last `[DONE]`.

    Raises EngineFailure for an error event, whose text goes no further, and for what is no stream of JSON events.
    """
    rest = b""
    async for chunk in chunks:
        rest += chunk
        if b"\r" in rest:
            rest = _unix(rest)
        end = rest.rfind(b"\n\n") + 2
        if end >= 2:
            events, rest = rest[:end], rest[end:]
            if _is_usual(events):
                yield events
                continue
            cleaned, is_last = _cleaned(events)
            if cleaned:
                yield cleaned
            if is_last:
                return
        elif len(rest) > LONGEST_EVENT:
            raise garbled()


def _is_usual(events: bytes) -> bool:
    return b'"error"' not in events and _USUAL.fullmatch(events) is not None


def _unix(text: bytes) -> bytes:
    """A carriage return at the very end may be half of a line end: it waits for the rest."""
    tail = b"\r" if text.endswith(b"\r") else b""
    return _LINE_END.sub(b"\n", text.removesuffix(b"\r")) + tail


def _cleaned(events: bytes) -> tuple[bytes, bool]:
    """The data events in `events` up to `[DONE]`, and whether that was reached."""
    kept: list[bytes] = []
    for event in events.split(b"\n\n"):
        for data in _data(event):
            if data == _DONE:
                return b"".join(kept), True
            _check(data)
            kept.append(b"data: " + data + b"\n\n")
    return b"".join(kept), False


def _data(event: bytes) -> Iterator[bytes]:
    """What stands after `data:`; comments and names of events are dropped. JSON needs no more than one line."""
    lines = event.split(b"\n")
    if b"event: error" in lines:
        raise _failed()
    return (line.removeprefix(b"data:").strip() for line in lines if line.startswith(b"data:"))


def _check(data: bytes) -> None:
    try:
        content = parsed(data)
    except ValueError as error:
        raise garbled() from error
    if not isinstance(content, dict) or content.get("error"):
        raise _failed()


def _failed() -> EngineFailure:
    return EngineFailure("broken", "The recognition engine failed while it answered.")
