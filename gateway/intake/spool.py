"""A document's bytes behind a descriptor: few of them in memory, more in a file of TEMP_DIR that has no name.

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
from collections.abc import AsyncIterable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import IO

from gateway.errors import ServiceError

IN_MEMORY_BYTES = 2**20
"""Up to here no disk is touched: small documents are read even where TEMP_DIR is full."""
_RETRY_AFTER_S = 30


class Content:
    """Bytes that no longer change. Closed when nothing refers to it any more, if not before."""

    def __init__(self, descriptor: int) -> None:
        """Takes the descriptor of an empty file over."""
        self.size = 0
        self._descriptor = descriptor
        self._lending = threading.Lock()
        self._close = weakref.finalize(self, os.close, descriptor)

    def append(self, data: bytes | bytearray) -> None:
        """For whoever makes it. Blocks; raises ServiceError 503 `storage_unavailable`."""
        with _storage(), memoryview(data) as rest:
            while rest:
                written = os.write(self._descriptor, rest)
                self.size += written
                rest = rest[written:]

    def read(self, size: int | None = None) -> bytes:
        """The first `size` bytes, or all."""
        with self.lend() as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(size)

    @cached_property
    def sha256(self) -> bytes:
        """Blocks for as long as reading and hashing takes."""
        with self.lend() as descriptor, os.fdopen(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").digest()

    @contextmanager
    def lend(self) -> Iterator[int]:
        """A descriptor for reading only, with a position of its own. Raises ValueError once the content is closed."""
        with self._lending:
            if not self._close.alive:
                raise ValueError("the content is closed")
            descriptor = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Frees the bytes as soon as no worker reads them. Safe to call twice."""
        with self._lending:
            self._close()


def kept(data: bytes | bytearray) -> Content:
    """Bytes that are there already. Blocks; raises ServiceError 503 `storage_unavailable`."""
    content = _in_memory() if len(data) <= IN_MEMORY_BYTES else _on_disk()
    content.append(data)
    return content


def adopted(file: IO[bytes], size: int) -> Content:
    """The `size` bytes of a temporary file, which may be closed then. Raises as `kept`."""
    with _storage():
        file.flush()
        content = Content(os.dup(file.fileno()))
    content.size = size
    return content


def stored(pieces: Iterable[bytes]) -> Content:
    """Bytes that are made piece by piece. Blocks; raises as `kept`, and what `pieces` raises."""
    writer = _Writer()
    for piece in pieces:
        writer.pending += piece
        if writer.is_full:
            writer.flush()
    return writer.finish()


async def received(pieces: AsyncIterable[bytes]) -> Content:
    """Bytes as they arrive, written in threads. Raises as `stored`."""
    writer = _Writer()
    async for piece in pieces:
        writer.pending += piece
        if writer.is_full:
            await asyncio.to_thread(writer.flush)
    return await asyncio.to_thread(writer.finish) if writer.content else writer.finish()


class _Writer:
    """`pending` waits for the disk, which is not asked for what stays small."""

    def __init__(self) -> None:
        self.content: Content | None = None
        self.pending = bytearray()

    @property
    def is_full(self) -> bool:
        return len(self.pending) > IN_MEMORY_BYTES

    def flush(self) -> None:
        self.content = self.content or _on_disk()
        self.content.append(self.pending)
        self.pending = bytearray()

    def finish(self) -> Content:
        if self.content is None:
            return kept(self.pending)
        self.flush()
        return self.content


def _in_memory() -> Content:
    with _storage():
        return Content(os.memfd_create("document"))


def _on_disk() -> Content:
    with _storage(), tempfile.TemporaryFile() as file:
        return Content(os.dup(file.fileno()))


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unavailable(error) from error


def unavailable(error: OSError) -> ServiceError:
    reason = "is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"can't be written: {error.strerror}"
    detail = f"The document can't be kept while it is read: the disk for it (TEMP_DIR) {reason}."
    return ServiceError(503, "storage_unavailable", detail, retry_after_s=_RETRY_AFTER_S)
