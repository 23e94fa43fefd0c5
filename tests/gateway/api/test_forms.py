"""Multipart forms that break off, or keep their parser busy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from tempfile import SpooledTemporaryFile
from typing import Any

import pytest
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException

from gateway.api.forms import parse_form

HEADERS = Headers({"content-type": "multipart/form-data; boundary=x"})
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\nabc'


async def stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


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


def _file_of(unit: bytes, size: int = 200_000) -> bytes:
    return PART + unit * max(1, size // len(unit)) + b"\r\n--x--\r\n"


@pytest.mark.parametrize("step", [7, 65_536])
@pytest.mark.parametrize("unit", [b"\r\n--xy", b"\r\n--x-y", b"\r\n--x\ry", b"\r\n--x" + b" \t" * 100_000])
async def test_delimiters_that_part_nothing(unit: bytes, step: int) -> None:
    """The parser would look at each byte around them, for as long as a file of a form may be."""
    body, taken = _file_of(unit), 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for at in range(0, len(body), step):
            taken = at + step
            yield body[at : at + step]

    with pytest.raises(MultiPartException):
        await parse_form(HEADERS, pieces(), max_files=2, max_fields=2, max_part_size=100)
    assert taken <= 65_536, "the rest of it was heard too"


@pytest.mark.parametrize("step", [1, 3, 1000])
async def test_padded_delimiters_and_what_resembles_them(step: int) -> None:
    content = b"--x\r\n--\r\n-x\r\r\n--y" * 50

    async def pieces() -> AsyncIterator[bytes]:
        body = PART + content + b"\r\n--x \t \r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--\r\nepilogue"
        for at in range(0, len(body), step):
            yield body[at : at + step]

    form = await parse_form(HEADERS, pieces(), max_files=1, max_fields=1, max_part_size=100)
    file = form["file"]
    assert isinstance(file, UploadFile)
    assert (await file.read(), form["a"]) == (b"abc" + content, "1")
    await form.close()


def _split(body: bytes, step: int) -> list[bytes]:
    return [body[at : at + step] for at in range(0, len(body), step)]


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("coded", [b"++//aGk=", b"--__aGk=", b"--__aG\r\nk"])
async def test_base64_in_both_alphabets(coded: bytes, step: int) -> None:
    form = await parse_form(
        HEADERS, stream(*_split(_base64_of(coded), step)), max_files=1, max_fields=1, max_part_size=100
    )
    file = form["file"]
    assert isinstance(file, UploadFile)
    assert await file.read() == b"\xfb\xef\xffhi"
    await form.close()


@pytest.mark.parametrize("step", [1, 5, 1000])
@pytest.mark.parametrize("coded", [b"QQ==QkNERQ==", b"QUJDR", b"QU!D"])
async def test_broken_base64_is_refused_wherever_it_is_cut(coded: bytes, step: int) -> None:
    with pytest.raises(MultiPartException):
        await parse_form(
            HEADERS, stream(*_split(_base64_of(coded), step)), max_files=1, max_fields=1, max_part_size=100
        )


def _base64_of(coded: bytes) -> bytes:
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    )
    return head + coded + b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    "rest", [b"\r\nX: " + b"a" * 4000, b"\r\nX: " + b"a" * 700 + b"\r\nY: " + b"a" * 700, b'; b="' + b";" * 4000]
)
async def test_large_heads_of_parts(rest: bytes) -> None:
    """They are refused before the last of them is there."""
    part, taken = b'--x\r\nContent-Disposition: form-data; name="a"' + rest + b"\r\n\r\na\r\n", 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(60):
            taken += len(part)
            yield part
        yield b"--x--\r\n"

    with pytest.raises(MultiPartException, match="headers of its parts"):
        await parse_form(HEADERS, pieces(), max_files=4, max_fields=64, max_part_size=100)
    assert taken < 60_000


async def test_forms_of_many_fields_with_usual_heads() -> None:
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nContent-Length: 1"
    name = b"--x\r\nContent-Disposition: form-data; name=%d_option_of_a_document\r\n"
    parts = (name % at + head + b"\r\n\r\n1\r\n" for at in range(64))
    form = await parse_form(HEADERS, stream(*parts, b"--x--\r\n"), max_files=4, max_fields=64, max_part_size=100)
    assert len(form) == 64
