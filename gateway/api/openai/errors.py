"""Failures in OpenAI's shape, so that its clients raise the right exception."""

from __future__ import annotations

from pydantic import BaseModel, Field

from gateway.api.problems import ErrorDialect
from gateway.errors import ServiceError

DONE = b"data: [DONE]\n\n"
"""How every stream of OpenAI's API ends."""

_PREFIX = "/v1/"
_NOT_OPENAI = "/v1/health/"
"""Probes as platforms ask for them."""
_STATUSES = {415: 400, 422: 400}
"""OpenAI's API has fewer statuses: whatever is wrong with a request is 400."""
_TYPES = {429: "rate_limit_error"}


class ErrorDetail(BaseModel):
    message: str = Field(description="What is wrong, and with which part")
    type: str = Field(description="`invalid_request_error`, `rate_limit_error` or `server_error`")
    param: str | None = Field(None, description="The field at fault", examples=["messages[0].content"])
    code: str | None = Field(None, description="Stable name of the error", examples=["unknown_parameter"])


class OpenAIError(BaseModel):
    error: ErrorDetail


def speaks_openai(path: str) -> bool:
    """Whether a path belongs to OpenAI's API, known or not."""
    return f"{path}/".startswith(_PREFIX) and not path.startswith(_NOT_OPENAI)


def openai_status(error: ServiceError) -> int:
    return _STATUSES.get(error.status, error.status)


def openai_error(error: ServiceError) -> OpenAIError:
    status = openai_status(error)
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")
    return OpenAIError(error=ErrorDetail(message=error.detail, type=kind, param=error.param, code=error.code))


def openai_error_event(error: ServiceError) -> bytes:
    return b"data: " + openai_error(error).model_dump_json().encode() + b"\n\n" + DONE


DIALECT = ErrorDialect(
    owns=speaks_openai,
    status=openai_status,
    body=lambda error, _scope: openai_error(error),
    event=lambda error, _scope: openai_error_event(error),
)
