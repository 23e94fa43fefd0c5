"""Failures as Azure says them: an `error` with a code of its own, and in it the service's."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_pascal

from gateway.api.problems import PROBLEMS, ErrorDialect
from gateway.errors import ServiceError

MODELS = "/documentintelligence/documentModels"
FORM_MODELS = "/formrecognizer/documentModels"
"""Where clients of the time when it was called Form Recognizer look."""
_CODES = {
    400: "InvalidRequest",
    401: "401",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    413: "InvalidRequest",
    415: "UnsupportedMediaType",
    429: "429",
    503: "ServiceUnavailable",
}
_INNER_CODES = {
    "body_too_large": "InvalidContentLength",
    "empty_document": "InvalidContent",
    "invalid_option": "InvalidParameter",
    "invalid_pages": "InvalidParameter",
    "no_source": "ParameterMissing",
    "unsupported_media_type": "InvalidContent",
}
"""Azure's names; where it has none, ours."""


class InnerError(BaseModel):
    code: str = Field(examples=["InvalidContent"])
    message: str


class AzureError(BaseModel):
    code: str = Field(examples=["InvalidRequest"])
    message: str
    target: str | None = None
    innererror: InnerError


class ErrorResponse(BaseModel):
    error: AzureError


def map_status(error: ServiceError) -> int:
    """400 for whatever is wrong with a request or its document."""
    return 400 if error.status == 422 or error.code == "unsupported_media_type" else error.status


def make_error(error: ServiceError) -> AzureError:
    inner = _INNER_CODES.get(error.code) or to_pascal(error.code)
    code = _CODES.get(map_status(error), "InternalServerError" if error.status >= 500 else "InvalidRequest")
    return AzureError(
        code=code,
        message=error.detail,
        target=error.param,
        innererror=InnerError(code=inner, message=error.detail),
    )


def azure_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of failures."""
    return {status: {"model": ErrorResponse, "description": HTTPStatus(status).phrase} for status in statuses}


DIALECT = ErrorDialect(
    owns=lambda path: path.startswith(("/documentintelligence/", "/formrecognizer/")),
    status=map_status,
    body=lambda error, _scope: ErrorResponse(error=make_error(error)),
    event=PROBLEMS.event,
)
"""It has no streams."""
