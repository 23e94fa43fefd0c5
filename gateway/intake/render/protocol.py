"""Messages between the gateway and a render worker: a JSON header of declared length.

A request may bring a file, by its descriptor; an answer may bring raw bytes, which its header announces.

JSON and not pickle: a worker that a hostile file has taken over must not be able to run code in the gateway.
"""

from __future__ import annotations

import json
import os
import socket
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
    length = _length(read_bytes(stream, _LENGTH.size))
    return _header(read_bytes(stream, length))


def ask(channel: socket.socket, header: Header, descriptor: int | None = None) -> None:
    """Sends a request. Raises OSError."""
    encoded = json.dumps(header).encode()
    length = _LENGTH.pack(len(encoded))
    if descriptor is None:
        channel.sendall(length)
    else:
        socket.send_fds(channel, [length], [descriptor])
    channel.sendall(encoded)


def asked(channel: socket.socket) -> tuple[Header, int | None]:
    """The next request and its file's descriptor. Raises BrokenFrame, at the end of the channel too."""
    length, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, 1, socket.MSG_WAITALL)
    descriptor = descriptors[0] if descriptors else None
    try:
        return _header(_received(channel, _length(length))), descriptor
    except BrokenFrame:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _received(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            raise BrokenFrame("the channel ended")
        data += piece
    return bytes(data)


def _length(data: bytes) -> int:
    if len(data) != _LENGTH.size:
        raise BrokenFrame("the channel ended")
    (length,) = _LENGTH.unpack(data)
    if length > _MAX_HEADER:
        raise BrokenFrame(f"a header of {length} bytes")
    return int(length)


def _header(data: bytes) -> Header:
    try:
        header = json.loads(data)
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
