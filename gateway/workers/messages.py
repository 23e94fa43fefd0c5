"""Messages between the gateway and a worker: a JSON header of declared length.

A request brings its files as descriptors; an answer may bring raw bytes, which its header announces.

JSON and not pickle: a worker that a hostile file has taken over must not be able to run code in the gateway.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterable
from typing import IO, Any

from gateway.errors import ServiceError

Header = dict[str, Any]

_LENGTH = struct.Struct("!I")
_MAX_HEADER = 16 * 2**20  # bytes; an answer that lists a million page numbers stays below


class ProtocolError(Exception):
    """The other side is gone in the middle of a message, or sends what is no message."""


def send(stream: IO[bytes], header: Header, chunks: Iterable[bytes | memoryview] = ()) -> None:
    encoded = json.dumps(header).encode()
    stream.write(_LENGTH.pack(len(encoded)) + encoded)
    for chunk in chunks:
        stream.write(chunk)
    stream.flush()


def receive(stream: IO[bytes]) -> Header:
    """The next header. Raises ProtocolError, at the end of the stream too."""
    length = _parse_length(read_bytes(stream, _LENGTH.size))
    return _parse_header(read_bytes(stream, length))


def send_request(channel: socket.socket, header: Header, *descriptors: int) -> None:
    """Sends a request and the descriptors of its files. Raises OSError."""
    encoded = json.dumps(header).encode()
    socket.send_fds(channel, [_LENGTH.pack(len(encoded))], descriptors)
    channel.sendall(encoded)


def receive_request(channel: socket.socket) -> tuple[Header, int]:
    """The next request and its document's descriptor. Raises ProtocolError, at the end of the channel too."""
    header, (descriptor,) = receive_files(channel, 1)
    return header, descriptor


def receive_files(channel: socket.socket, count: int) -> tuple[Header, list[int]]:
    """The next request and the descriptors of its `count` files. Raises as `receive_request`."""
    length, descriptors, _, _ = socket.recv_fds(channel, _LENGTH.size, count, socket.MSG_WAITALL)
    try:
        if len(descriptors) != count:
            raise ProtocolError(f"a request with {len(descriptors)} files")
        return _parse_header(_read_channel(channel, _parse_length(length))), descriptors
    except ProtocolError:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def _read_channel(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = channel.recv(size - len(data))
        if not piece:
            raise ProtocolError("the channel ended")
        data += piece
    return bytes(data)


def _parse_length(data: bytes) -> int:
    if len(data) != _LENGTH.size:
        raise ProtocolError("the channel ended")
    (length,) = _LENGTH.unpack(data)
    if length > _MAX_HEADER:
        raise ProtocolError(f"a header of {length} bytes")
    return int(length)


def _parse_header(data: bytes) -> Header:
    try:
        header = json.loads(data)
    except ValueError as error:
        raise ProtocolError("a header that is not JSON") from error
    if not isinstance(header, dict):
        raise ProtocolError("a header that is not an object")
    return header


def pack_error(error: ServiceError) -> Header:
    """For `unpack_error` on the other side."""
    return {"status": error.status, "code": error.code, "detail": error.detail, "param": error.param}


def unpack_error(header: Header) -> ServiceError:
    return ServiceError(header["status"], header["code"], header["detail"], param=header["param"])


def read_bytes(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise ProtocolError("the stream ended")
    return data
