"""Every failure as RFC 9457 `application/problem+json` with a stable `code` and the request's id; below `/v1/`, which
speaks OpenAI's API, in OpenAI's shape; on PaddleX's paths in PaddleX's envelope.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from gateway.api.openai.errors import openai_error, openai_error_event, openai_status, speaks_openai
from gateway.api.paddlex.errors import paddlex_error, paddlex_status, speaks_paddlex
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


def error_response(scope: Scope, error: ServiceError, headers: Mapping[str, str] | None = None) -> Response:
    headers = {**(headers or {}), **_advice(error)}
    if speaks_openai(scope["path"]):
        shown = openai_error(error)
        return Response(shown.model_dump_json(), openai_status(error), headers=headers, media_type="application/json")
    if speaks_paddlex(scope["path"]):
        envelope = paddlex_error(error, scope.get("log_id") or _request_id(scope)).model_dump_json(by_alias=True)
        return Response(envelope, paddlex_status(error), headers=headers, media_type="application/json")
    shown_problem = problem(error, _request_id(scope))
    return Response(shown_problem.model_dump_json(), error.status, headers=headers, media_type=MEDIA_TYPE)


def error_event(scope: Scope, error: ServiceError) -> bytes:
    """The failure as the end of a stream of events, whose status is long sent."""
    if speaks_openai(scope["path"]):
        return openai_error_event(error)
    return f"event: error\ndata: {problem(error, _request_id(scope)).model_dump_json()}\n\n".encode()


def request_id_of(request: Request) -> str:
    return _request_id(request.scope)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the failures a route can answer."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    return {status: {"description": _title(status), "content": content} for status in statuses}


def install_errors(app: FastAPI) -> None:
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


def _request_id(scope: Scope) -> str:
    return str(scope.get("request_id", ""))


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase
