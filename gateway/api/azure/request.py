"""An analysis as clients ask for it: JSON with a document or a URL, or the document itself as the body."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyHeader

from gateway.api.admission import Admission, cancel_on_disconnect, require_json
from gateway.api.auth import authorization_header, key_header, require_key
from gateway.api.azure.schema import LAYOUT, READ, AnalyzeOptions, AnalyzeRequest
from gateway.api.fastapi_errors import parse_fields
from gateway.api.forms import content_type_of
from gateway.conversion.json_bodies import DocumentPlace
from gateway.errors import ServiceError
from gateway.intake.fetch import parse_url_filename
from gateway.intake.sniff import HEAD_BYTES, PDF, media_type
from gateway.intake.spool import SpooledFile
from gateway.service import Service
from gateway.session import DocumentSource

DOCUMENT_PLACES = [DocumentPlace(("base64Source",), "base64")]
_BYTES = "application/octet-stream"
subscription_header = APIKeyHeader(
    name="Ocp-Apim-Subscription-Key", auto_error=False, description="One of `API_KEYS`, as Azure's clients send it"
)


async def require_subscription_key(
    request: Request,
    subscription: Annotated[str | None, Security(subscription_header)] = None,
    key: Annotated[str | None, Security(key_header)] = None,
    authorization: Annotated[str | None, Security(authorization_header)] = None,
) -> None:
    """As `require_key`, with Azure's header besides."""
    await require_key(request, "ocr", subscription or key, authorization)


def check_model(model_id: str, options: AnalyzeOptions) -> None:
    """ServiceError 404 `model_not_found`, 422 `invalid_option`."""
    if model_id not in (READ, LAYOUT):
        raise ServiceError(404, "model_not_found", f"Models are `{READ}` and `{LAYOUT}`.", param="modelId")
    if model_id == READ and "figures" in options.output:
        raise ServiceError(422, "invalid_option", f"`{READ}` finds no figures; `{LAYOUT}` does.", param="output")


async def read_source(request: Request, service: Service, admission: Admission) -> DocumentSource:
    """Raises as `ConversionPool.split` and `media_type`, and ServiceError 415 `unsupported_content_type`, 422
    `no_source`, `invalid_option`."""
    body = await admission.read_body(_read_body(request))
    if _is_document_type(request):
        return _check_document(body)
    work = service.conversion.split(DOCUMENT_PLACES, body, admission.flow, admission.deadline)
    sent = await cancel_on_disconnect(request.receive, work)
    asked = parse_fields(AnalyzeRequest, sent.rest)
    if (asked.url_source is None) == (asked.base64_source is None):
        raise ServiceError(422, "no_source", "Send one of `urlSource` and `base64Source`.")
    if asked.url_source is not None:
        return DocumentSource(None, parse_url_filename(asked.url_source), url=asked.url_source)
    return _check_document(sent.document)


async def _read_body(request: Request) -> SpooledFile:
    if not _is_document_type(request):
        require_json(request)
    return await SpooledFile.from_stream(request.stream())


def _is_document_type(request: Request) -> bool:
    kind = content_type_of(request)
    return kind in (_BYTES, PDF) or kind.startswith("image/")


def _check_document(content: SpooledFile | None) -> DocumentSource:
    """Azure tells at once of what is no document."""
    media_type(content.read(HEAD_BYTES) if content else b"")
    return DocumentSource(content, "")
