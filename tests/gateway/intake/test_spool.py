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
from gateway.intake.spool import IN_MEMORY_BYTES, SpooledFile

SIZES = [0, 1, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1, 3 * IN_MEMORY_BYTES + 7]
PIECE = 300_000


async def arriving(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), PIECE):
        yield data[at : at + PIECE]


async def spool(source: str, data: bytes) -> SpooledFile:
    if source == "bytes":
        return SpooledFile.from_bytes(data)
    if source == "iterable":
        return SpooledFile.from_iterable(data[at : at + PIECE] for at in range(0, len(data), PIECE))
    return await SpooledFile.from_stream(arriving(data))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", ["bytes", "iterable", "stream"])
async def test_same_bytes_from_every_source(source: str, size: int) -> None:
    data = os.urandom(size)
    file = await spool(source, data)
    assert (file.size, file.read(), file.read(5)) == (size, data, data[:5])
    assert file.sha256 == hashlib.sha256(data).digest()


@pytest.mark.parametrize("size", SIZES)
def test_a_file_is_read_where_it_lies_and_left_there(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "document"
    path.write_bytes(data)
    SpooledFile.open(path).close()
    file = SpooledFile.open(path)
    path.unlink()
    assert (file.size, b"".join(file.read_pieces())) == (size, data)


def test_descriptors_are_read_only_and_independent() -> None:
    file = SpooledFile.from_bytes(b"the file")
    with file.open_fd() as first, file.open_fd() as second:
        assert (os.read(first, 4), os.read(second, 8)) == (b"the ", b"the file")
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.write(first, b"x")


@pytest.mark.parametrize("size", [10, 2 * IN_MEMORY_BYTES])
def test_close_frees_open_bytes(size: int) -> None:
    file = SpooledFile.from_bytes(bytes(size))
    with file.open_fd() as descriptor:
        file.close()
        assert os.fstat(descriptor).st_blocks == 0
    with pytest.raises(ValueError, match="closed"), file.open_fd():
        pass
    file.close()


@pytest.mark.parametrize("size", [10, 2 * IN_MEMORY_BYTES])
def test_garbage_is_freed(size: int) -> None:
    gc.collect()  # files of earlier tests
    before = len(os.listdir("/proc/self/fd"))
    file = SpooledFile.from_bytes(bytes(size))
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del file
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_folder_shows_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    file = await SpooledFile.from_stream(arriving(bytes(3_000_000)))
    assert (file.size, os.listdir(tmp_path)) == (3_000_000, [])


async def test_unwritable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ServiceError, match="TEMP_DIR") as caught:
        await SpooledFile.from_stream(arriving(bytes(3_000_000)))
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
    assert (await SpooledFile.from_stream(arriving(b"small"))).read() == b"small"


async def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", no_room)
    with pytest.raises(ServiceError, match="is full") as caught:
        await asyncio.to_thread(SpooledFile.from_bytes, bytes(3_000_000))
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
