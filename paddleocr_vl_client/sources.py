"""Where a document comes from: a file, a stream, bytes, or a place that the service fetches it from."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO, TextIOBase
from pathlib import Path
from typing import IO, TypeAlias

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]
"""A path; the URL (`http://`, `https://`) or key (`s3://bucket/key`) of a document that the service fetches; bytes; or
an open binary file, which is sent from its beginning."""

_IN_MEMORY = 1 << 20
_UNNAMED = "document"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """A document that the service fetches itself; `kind` and `place` as in the JSON body's `source`."""

    kind: str
    place: str


@dataclass(frozen=True, slots=True)
class FileUpload:
    """An open file that is sent whole, from its beginning, as often as it has to be."""

    file: IO[bytes]
    name: str


Upload: TypeAlias = RemoteDocument | FileUpload


@contextmanager
def open_upload(source: Source, name: str | None = None) -> Iterator[Upload]:
    """The document, ready to be sent. `name` is the name to show instead of the file's own.

    A stream that can't go back is copied to a temporary file, because a request may have to be sent again. OSError
    where a file can't be read, TypeError for what is no source.
    """
    if isinstance(source, str) and source.startswith(("http://", "https://")):
        yield RemoteDocument("url", source)
    elif isinstance(source, str) and source.startswith("s3://"):
        yield RemoteDocument("s3", source)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        with path.open("rb") as opened, _rewindable(opened) as file:
            yield FileUpload(file, name or printable(path.name))
    elif isinstance(source, bytes | bytearray | memoryview):
        yield FileUpload(BytesIO(source), name or _UNNAMED)
    elif isinstance(source, TextIOBase) or not hasattr(source, "read"):
        raise TypeError(f"A document is a path, a URL, bytes or a file opened with 'rb', not {type(source).__name__}.")
    else:
        with _rewindable(source) as file:
            yield FileUpload(file, name or _name_of(source))


@contextmanager
def _rewindable(file: IO[bytes]) -> Iterator[IO[bytes]]:
    if file.seekable():
        yield file
        return
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        shutil.copyfileobj(file, copy)
        yield copy


class SteadyFile(BufferedIOBase):
    """A file that is sent: `read` raises OSError where it has another length than `seek` told, as one has that is still
    being written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = 0

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = self._file.seek(offset, whence)
        if whence == os.SEEK_END:
            self._size = position
        return position

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int | None = -1) -> bytes:
        data = self._file.read(-1 if size is None else size)
        position = self._file.tell()
        if position > self._size or (not data and position < self._size):
            raise OSError("The file has changed while it was sent")
        return data


@asynccontextmanager
async def open_upload_async(source: Source, name: str | None = None) -> AsyncIterator[Upload]:
    """As `open_upload`; a thread waits for the file."""
    with ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, open_upload(source, name))


def printable(name: str) -> str:
    """The name of a file, with U+FFFD for bytes that are no UTF-8: Python has surrogates there, which can't be sent."""
    return _SURROGATE.sub("\ufffd", name)


def _name_of(file: IO[bytes]) -> str:
    name = getattr(file, "name", None)
    return printable(Path(name).name) if isinstance(name, str) and not name.startswith("<") else _UNNAMED
