from __future__ import annotations

import io
import struct

import pytest

from gateway.intake.frames import BrokenFrame, read_bytes, receive, send


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
