"""The body of `POST /ocr`: one document and options, as multipart, as JSON, or as the bare bytes."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pydantic_core
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from gateway.api.ocr.options import Pair
from gateway.errors import ServiceError
from gateway.intake.spool import IN_MEMORY_BYTES, SpooledFile, storage_error
from gateway.session import DocumentSource
from gateway.storage.bucket import S3Source

T = TypeVar("T")

_FIELD_BYTES = 64 * 1024
_PIECE = 2**20
_LARGE = ThreadPoolExecutor(2, thread_name_prefix="body")
_KINDS = ("base64", "url", "s3")
_S3 = "s3://"
_RAW_TYPES = ("", "application/pdf", "application/octet-stream")


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it came, and the options that came in the same body, not yet validated."""

    source: DocumentSource
    options: Sequence[Pair] = ()


async def read_upload(request: Request) -> Upload:
    """Reads the body.

    Raises ServiceError: 400 for what can't be understood, 415 for a body of another kind, 503 `storage_unavailable`.
    """
    if request.headers.get("content-length") == "0":
        raise _empty_body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _from_form(request)
    if kind == "application/json" or kind.endswith("+json"):
        return await parse_body(await SpooledFile.from_stream(request.stream()), _from_json)
    if kind in _RAW_TYPES or kind.startswith("image/"):
        return Upload(DocumentSource(_present(await SpooledFile.from_stream(request.stream()))))
    raise ServiceError(
        415,
        "unsupported_content_type",
        f"A body of type {kind[:80]!r} is not understood: send multipart/form-data with `file`, application/json "
        "with `source`, or the document's bytes as application/octet-stream.",
    )


async def _from_form(request: Request) -> Upload:
    try:
        async with request.form(max_files=4, max_fields=64, max_part_size=_FIELD_BYTES) as form:
            return await _uploaded(form)
    except HTTPException as error:
        raise ServiceError(400, "invalid_multipart", f"The multipart body is broken: {error.detail}") from None
    except OSError as error:
        raise storage_error(error) from error


async def _uploaded(form: FormData) -> Upload:
    file = _only_file(form)
    if not file.size:
        raise ServiceError(400, "empty_document", "The uploaded `file` is empty.")
    if file.size > IN_MEMORY_BYTES:
        sent = SpooledFile.from_file(file.file, file.size)
    else:
        sent = SpooledFile.from_bytes(await file.read())
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    return Upload(DocumentSource(sent, file.filename or ""), fields)


def _only_file(form: FormData) -> UploadFile:
    items = form.multi_items()
    sources = [name for name, value in items if isinstance(value, UploadFile) or name in ("file", "source", *_KINDS)]
    files = [value for name, value in items if name == "file" and isinstance(value, UploadFile)]
    if len(sources) > 1:
        named = ", ".join(f"`{name[:40]}`" for name in sources)
        raise ServiceError(400, "ambiguous_source", f"One document at a time; this form holds {named}.")
    if not files:
        raise ServiceError(
            400, "no_source", "The form holds no document: send it as a file part named `file` (curl -F file=@a.pdf)."
        )
    return files[0]


async def parse_body(body: SpooledFile, parse: Callable[[bytes], T]) -> T:
    """What `parse` makes of the body, in a thread. Large bodies take turns: each needs several times its size."""
    threads = _LARGE if body.size > IN_MEMORY_BYTES else None
    return await asyncio.get_running_loop().run_in_executor(threads, lambda: parse(body.read()))


def _from_json(body: bytes) -> Upload:
    if not body:
        raise _empty_body()
    try:
        sent = pydantic_core.from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise ServiceError(400, "invalid_json", f"The body is not JSON: {error}.") from None
    if not isinstance(sent, dict):
        raise ServiceError(400, "invalid_json", "The body must be a JSON object with `source`.")
    source = sent.pop("source", None)
    options = list(sent.items())
    kind = _kind(source)
    if kind == "url":
        return Upload(DocumentSource(None, _name(source) or _last_part(source["url"]), url=source["url"]), options)
    if kind == "s3":
        place = _s3_source(source["s3"])
        return Upload(DocumentSource(None, _name(source) or place.key.rpartition("/")[2], s3=place), options)
    return Upload(DocumentSource(_decoded(source["base64"]), _name(source)), options)


def _kind(source: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    given = [kind for kind in _KINDS if isinstance(source, Mapping) and source.get(kind) is not None]
    if not given:
        raise ServiceError(
            400, "no_source", '`source` must be an object with `base64`, `url` or `s3`: {"source": {"base64": "…"}}.'
        )
    if len(given) > 1:
        raise ServiceError(400, "ambiguous_source", f"`source` holds {' and '.join(given)}; one document at a time.")
    if given[0] == "url" and not isinstance(source["url"], str):
        raise ServiceError(400, "url_not_allowed", "`source.url` must be a string.")
    return given[0]


def _s3_source(value: object) -> S3Source:
    """`s3://bucket/key`, or a key of the service's bucket, or an object with `key` and perhaps `bucket`."""
    if isinstance(value, str):
        bucket, _, key = value[len(_S3) :].partition("/") if value.startswith(_S3) else ("", "", value)
        return _named(bucket, key)
    if isinstance(value, Mapping):
        return _named(value.get("bucket") or "", value.get("key"))
    return _named("", None)


def _named(bucket: object, key: object) -> S3Source:
    if not (isinstance(bucket, str) and isinstance(key, str) and key):
        message = '`source.s3` must be a key, "s3://bucket/key", or an object with `key` and perhaps `bucket`.'
        raise ServiceError(400, "s3_not_allowed", message)
    return S3Source(key, bucket or None)


def _decoded(value: object) -> SpooledFile:
    if not isinstance(value, str):
        raise ServiceError(400, "invalid_base64", "`source.base64` must be a string.")
    try:
        document = SpooledFile.from_iterable(_bytes_of(value, _payload_start(value)))
    except (binascii.Error, ValueError) as error:
        raise ServiceError(400, "invalid_base64", f"`source.base64` can't be decoded: {error}.") from None
    if not document.size:
        raise ServiceError(400, "empty_document", "`source.base64` is empty.")
    return document


def _bytes_of(text: str, start: int) -> Iterator[bytes]:
    """What base64 text means from `start` on, in pieces: whole, it would take twice its size again."""
    rest = ""
    for at in range(start, len(text), _PIECE):
        fresh = "".join(text[at : at + _PIECE].split())
        if fresh.strip("=") and rest.endswith("="):
            raise ValueError("data after the padding")
        rest += fresh
        whole = len(rest) - len(rest) % 4
        if rest.endswith("="):
            continue
        yield base64.b64decode(rest[:whole], validate=True)
        rest = rest[whole:]
    yield base64.b64decode(rest, validate=True)


def _payload_start(value: str) -> int:
    """Where the payload of a `data:` URL begins; of any other value, its start."""
    blank = len(value) - len(value.lstrip())
    if value[blank : blank + 5].lower() != "data:":
        return 0
    comma = value.find(",")
    if not value[blank : max(comma, blank)].lower().endswith(";base64"):
        raise ValueError("the data: URL is not a base64 one")
    return comma + 1


def _name(source: Mapping[str, Any]) -> str:
    name = source.get("name")
    return name if isinstance(name, str) else ""


def _last_part(url: str) -> str:
    with suppress(ValueError):
        return unquote(urlsplit(url).path.rpartition("/")[2])
    return ""


def _present(body: SpooledFile) -> SpooledFile:
    if not body.size:
        raise _empty_body()
    return body


def _empty_body() -> ServiceError:
    return ServiceError(400, "empty_body", "The request has no body; send a document.")
