from __future__ import annotations

import gc
import io
import os
import socket
import struct
import tempfile

import pytest

from gateway.workers.messages import ProtocolError, read_bytes, receive, receive_request, send, send_request


def test_header_and_bytes() -> None:
    stream = io.BytesIO()
    send(stream, {"size": 5, "имя": "ü"}, (b"ab", memoryview(b"cde")))
    send(stream, {"next": True})
    stream.seek(0)
    assert receive(stream) == {"size": 5, "имя": "ü"}
    assert read_bytes(stream, 5) == b"abcde"
    assert receive(stream) == {"next": True}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        struct.pack("!I", 10) + b"{}",
        struct.pack("!I", 2**31) + b"{}",
        struct.pack("!I", 2) + b"[]",
        struct.pack("!I", 2) + b"{x",
    ],
)
def test_invalid_message(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        receive(io.BytesIO(data))


def test_request_brings_a_file() -> None:
    here, there = socket.socketpair()
    with here, there, tempfile.TemporaryFile() as file:
        file.write(b"the file")
        file.flush()
        for request in ({"op": "open"}, {"op": "page", "имя": "ü" * 10_000}):
            send_request(here, request, file.fileno())
            header, descriptor = receive_request(there)
            assert header == request
            assert os.pread(descriptor, 99, 0) == b"the file"
            os.close(descriptor)


@pytest.mark.parametrize("data", [b"", b"\0\0", struct.pack("!I", 10) + b"{}", struct.pack("!I", 2**31)])
@pytest.mark.parametrize("has_file", [True, False])
def test_truncated_request(data: bytes, has_file: bool) -> None:
    here, there = socket.socketpair()
    gc.collect()  # what other tests left behind is closed now, not while descriptors are counted
    before = len(os.listdir("/proc/self/fd"))
    with there:
        with here, tempfile.TemporaryFile() as file:
            if data:
                socket.send_fds(here, [data], [file.fileno()] if has_file else [])
        with pytest.raises(ProtocolError):
            receive_request(there)
    assert len(os.listdir("/proc/self/fd")) == before - 2


def test_request_without_a_file() -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(struct.pack("!I", 2) + b"{}")
        with pytest.raises(ProtocolError):
            receive_request(there)
