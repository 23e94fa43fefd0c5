from __future__ import annotations

import io
import struct
from itertools import pairwise

import pytest

from gateway.errors import ServiceError
from gateway.intake.render.images import MAX_FRAMES, find_frames


def chain(offsets: list[int], order: str = "<") -> bytes:
    """Directories without entries at the given offsets, each pointing to the next."""
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = bytearray(magic + struct.pack(order + "I", offsets[0])).ljust(max(offsets[:-1], default=8) + 6, b"\0")
    for here, following in pairwise(offsets):
        data[here : here + 6] = struct.pack(order + "HI", 0, following)
    return bytes(data)


def frames(data: bytes) -> list[int]:
    return find_frames(io.BytesIO(data))


@pytest.mark.parametrize("order", ["<", ">"])
def test_follows_the_chain(order: str) -> None:
    assert frames(chain([8, 50, 20, 0], order)) == [8, 50, 20]


def test_ends_at_a_loop() -> None:
    assert frames(chain([8, 50, 20, 50])) == [8, 50, 20]


def test_keeps_a_frame_beyond_the_end() -> None:
    assert frames(chain([8, 5000])) == [8, 5000]


@pytest.mark.parametrize("data", [b"II*\0", b"II*\0\0\0\0\0", b"II", b"MM\0+\0\x08\0\0"])
def test_no_frames(data: bytes) -> None:
    assert frames(data) == []


def test_number_of_frames_is_bounded() -> None:
    offsets = [8 + 6 * at for at in range(MAX_FRAMES + 1)] + [0]
    with pytest.raises(ServiceError) as caught:
        frames(chain(offsets))
    assert (caught.value.status, caught.value.code) == (413, "too_many_pages")
    assert len(frames(chain([*offsets[:MAX_FRAMES], 0]))) == MAX_FRAMES
