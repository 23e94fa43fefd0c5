"""A conversion as docling-serve's clients ask for it: a form with a file, or JSON with a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData

from gateway.api.admission import Admission, cancel_on_disconnect, require_json
from gateway.api.docling.schema import ConvertOptions, ConvertRequest, FileSource, Target
from gateway.api.fastapi_errors import find_only_file, parse_fields, require_form
from gateway.api.forms import keep_document, read_form, text_fields
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.fetch import parse_url_filename
from gateway.intake.spool import SpooledFile
from gateway.service import Service
from gateway.session import DocumentSource

DIALECT_NAME = "docling"
DOCUMENT_PLACES = [DocumentPlace(("sources", "*", "base64_string"), "base64")]
_LISTS = ("to_formats", "page_range")
_PRESIGNED = "presigned_url"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is to be converted, and to what."""

    source: DocumentSource
    options: ConvertOptions
    target: Target


async def read_file_request(request: Request) -> Conversion:
    """A multipart form. ServiceError as `read_form`; 422 `invalid_option`, `target_not_supported`."""
    require_form(request, "files")
    async with read_form(request) as form:
        options = parse_fields(ConvertOptions, _fields(form))
        target = _check_target(form.get("target_type") or "inbody")
        if form.get("callbacks") not in (None, "", "[]"):
            raise ServiceError(422, "invalid_option", "No callbacks are called; poll the task.", param="callbacks")
        return Conversion(await keep_document(find_only_file(form, "files")), options, target)


async def split_source_request(
    request: Request, service: Service, admission: Admission, body: SpooledFile
) -> Conversion:
    """JSON. Raises as `ConversionPool.split`, and ServiceError 422 `invalid_option`, `target_not_supported`."""
    work = service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, work)
    asked = parse_fields(ConvertRequest, sent.rest)
    target = _check_target(asked.target.kind)
    (source,) = asked.sources
    if not isinstance(source, FileSource):
        named = DocumentSource(None, parse_url_filename(source.url), url=source.url)
        return Conversion(named, asked.options, target)
    if sent.document is None or not sent.document.size:
        raise ServiceError(422, "invalid_option", "The document is empty.", param="sources.0.base64_string")
    return Conversion(DocumentSource(sent.document, source.filename), asked.options, target)


async def read_source_request(request: Request) -> SpooledFile:
    require_json(request)
    return await SpooledFile.from_stream(request.stream())


def _fields(form: FormData) -> Mapping[str, Any]:
    """Values by name; of those that are lists, all that were given."""
    given = text_fields(form)
    lists = {name: [value for key, value in given if key == name] for name in _LISTS}
    return {**dict(given), **{name: values for name, values in lists.items() if values}}


def _check_target(kind: object) -> Target:
    if kind == "inbody" or kind == "zip":
        return kind
    if kind == _PRESIGNED:
        # Clients that ask for it first know this sentence, and go on with `inbody`.
        detail = "The target presigned_url requires artifact storage to be configured; ask for inbody or zip."
        raise ServiceError(422, "target_not_supported", detail)
    raise ServiceError(422, "invalid_option", "Targets are `inbody` and `zip`.", param="target")
