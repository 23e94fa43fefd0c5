"""A document's bytes behind a descriptor: few of them in memory, more in a file of TEMP_DIR that has no name, or where
they are kept.

So nothing is left of them whatever dies, and neither the gateway nor its workers hold a copy.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import tempfile
import threading
import weakref
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from io import BufferedReader
from pathlib import Path
from typing import IO

from gateway.errors import ServiceError

IN_MEMORY_BYTES = 2**20
"""Up to here no disk is touched: small documents are read even where TEMP_DIR is full."""
_RETRY_AFTER_S = 30


class SpooledFile:
    """Bytes that no longer change. Closed when nothing refers to it any more, if not before."""

    def __init__(self, descriptor: int, close: Callable[[int], None] | None = None) -> None:
        """Takes over the descriptor of an empty file. `close`: how it is closed, where its bytes are to stay."""
        self.size = 0
        self._descriptor = descriptor
        self._opening = threading.Lock()
        self._close = weakref.finalize(self, close or _discard, descriptor)

    @classmethod
    def create(cls, *, in_memory: bool) -> SpooledFile:
        """An empty file that another process fills; `measure` then. Blocks; raises as `from_bytes`."""
        return _create_in_memory() if in_memory else _create_on_disk()

    def measure(self) -> None:
        """Takes the size that was given to the file elsewhere."""
        self.size = os.fstat(self._descriptor).st_size

    @classmethod
    def from_bytes(cls, data: bytes | bytearray) -> SpooledFile:
        """Blocks; raises ServiceError 503 `storage_unavailable`."""
        file = _create_in_memory() if len(data) <= IN_MEMORY_BYTES else _create_on_disk()
        file.append(data)
        return file

    @classmethod
    def from_file(cls, file: IO[bytes], size: int) -> SpooledFile:
        """The `size` bytes of a temporary file, which the caller may close then. Raises as `from_bytes`."""
        with _report_storage():
            file.flush()
            spooled = cls(os.dup(file.fileno()))
        spooled.size = size
        return spooled

    @classmethod
    def from_iterable(cls, pieces: Iterable[bytes]) -> SpooledFile:
        """Bytes that are made piece by piece. Blocks; raises as `from_bytes`, and what `pieces` raises."""
        writer = _Writer()
        for piece in pieces:
            writer.pending += piece
            if writer.is_full:
                writer.flush()
        return writer.finish()

    @classmethod
    def open(cls, path: Path) -> SpooledFile:
        """A file where it lies, which nobody writes any more. Raises OSError where it can't be read."""
        file = cls(os.open(path, os.O_RDONLY | os.O_CLOEXEC), os.close)
        file.measure()
        return file

    @classmethod
    async def from_stream(cls, pieces: AsyncIterable[bytes]) -> SpooledFile:
        """Bytes as they arrive, written in threads. Raises as `from_iterable`."""
        writer = _Writer()
        async for piece in pieces:
            writer.pending += piece
            if writer.is_full:
                await asyncio.to_thread(writer.flush)
        return await asyncio.to_thread(writer.finish) if writer.file else writer.finish()

    def append(self, data: bytes | bytearray) -> None:
        """For its maker only. Blocks; raises ServiceError 503 `storage_unavailable`."""
        with _report_storage(), memoryview(data) as rest:
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]

    def read(self, size: int | None = None) -> bytes:
        """The first `size` bytes, or all."""
        with self.open_file() as file:
            return file.read(size)

    def read_pieces(self) -> Iterator[bytes]:
        """All bytes, a megabyte at a time. Blocks while it reads."""
        with self.open_file() as file:
            yield from _read_pieces(file, self.size)

    def split(self, sizes: Sequence[int]) -> list[SpooledFile]:
        """The files that lie in this one, one after the other; closes it. Blocks; raises as `from_bytes`."""
        with self.open_file() as file:
            parts = [SpooledFile.from_iterable(_read_pieces(file, size)) for size in sizes]
        self.close()
        return parts

    @cached_property
    def sha256(self) -> bytes:
        """Blocks for as long as reading and hashing takes."""
        with self.open_file() as file:
            return hashlib.file_digest(file, "sha256").digest()

    @contextmanager
    def open_fd(self, mode: int = os.O_RDONLY) -> Iterator[int]:
        """A descriptor with a position of its own. Raises ValueError once the file is closed."""
        with self._opening:
            if not self._close.alive:
                raise ValueError("the file is closed")
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", mode | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def open_file(self) -> Iterator[BufferedReader]:
        """As `open_fd`, a file to read from."""
        with self.open_fd() as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            yield file

    def close(self) -> None:
        """Frees the bytes, for render workers that still hold a descriptor too; a file that was opened where it lies
        stays as it is, and a worker holds the bytes of one that was deleted until it opens another. Safe to call twice.
        """
        with self._opening:
            self._close()


class _Writer:
    """Collects pieces in `pending` and goes to the disk only when they outgrow `IN_MEMORY_BYTES`."""

    def __init__(self) -> None:
        self.file: SpooledFile | None = None
        self.pending = bytearray()

    @property
    def is_full(self) -> bool:
        return len(self.pending) > IN_MEMORY_BYTES

    def flush(self) -> None:
        self.file = self.file or _create_on_disk()
        self.file.append(self.pending)
        self.pending = bytearray()

    def finish(self) -> SpooledFile:
        if self.file is None:
            return SpooledFile.from_bytes(self.pending)
        self.flush()
        return self.file


def _read_pieces(file: IO[bytes], size: int) -> Iterator[bytes]:
    """The next `size` bytes."""
    while size > 0 and (piece := file.read(min(size, IN_MEMORY_BYTES))):
        size -= len(piece)
        yield piece


def _create_in_memory() -> SpooledFile:
    with _report_storage():
        return SpooledFile(os.memfd_create("document"))


def _create_on_disk() -> SpooledFile:
    with _report_storage(), tempfile.TemporaryFile() as file:
        return SpooledFile(os.dup(file.fileno()))


def _discard(descriptor: int) -> None:
    """Empties the file before closing it: render workers keep descriptors of the files that they saw last."""
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)


@contextmanager
def _report_storage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(error) from error


def storage_error(error: OSError) -> ServiceError:
    reason = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"can't be written: {error.strerror}"
    detail = f"The document can't be kept while it is read: the disk for it (TEMP_DIR) {reason}."
    return ServiceError(503, "storage_unavailable", detail, retry_after_s=_RETRY_AFTER_S)
