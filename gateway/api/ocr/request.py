"""The body of `POST /ocr`: one document and options, as multipart, as JSON, or as the bare bytes."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from gateway.api.forms import content_type_of, keep_document, read_form
from gateway.api.ocr.options import Pair, check_types
from gateway.conversion.conversion_pool import SplitBody
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.disposition import parse_filename
from gateway.intake.sniff import HEAD_BYTES, media_type
from gateway.intake.spool import SpooledFile
from gateway.session import DocumentSource
from gateway.storage.bucket import S3Source

_KINDS = ("base64", "url", "s3")
DOCUMENT_PLACES = [DocumentPlace(("source", "base64"), "base64"), DocumentPlace(("file",), "paddlex", unless="source")]
"""The second: a body of PaddleX's, which comes to the same path."""
_S3 = "s3://"
_HEAD_BYTES = 64
_MAX_NAMED = 10
_DOCUMENT_TYPES = ("", "application/pdf", "application/octet-stream")
_JSON_TYPES = ("application/json", "text/json", "application/x-json")
_VAGUE_TYPES = ("", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain", "*/*")
"""Types under which clients send JSON too: curl's `--data` and browsers' beacons say the third and the fourth."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A document as it came, and the options that came in the same body, not yet validated. `others`: documents that
    came with it; None where it came alone."""

    source: DocumentSource
    options: Sequence[Pair] = ()
    others: Sequence[DocumentSource] | None = None

    @property
    def sources(self) -> Sequence[DocumentSource]:
        return [self.source, *(self.others or ())]


async def read_upload(request: Request, max_documents: int = 1) -> Upload | SpooledFile:
    """The body; as a file where it is JSON, for a `ConversionPool` and `parse_upload` to take apart. Of a form,
    `max_documents` parts named `file` are taken.

    Raises ServiceError: 400 for what can't be understood, 415 for a body of another kind, 503 `storage_unavailable`.
    """
    if request.headers.get("content-length") == "0":
        raise _empty_body()
    kind = content_type_of(request)
    if kind == "multipart/form-data":
        return await _from_form(request, max_documents)
    body = _present(await SpooledFile.from_stream(request.stream()))
    if kind in _JSON_TYPES or kind.endswith("+json") or (kind in _VAGUE_TYPES and _is_object(body)):
        return body
    _check_document(body, kind)
    return Upload(DocumentSource(body, parse_filename(request.headers.get("content-disposition", "")) or ""))


def _is_object(body: SpooledFile) -> bool:
    """Whether a body of which its type says nothing can only be JSON: no document begins like that."""
    return body.read(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{")


def _check_document(body: SpooledFile, kind: str) -> None:
    """Takes a document under whatever type it comes; ServiceError 415 for what is none and says so."""
    if kind in _DOCUMENT_TYPES or kind.startswith("image/"):
        return
    try:
        media_type(body.read(HEAD_BYTES))
    except ServiceError:
        raise ServiceError(
            415,
            "unsupported_content_type",
            f"A body of type {kind[:80]!r} is not understood: send multipart/form-data with `file`, application/json "
            "with `source`, or the document's bytes as application/octet-stream.",
        ) from None


async def _from_form(request: Request, max_documents: int) -> Upload:
    async with read_form(request, max_documents) as form:
        files = _files(form, max_documents)
        first, *others = [await keep_document(file) for file in files]
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        return Upload(first, fields, others or None)


def _files(form: FormData, max_documents: int) -> Sequence[UploadFile]:
    """At least one."""
    items = form.multi_items()
    items = [item for item in items if not _is_empty_input(item[1])] or items
    sources = [name for name, value in items if isinstance(value, UploadFile) or name in ("file", "source", *_KINDS)]
    files = [value for name, value in items if name == "file" and isinstance(value, UploadFile)]
    if len(sources) > len(files) > 0 or len(sources) > max_documents:
        named = ", ".join(f"`{name[:40]}`" for name in sources[:_MAX_NAMED])
        most = "One document" if max_documents == 1 else f"At most {max_documents} documents"
        raise ServiceError(400, "ambiguous_source", f"{most} at a time, each as `file`; this form holds {named}.")
    if not files:
        raise ServiceError(
            400, "no_source", "The form holds no document: send it as a file part named `file` (curl -F file=@a.pdf)."
        )
    return files


def _is_empty_input(value: UploadFile | str) -> bool:
    """Whether it is what browsers send of an input for files in which nothing was chosen, beside another one."""
    return isinstance(value, UploadFile) and not value.filename and not value.size


def parse_upload(body: SplitBody) -> Upload:
    """Raises ServiceError: 400 for what names no document, or several; 422 `invalid_option`."""
    rest = dict(body.rest)
    source = rest.pop("source", None)
    if source is not None and "file" in rest:
        raise ServiceError(400, "ambiguous_source", "The body holds `source` and `file`; one document at a time.")
    check_types(rest)
    return Upload(parse_source(source, body.document), list(rest.items()))


def parse_source(source: Any, document: SpooledFile | None) -> DocumentSource:  # noqa: ANN401 - whatever JSON can hold
    """`document`: what stood at the source's `base64`. Raises as `parse_upload`."""
    kind = _kind(source)
    if kind == "url":
        return DocumentSource(None, _name(source), url=source["url"])
    if kind == "s3":
        place = _s3_source(source["s3"])
        return DocumentSource(None, _name(source) or place.key.rpartition("/")[2], s3=place)
    return DocumentSource(_decoded(document, source["base64"]), _name(source))


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


def _decoded(document: SpooledFile | None, value: object) -> SpooledFile:
    """`value`: what stands at the document's place."""
    if not isinstance(value, str):
        raise ServiceError(400, "invalid_base64", "`source.base64` must be a string.")
    if document is None or not document.size:
        raise ServiceError(400, "empty_document", "`source.base64` is empty.")
    return document


def _name(source: Mapping[str, Any]) -> str:
    name = source.get("name")
    return name if isinstance(name, str) else ""


def _present(body: SpooledFile) -> SpooledFile:
    if not body.size:
        raise _empty_body()
    return body


def _empty_body() -> ServiceError:
    return ServiceError(400, "empty_body", "The request has no body; send a document.")
