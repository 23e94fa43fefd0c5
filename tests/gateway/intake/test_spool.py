from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.errors import ServiceError
from gateway.intake.spool import IN_MEMORY_BYTES, Content, kept, received, stored

SIZES = [0, 1, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1, 3 * IN_MEMORY_BYTES + 7]
PIECE = 300_000


async def arriving(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


async def made(how: str, data: bytes) -> Content:
    if how == "kept":
        return kept(data)
    if how == "stored":
        return stored(data[at : at + PIECE] for at in range(0, len(data), PIECE))
    return await received(arriving(data))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["kept", "stored", "received"])
async def test_bytes_come_back_whichever_way_they_came(how: str, size: int) -> None:
    data = os.urandom(size)
    content = await made(how, data)
    assert (content.size, content.read(), content.read(5)) == (size, data, data[:5])
    assert content.sha256 == hashlib.sha256(data).digest()


def test_what_is_lent_outlives_the_content_and_can_only_be_read() -> None:
    content = kept(b"the file")
    with content.lend() as first, content.lend() as second:
        content.close()
        assert (os.read(first, 4), os.read(second, 8)) == (b"the ", b"the file")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(first, b"x")
    with pytest.raises(ValueError, match="closed"), content.lend():
        pass
    content.close()


@pytest.mark.parametrize("size", [10, 2 * IN_MEMORY_BYTES])
def test_what_nobody_closes_is_freed(size: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    content = kept(bytes(size))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del content
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_the_folder_never_shows_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    content = await received(arriving(bytes(3_000_000)))
    assert (content.size, os.listdir(tmp_path)) == (3_000_000, [])


async def test_a_folder_that_cant_be_written_is_named_and_small_documents_need_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ServiceError, match="TEMP_DIR") as caught:
        await received(arriving(bytes(3_000_000)))
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
    assert (await received(arriving(b"small"))).read() == b"small"


async def test_a_full_disk_is_said_to_be_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", no_room)
    with pytest.raises(ServiceError, match="is full") as caught:
        await asyncio.to_thread(kept, bytes(3_000_000))
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
