"""Converted documents, in memory or written to files as they come."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2
import msgspec

from paddleocr_vl_client.calls import Call
from paddleocr_vl_client.connections import AsyncConnection, Connection
from paddleocr_vl_client.errors import InvalidResponseError
from paddleocr_vl_client.models import Conversion, DocumentStatus

_parts: set[Path] = set()
"""Files that are being written."""


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when the context ends well; else nothing is left of it.

    OSError where the folder can't be written.
    """
    # Not named by the file, whose name may be as long as names can be.
    part = path.with_name(f".paddleocr-vl-{uuid.uuid4().hex}.part")
    _parts.add(part)
    try:
        with part.open("xb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        _parts.discard(part)


def remove_parts() -> None:
    """Removes what is half written, for a process that ends before its threads do."""
    for part in tuple(_parts):
        part.unlink(missing_ok=True)


def download(connection: Connection, call: Call, to: Path | str | None) -> Conversion:
    """The answer to `call`, whose bytes go to the file `to` unless that is None. OSError where it can't be written."""

    def write(response: httpx2.Response, path: Path) -> Conversion:
        found = _describe(response, None)
        with replace_file(path) as file:
            for piece in response.iter_bytes():
                file.write(piece)
        return found

    if to is None:
        return connection.send(call, lambda response: _describe(response, response.read()))
    return connection.send(call, lambda response: write(response, Path(to)))


async def download_async(connection: AsyncConnection, call: Call, to: Path | str | None) -> Conversion:
    """As `download`."""

    async def read(response: httpx2.Response) -> Conversion:
        return _describe(response, await response.aread())

    async def write(response: httpx2.Response) -> Conversion:
        found = _describe(response, None)
        with replace_file(Path(str(to))) as file:
            async for piece in response.aiter_bytes():
                file.write(piece)
        return found

    return await connection.send(call, read if to is None else write)


def _describe(response: httpx2.Response, content: bytes | None) -> Conversion:
    headers = response.headers
    try:
        status = msgspec.convert(headers.get("x-ocr-status"), DocumentStatus)
    except msgspec.ValidationError as error:
        raise InvalidResponseError("The answer is not that of a paddleocr-vl-service.") from error
    return Conversion(
        id=headers.get("x-ocr-id", ""),
        status=status,
        media_type=headers.get("content-type", "").partition(";")[0],
        warnings=headers.get("x-ocr-warnings", ""),
        content=content,
    )
