"""Bodies by their type, and multipart forms as clients and proxies send them, which is more than RFC 7578 allows."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from gateway.conversion.json_bodies import parse_json
from gateway.errors import ServiceError
from gateway.intake.disposition import parse_filename
from gateway.intake.spool import IN_MEMORY_BYTES, SpooledFile, storage_error
from gateway.intake.text_files import CHARSETS
from gateway.session import DocumentSource

FILE = "file"
"""The part that holds the document."""
MAX_FIELD_BYTES = 64 * 1024
MAX_OTHER_FILES = 3
"""Beside documents: what is too much is named to the client, and not only counted."""
MAX_FIELDS = 64
MAX_PREAMBLE = 64 * 1024
"""Bytes before the first part, which readers have to ignore (RFC 2046)."""
MAX_PADDING = 200
"""Blanks behind a delimiter, which RFC 2046 allows."""


@asynccontextmanager
async def read_form(request: Request, max_documents: int = 1) -> AsyncIterator[FormData]:
    """The request's form, whose files are closed at the end. Raises ServiceError: 400 `invalid_multipart`, 415
    `unsupported_charset`, 503 `storage_unavailable`."""
    try:
        form = await parse_form(
            request.headers,
            request.stream(),
            max_files=MAX_OTHER_FILES + max_documents,
            max_fields=MAX_FIELDS,
            max_part_size=MAX_FIELD_BYTES,
        )
        try:
            yield form
        finally:
            await form.close()
    except MultiPartException as error:
        raise ServiceError(400, "invalid_multipart", f"The multipart body is broken: {error.message}") from None
    except OSError as error:
        raise storage_error(error) from error


def content_type_of(request: Request, default: str = "") -> str:
    """The media type of the body as the header says it, in lower case and without parameters."""
    return request.headers.get("content-type", default).partition(";")[0].strip().lower()


def text_fields(form: FormData) -> list[tuple[str, str]]:
    """Names and values of the fields that are no files. Empty ones are not given."""
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str) and value]


async def keep_file(file: UploadFile) -> SpooledFile:
    """A form's file, to be read when the form is closed. ServiceError 400 `empty_document`."""
    if not file.size:
        raise ServiceError(400, "empty_document", "The uploaded `file` is empty.")
    if file.size > IN_MEMORY_BYTES:
        return SpooledFile.from_file(file.file, file.size)
    return SpooledFile.from_bytes(await file.read())


async def keep_document(file: UploadFile) -> DocumentSource:
    """A form's file as a document, under the name and the type that it came with. Raises as `keep_file`."""
    return DocumentSource(await keep_file(file), file.filename or "", media_type=file.content_type or "")


async def parse_form(
    headers: Headers, stream: AsyncIterator[bytes], *, max_files: int, max_fields: int, max_part_size: int
) -> FormData:
    """The form, whose files the caller closes. Raises starlette's MultiPartException; ServiceError 415
    `unsupported_charset`."""
    parameters = parse_options_header(headers["content-type"])[1]
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise MultiPartException("Missing boundary in multipart.")
    _check_charset(parameters.get(b"charset", b"utf-8").decode("latin-1"))
    body = _check_delimiters(_skip_preamble(stream, b"--" + boundary), b"--" + boundary, max_files + max_fields + 1)
    parser = _FormParser(headers, body, max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)
    form = await parser.parse()
    parser.close_unfinished(form)
    return form


def parse_json_field(text: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """What a form's field holds as JSON. ValueError for what is none."""
    try:
        return parse_json(text.encode(errors="replace"))
    except ServiceError:
        raise ValueError("is no JSON, or too deep") from None


def _check_charset(charset: str) -> None:
    """The parser decodes by any codec that Python knows, some of which take minutes."""
    if charset.lower() not in CHARSETS:
        raise ServiceError(
            415, "unsupported_charset", f"A form's `charset` may be utf-8, not {charset[:40]!r}; it may be left out."
        )


class _FormParser(MultiPartParser):
    """Knows a file by `filename*` alone, and the document by the name of its part."""

    def close_unfinished(self, form: FormData) -> None:
        """Closes the file of a part that the body has no end of, which is not in the form."""
        finished = {id(value.file) for _, value in form.multi_items() if isinstance(value, UploadFile)}
        for file in self._files_to_close_on_error:
            if id(file) not in finished:
                file.close()

    def on_headers_finished(self) -> None:
        sent = self._current_part.content_disposition
        if sent is not None:
            self._current_part.content_disposition = _rewrite_disposition(sent, self._charset)
        super().on_headers_finished()


def _rewrite_disposition(sent: bytes, charset: str) -> bytes:
    """The header with the file's name, if it has any, in `filename` as starlette reads it."""
    disposition, options = parse_options_header(sent)
    is_plain = b"filename" in options and b"=?" not in options[b"filename"] and b"*" not in sent
    if is_plain or b"name" not in options:
        return sent
    filename = parse_filename(sent.decode("utf-8", "surrogateescape"))
    if filename is None and options[b"name"] != FILE.encode():
        return sent
    encoded = (filename or "").encode(charset, "surrogateescape" if charset == "utf-8" else "replace")
    return b'%b; name="%b"; filename="%b"' % (disposition, _quote(options[b"name"]), _quote(encoded))


def _quote(value: bytes) -> bytes:
    return value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


async def _skip_preamble(stream: AsyncIterator[bytes], delimiter: bytes) -> AsyncGenerator[bytes, None]:
    """The body from its first delimiter on."""
    start = b""
    async for chunk in stream:
        start += chunk
        at = 0 if start.startswith(delimiter) else start.find(b"\n" + delimiter) + 1
        if start.startswith(delimiter) or at:
            yield start[at:]
            break
        if len(start) > MAX_PREAMBLE:
            yield start
            break
    else:
        yield start
    async for chunk in stream:
        yield chunk


async def _check_delimiters(
    stream: AsyncGenerator[bytes, None], delimiter: bytes, most: int
) -> AsyncGenerator[bytes, None]:
    """The body, which begins with a delimiter. MultiPartException where more than `most` follow, or one is padded
    without end: around each of them the parser looks at single bytes, in Python, and a file holds none."""
    line = b"\r\n" + delimiter
    padded, kept, count = re.compile(re.escape(line) + rb"[ \t]{%d}" % MAX_PADDING), b"", 0
    async for chunk in stream:
        window = kept + chunk
        count += window.count(line, max(len(kept) - len(line) + 1, 0))
        if count > most:
            raise MultiPartException(f"Too many parts. Maximum number of parts is {most}.")
        if line in window and padded.search(window):
            raise MultiPartException(f"More than {MAX_PADDING} blanks follow a delimiter.")
        kept = window[-len(line) - MAX_PADDING + 1 :]
        yield chunk
