"""Messages between the gateway and a render worker: a JSON header of declared length, then raw bytes that it announces.

JSON and not pickle: a worker that a hostile file has taken over must not be able to run code in the gateway.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import IO, Any

Header = dict[str, Any]

_LENGTH = struct.Struct("!I")
_MAX_HEADER = 16 * 2**20  # bytes; an answer that lists a million page numbers stays below


class BrokenFrame(Exception):
    """The other side is gone in the middle of a message, or sends what is no message."""


def send(stream: IO[bytes], header: Header, chunks: Iterable[bytes | memoryview] = ()) -> None:
    encoded = json.dumps(header).encode()
    stream.write(_LENGTH.pack(len(encoded)) + encoded)
    for chunk in chunks:
        stream.write(chunk)
    stream.flush()


def receive(stream: IO[bytes]) -> Header:
    """The next header. Raises BrokenFrame, at the end of the stream too."""
    (length,) = _LENGTH.unpack(read_bytes(stream, _LENGTH.size))
    if length > _MAX_HEADER:
        raise BrokenFrame(f"a header of {length} bytes")
    try:
        header = json.loads(read_bytes(stream, length))
    except ValueError as error:
        raise BrokenFrame("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise BrokenFrame("a header that is not an object")
    return header


def read_bytes(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise BrokenFrame("the stream ended")
    return data
