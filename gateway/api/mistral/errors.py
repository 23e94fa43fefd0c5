"""Failures as Mistral says them: fields at fault as FastAPI does, all else as an `error` object."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel

from gateway.api.fastapi_errors import FastApiError, field_errors
from gateway.api.problems import PROBLEMS, ErrorDialect
from gateway.errors import ServiceError

OCR, FILES = "/v1/ocr", "/v1/files"
_ABOUT_REQUEST = frozenset(
    {"invalid_option", "invalid_json", "invalid_base64", "invalid_multipart", "unsupported_content_type", "no_source"}
)
_REFUSED = frozenset({400, 415, 422})
_TYPES = {401: "unauthorized", 404: "not_found", 429: "rate_limited"}


class MistralError(BaseModel):
    object: Literal["error"] = "error"
    message: str
    type: str
    param: str | None = None
    code: str


def map_status(error: ServiceError) -> int:
    """422 for what is wrong with the request, 400 for a document that can't be read."""
    if error.status not in _REFUSED:
        return error.status
    return 422 if error.code in _ABOUT_REQUEST else 400


def make_error(error: ServiceError) -> FastApiError | MistralError:
    status = map_status(error)
    if status == 422:
        return FastApiError(detail=field_errors(error))
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return MistralError(message=error.detail, type=kind, param=error.param, code=error.code)


def mistral_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures."""
    return {
        status: {"model": FastApiError if status == 422 else MistralError, "description": HTTPStatus(status).phrase}
        for status in statuses
    }


DIALECT = ErrorDialect(
    owns=lambda path: path in (OCR, FILES) or path.startswith(f"{FILES}/"),
    status=map_status,
    body=lambda error, _scope: make_error(error),
    event=PROBLEMS.event,
)
"""It has no streams."""
