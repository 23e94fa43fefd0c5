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
from io import BytesIO, TextIOBase
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
        with path.open("rb") as file:
            yield FileUpload(file, name or printable(path.name))
    elif isinstance(source, bytes | bytearray | memoryview):
        yield FileUpload(BytesIO(source), name or _UNNAMED)
    elif isinstance(source, TextIOBase) or not hasattr(source, "read"):
        raise TypeError(f"A document is a path, a URL, bytes or a file opened with 'rb', not {type(source).__name__}.")
    elif source.seekable():
        yield FileUpload(source, name or _name_of(source))
    else:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            shutil.copyfileobj(source, file)
            yield FileUpload(file, name or _name_of(source))


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
