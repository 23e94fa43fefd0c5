from __future__ import annotations

import io
import os
import socket
import struct
import tempfile

import pytest

from gateway.intake.render.protocol import BrokenFrame, ask, asked, read_bytes, receive, send


def test_header_and_bytes_arrive() -> None:
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
def test_what_is_no_message(data: bytes) -> None:
    with pytest.raises(BrokenFrame):
        receive(io.BytesIO(data))


def test_a_request_brings_a_file() -> None:
    here, there = socket.socketpair()
    with here, there, tempfile.TemporaryFile() as file:
        file.write(b"the file")
        file.flush()
        ask(here, {"op": "load"}, file.fileno())
        ask(here, {"op": "page", "имя": "ü" * 10_000})
        header, descriptor = asked(there)
        assert header == {"op": "load"}
        assert descriptor is not None
        assert os.pread(descriptor, 99, 0) == b"the file"
        os.close(descriptor)
        assert asked(there) == ({"op": "page", "имя": "ü" * 10_000}, None)


@pytest.mark.parametrize("data", [b"", b"\0\0", struct.pack("!I", 10) + b"{}", struct.pack("!I", 2**31)])
def test_a_request_that_is_cut_off(data: bytes) -> None:
    here, there = socket.socketpair()
    with there:
        with here:
            here.sendall(data)
        with pytest.raises(BrokenFrame):
            asked(there)
