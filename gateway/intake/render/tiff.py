"""Where the frames of a TIFF file are. Pillow walks to a frame through all before it and doesn't bound their number."""

from __future__ import annotations

import io
import struct
from typing import IO

from gateway.errors import ServiceError

Readable = IO[bytes] | io.RawIOBase

MAX_FRAMES = 10_000
HEAD_BYTES = 16
FIRST_FRAME_FIELD = {False: (4, "I"), True: (8, "Q")}
"""Byte position and struct code of the header's pointer to the first frame, by whether the file is a BigTIFF."""

_LAST_POSITION = 2**62  # what a BigTIFF may name beyond is no position for the system
_ENTRY_SIZES = {False: ("H", 12), True: ("Q", 20)}  # of a directory: its count's struct code, bytes of an entry


def byte_order(head: bytes) -> str:
    return "<" if head[:2] == b"II" else ">"


def is_big(head: bytes) -> bool:
    return 43 in head[2:4]


def pointed_at(head: bytes, offset: int) -> bytes:
    """A file's first HEAD_BYTES, with the frame at `offset` as its first."""
    position, code = FIRST_FRAME_FIELD[is_big(head)]
    field = struct.pack(byte_order(head) + code, offset)
    return head[:position] + field + head[position + len(field) :]


def frame_offsets(file: Readable) -> list[int]:
    """Byte offset of each frame's directory, in order; the last may lie outside a file that was cut off.

    Ends at a directory that was seen before. Raises ServiceError 413 `too_many_pages` beyond MAX_FRAMES.
    """
    file.seek(0)
    head = file.read(4)
    order, big = byte_order(head), is_big(head)
    position, pointer = FIRST_FRAME_FIELD[big]
    offsets: dict[int, None] = {}
    offset = _unpack(file, position, order + pointer)
    while offset and offset not in offsets:
        if len(offsets) == MAX_FRAMES:
            raise ServiceError(413, "too_many_pages", f"The TIFF file has more than {MAX_FRAMES} pages.")
        offsets[offset] = None
        code, entry_size = _ENTRY_SIZES[big]
        entries = _unpack(file, offset, order + code)
        offset = _unpack(file, offset + struct.calcsize(order + code) + entries * entry_size, order + pointer)
    return list(offsets)


def _unpack(file: Readable, position: int, code: str) -> int:
    """The number at a position; 0 where the file has ended."""
    if position > _LAST_POSITION:
        return 0
    file.seek(position)
    data = file.read(struct.calcsize(code))
    return int(struct.unpack(code, data)[0]) if len(data) == struct.calcsize(code) else 0
