from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Sequence

import pytest

from gateway.unpacking import PIECE_BYTES, Unpacker, UnpackError

DATA = random.Random(7).randbytes(3000) + bytes(200_000) + b"the end"


def raw(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-15)


def unpack(packed: bytes, codings: Sequence[str], size: int) -> bytes:
    unpacker, pieces = Unpacker(codings), []
    for at in range(0, len(packed), size):
        unpacker.feed(packed[at : at + size])
        while unpacker.has_more:
            pieces.append(unpacker.step())
    unpacker.finish()
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert unpacker.packed_bytes == len(packed)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    ("packed", "codings"),
    [
        (gzip.compress(DATA[:5]) + gzip.compress(b"") + gzip.compress(DATA[5:]) + bytes(40_000), ["gzip"]),
        (zlib.compress(DATA), ["deflate"]),
        (raw(DATA), ["deflate"]),
        (gzip.compress(raw(DATA)), ["deflate", "x-gzip"]),
    ],
    ids=["members", "zlib", "raw", "two"],
)
def test_any_cut_of_a_body(packed: bytes, codings: list[str], size: int) -> None:
    assert unpack(packed, codings, size) == DATA


@pytest.mark.parametrize("count", [PIECE_BYTES, 2 * PIECE_BYTES, 2 * PIECE_BYTES + 1])
def test_a_body_as_long_as_pieces(count: int) -> None:
    assert unpack(raw(bytes(count)), ["deflate"], 10**6) == bytes(count)


@pytest.mark.parametrize(
    ("packed", "coding"),
    [
        (gzip.compress(DATA) + b"x", "gzip"),
        (gzip.compress(DATA) + bytes(3) + b"x", "gzip"),
        (gzip.compress(DATA) + b"\x1f\x8bxx", "gzip"),
        (gzip.compress(DATA) + gzip.compress(DATA)[:-1], "gzip"),
        (zlib.compress(DATA) + b"\0", "deflate"),
        (raw(DATA) + zlib.compress(DATA), "deflate"),
        (b"", "gzip"),
    ],
)
@pytest.mark.parametrize("size", [1, 100_000])
def test_what_is_no_packed_body(packed: bytes, coding: str, size: int) -> None:
    with pytest.raises(UnpackError):
        unpack(packed, [coding], size)


def test_padding_is_not_kept() -> None:
    unpacker = Unpacker(["gzip"])
    unpacker.feed(gzip.compress(DATA))
    tracemalloc.start()
    try:
        for _ in range(200):
            while unpacker.has_more:
                unpacker.step()
            unpacker.feed(bytes(2**16))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codings", [["gzip"], ["gzip", "gzip"], ["gzip", "gzip", "gzip"]])
def test_a_bomb_is_known_by_its_first_megabyte(codings: list[str]) -> None:
    packed = bytes(30_000_000)
    for _ in codings:
        packed = gzip.compress(packed)
    unpacker = Unpacker(codings)
    unpacker.feed(packed)
    while not unpacker.is_bomb:
        unpacker.step()
    assert unpacker.unpacked_bytes <= 1_000_000 + 100 * len(packed) + PIECE_BYTES
