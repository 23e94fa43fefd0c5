"""Every failure as RFC 9457 `application/problem+json` with a stable `code` and the request's id.

A dialect that says failures its own way on its own paths registers an `ErrorDialect` (`install_errors`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from gateway.errors import ServiceError

MEDIA_TYPE = "application/problem+json"
_TITLES = {499: "Client Closed Request"}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}

log = structlog.get_logger(__name__)


class Problem(BaseModel):
    type: str = Field("about:blank", description="Always `about:blank`; `code` tells problems apart")
    title: str = Field(description="The HTTP status in words", examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(description="What is wrong, and with which part", examples=["`dpi` must be at most 600."])
    code: str = Field(description="Stable name of the problem", examples=["invalid_option"])
    request_id: str = Field(description="Stands in `X-Request-ID` and in the log too", examples=["5f0c…"])


def problem(error: ServiceError, request_id: str) -> Problem:
    return Problem(
        type="about:blank",
        title=_title(error.status),
        status=error.status,
        detail=error.detail,
        code=error.code,
        request_id=request_id,
    )


@dataclass(frozen=True, slots=True)
class ErrorDialect:
    """How failures are said on some paths: `status` and `body` of an answer, `event` as the end of a stream."""

    owns: Callable[[str], bool]
    status: Callable[[ServiceError], int]
    body: Callable[[ServiceError, Scope], BaseModel]
    event: Callable[[ServiceError, Scope], bytes]
    media_type: str = "application/json"


def error_response(scope: Scope, error: ServiceError, headers: Mapping[str, str] | None = None) -> Response:
    dialect = _dialect_of(scope)
    body = dialect.body(error, scope).model_dump_json(by_alias=True)
    headers = {**(headers or {}), **_advice(error)}
    return Response(body, dialect.status(error), headers=headers, media_type=dialect.media_type)


def error_event(scope: Scope, error: ServiceError) -> bytes:
    """The failure as the end of a stream of events, whose status is long sent."""
    return _dialect_of(scope).event(error, scope)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the failures a route can answer."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _title(status), "content": content} for status in statuses}


def install_errors(app: FastAPI, dialects: Sequence[ErrorDialect] = ()) -> None:
    """Answers failures as `dialects` have it on their paths, as problems on all others."""
    app.state.error_dialects = dialects
    app.add_exception_handler(ServiceError, _on_service_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    if error.status >= 500:
        log.warning("request failed", code=error.code, detail=error.detail)
    return error_response(request.scope, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "http_error")
    found = ServiceError(error.status_code, code, str(error.detail))
    return error_response(request.scope, found, error.headers)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    found = ServiceError(422, "invalid_option", f"`{first['loc'][-1]}`: {first['msg']}.")
    return error_response(request.scope, found)


def shutting_down() -> ServiceError:
    return ServiceError(503, "shutting_down", "The service is shutting down.", retry_after_s=5)


def internal_error() -> ServiceError:
    return ServiceError(500, "internal_error", "The service failed on this request; its log has the details.")


def _advice(error: ServiceError) -> Mapping[str, str]:
    """What the client may do about it, as HTTP has it in headers."""
    if error.retry_after_s is not None:
        return {"Retry-After": str(error.retry_after_s)}
    return {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}


def _problem_of(error: ServiceError, scope: Scope) -> Problem:
    return problem(error, request_id(scope))


def _problem_event(error: ServiceError, scope: Scope) -> bytes:
    return f"event: error\ndata: {_problem_of(error, scope).model_dump_json()}\n\n".encode()


PROBLEMS = ErrorDialect(lambda _path: True, lambda error: error.status, _problem_of, _problem_event, MEDIA_TYPE)


def _dialect_of(scope: Scope) -> ErrorDialect:
    dialects: Sequence[ErrorDialect] = scope["app"].state.error_dialects if "app" in scope else ()
    return next((dialect for dialect in dialects if dialect.owns(scope["path"])), PROBLEMS)


def request_id(scope: Scope) -> str:
    return str(scope.get("request_id", ""))


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase
