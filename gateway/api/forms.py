"""Bodies by their type, and what forms hold."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException

from gateway.api.multipart import FormParser, limit_delimiters, normalize_multipart
from gateway.conversion.json_bodies import parse_json
from gateway.errors import ServiceError
from gateway.intake.spool import IN_MEMORY_BYTES, SpooledFile, storage_error
from gateway.intake.text_files import CHARSETS
from gateway.session import DocumentSource

MAX_FIELD_BYTES = 64 * 1024
MAX_OTHER_FILES = 3
"""Beside documents: what is too much is named to the client, and not only counted."""
MAX_FIELDS = 64


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
    body = normalize_multipart(limit_delimiters(stream, boundary, max_files + max_fields), boundary)
    parser = FormParser(headers, body, max_files=max_files, max_fields=max_fields, max_part_size=max_part_size)
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
