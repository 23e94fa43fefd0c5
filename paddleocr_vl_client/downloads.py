"""Converted documents, in memory or written to files as they come."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import msgspec

from paddleocr_vl_client.calls import Call
from paddleocr_vl_client.connections import AsyncConnection, Connection
from paddleocr_vl_client.models import Conversion, DocumentStatus


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the context ends well; else nothing is left of it.

    OSError where the folder can't be written.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        part.chmod(0o666 & ~_umask())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """The process' own, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def download(connection: Connection, call: Call, to: Path | str | None) -> Conversion:
    """The answer to `call`, whose bytes go to the file `to` unless that is None. OSError where it can't be written."""

    def write(response: httpx2.Response, path: Path) -> Conversion:
        with replace_file(path) as file:
            for piece in response.iter_bytes():
                file.write(piece)
        return _describe(response, None)

    if to is None:
        return connection.send(call, lambda response: _describe(response, response.read()))
    return connection.send(call, lambda response: write(response, Path(to)))


async def download_async(connection: AsyncConnection, call: Call, to: Path | str | None) -> Conversion:
    """As `download`."""

    async def read(response: httpx2.Response) -> Conversion:
        return _describe(response, await response.aread())

    async def write(response: httpx2.Response) -> Conversion:
        with replace_file(Path(str(to))) as file:
            async for piece in response.aiter_bytes():
                file.write(piece)
        return _describe(response, None)

    return await connection.send(call, read if to is None else write)


def _describe(response: httpx2.Response, content: bytes | None) -> Conversion:
    headers = response.headers
    status = headers.get("x-ocr-status", "ok")
    return Conversion(
        id=headers.get("x-ocr-id", ""),
        status=msgspec.convert(status, DocumentStatus),
        media_type=headers.get("content-type", "").partition(";")[0],
        warnings=headers.get("x-ocr-warnings", ""),
        content=content,
    )
