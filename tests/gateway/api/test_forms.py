"""Multipart forms that break off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from starlette.datastructures import Headers

from gateway.api.forms import parse_form

HEADERS = Headers({"content-type": "multipart/form-data; boundary=x"})
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\nabc'


async def stream(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_the_file_of_a_part_without_an_end_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    files: list[SpooledTemporaryFile[bytes]] = []

    def create(**options: Any) -> SpooledTemporaryFile[bytes]:  # noqa: ANN401 - the file's own options
        files.append(SpooledTemporaryFile(**options))  # noqa: SIM115 - whoever has it closes it
        return files[-1]

    monkeypatch.setattr("starlette.formparsers.SpooledTemporaryFile", create)
    body = PART + b"\r\n" + PART.replace(b'"file"', b'"other"')
    form = await parse_form(HEADERS, stream(body), max_files=2, max_fields=2, max_part_size=100)
    assert ([*form], [file.closed for file in files]) == (["file"], [False, True])
    await form.close()
    assert files[0].closed
