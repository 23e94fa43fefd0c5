"""Where the frames of a TIFF file are. Pillow walks to a frame through all before it and doesn't bound their number."""

from __future__ import annotations

import struct

from gateway.errors import ServiceError

MAX_FRAMES = 10_000
FIRST_FRAME_FIELD = {False: (4, "I"), True: (8, "Q")}
"""Byte position and struct code of the header's pointer to the first frame, by whether the file is a BigTIFF."""

_ENTRY_SIZES = {False: ("H", 12), True: ("Q", 20)}  # of a directory: its count's struct code, bytes of an entry


def byte_order(data: bytes) -> str:
    return "<" if data[:2] == b"II" else ">"


def is_big(data: bytes) -> bool:
    return 43 in data[2:4]


def frame_offsets(data: bytes) -> list[int]:
    """Byte offset of each frame's directory, in order; the last may lie outside a file that was cut off.

    Ends at a directory that was seen before. Raises ServiceError 413 `too_many_pages` beyond MAX_FRAMES.
    """
    order, big = byte_order(data), is_big(data)
    position, pointer = FIRST_FRAME_FIELD[big]
    offsets: dict[int, None] = {}
    offset = _unpack(data, position, order + pointer)
    while offset and offset not in offsets:
        if len(offsets) == MAX_FRAMES:
            raise ServiceError(413, "too_many_pages", f"The TIFF file has more than {MAX_FRAMES} pages.")
        offsets[offset] = None
        code, entry_size = _ENTRY_SIZES[big]
        entries = _unpack(data, offset, order + code)
        offset = _unpack(data, offset + struct.calcsize(order + code) + entries * entry_size, order + pointer)
    return list(offsets)


def _unpack(data: bytes, position: int, code: str) -> int:
    """The number at a position; 0 where the file has ended."""
    if position + struct.calcsize(code) > len(data):
        return 0
    return int(struct.unpack_from(code, data, position)[0])
