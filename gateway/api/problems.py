"""Every failure as RFC 9457 `application/problem+json` with a stable `code` and the request's id.

A dialect that says failures its own way on its own paths registers an `ErrorDialect` (`install_errors`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from pydantic_core import to_json
from rapidfuzz import fuzz, process
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from gateway.errors import ServiceError

MEDIA_TYPE = "application/problem+json"
ERROR_DIALECT = "error_dialect"
ABOUT_DOCUMENT = frozenset({400, 413, 415, 422})
"""Statuses of what concerns a document itself, which some dialects tell of in an answer."""
_MAX_DETAIL = 12_000
_DOCUMENTS = ("/docs", "/redoc", "/openapi.json")
"""Paths that the schema does not tell of."""
_TITLES = {499: "Client Closed Request"}
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}

log = structlog.get_logger(__name__)
MAX_PATH = 200
"""Characters; none of our paths is nearly as long. What a path costs is so at most this times the paths there are."""
_LEAST_LIKENESS, _ALMOST_ALIKE = 75, 90


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
    error.detail = _shorten(error.detail)
    body = dialect.body(error, scope).model_dump_json(by_alias=True)
    headers = {**(headers or {}), **advice(error)}
    return Response(body, dialect.status(error), headers=headers, media_type=dialect.media_type)


def _shorten(detail: str) -> str:
    """An answer to a failure stays below 16 kB, whatever of the request it repeats: escaped, a control character is six
    bytes, twice so in PaddleX's messages."""
    return detail if len(to_json(detail)) <= _MAX_DETAIL else f"{detail[: _MAX_DETAIL // 12]}…"


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
    # Made once, which takes most of a second.
    paths: Mapping[str, Mapping[str, Any]] = (await asyncio.to_thread(request.app.openapi))["paths"]
    headers = _allow_all_methods(request.scope, paths, error.headers)
    detail = str(error.detail)
    if error.status_code == 404:
        detail = _describe_missing_path(request.scope, paths)
    elif headers and "Allow" in headers:
        detail = f"{detail}: this path takes {headers['Allow']}."
    return error_response(request.scope, ServiceError(error.status_code, code, detail), headers)


def _describe_missing_path(scope: Scope, paths: Iterable[str]) -> str:
    found = suggest_path(route_path(scope), (*paths, *_DOCUMENTS))
    prefix = _prefix(scope)
    hint = f"Did you mean `{prefix}{found}`?" if found else f"`{prefix}/docs` lists all."
    return f"There is no such path. {hint}"


def _allow_all_methods(
    scope: Scope, paths: Mapping[str, Mapping[str, Any]], headers: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """`Allow` with the methods of all routes of the path: Starlette names those of the first one."""
    operations = paths.get(getattr(scope.get("route"), "path_format", route_path(scope)), {})
    if not headers or "Allow" not in headers or not operations:
        return headers
    return {**headers, "Allow": ", ".join(sorted(name.upper() for name in operations))}


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = next(step for step in reversed(first["loc"]) if isinstance(step, str))
    detail = f"`{name[:80]}`: {first['msg'][:300]}."
    found = ServiceError(422, "invalid_option", detail, param=name[:80], part=str(first["loc"][0]))
    return error_response(request.scope, found)


def shutting_down() -> ServiceError:
    return ServiceError(503, "shutting_down", "The service is shutting down.", retry_after_s=5)


def internal_error() -> ServiceError:
    return ServiceError(500, "internal_error", "The service failed on this request; its log has the details.")


def advice(error: ServiceError) -> Mapping[str, str]:
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
    """A route that several dialects share says in the scope which one it was asked in."""
    if ERROR_DIALECT in scope:
        asked: ErrorDialect = scope[ERROR_DIALECT]
        return asked
    dialects: Sequence[ErrorDialect] = scope["app"].state.error_dialects if "app" in scope else ()
    path = route_path(scope)
    return next((dialect for dialect in dialects if dialect.owns(path)), PROBLEMS)


def route_path(scope: Scope) -> str:
    """The path without the prefix that a proxy has put before it."""
    path: str = scope["path"]
    return path.removeprefix(_prefix(scope))


def _prefix(scope: Scope) -> str:
    """Without that of an application that is mounted below ours."""
    return str(scope.get("app_root_path", scope.get("root_path", "")))


def request_id(scope: Scope) -> str:
    return str(scope.get("request_id", ""))


def _title(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def suggest_path(path: str, known: Iterable[str]) -> str | None:
    """The known path that is most like it, or None. `{}` in a known one stands for any part between two slashes.

    One that is spelt almost alike goes before one that only begins otherwise, as after a wrong base URL.
    """
    if len(path) > MAX_PATH:
        return None
    asked = _split(path.lower())
    split = {name: _split(name) for name in known if name != "/"}
    candidates = {name: parts for name, parts in split.items() if _names_are_alike(parts, asked)}
    filled = {name: _join(_fill(parts, asked)) for name, parts in candidates.items()}
    found = process.extractOne(_join(asked), filled, scorer=fuzz.ratio, score_cutoff=_LEAST_LIKENESS)
    if found and found[1] >= _ALMOST_ALIKE:
        return str(found[2])
    if tails := [name for name, parts in candidates.items() if _is_tail(parts, asked)]:
        return max(tails, key=lambda name: len(candidates[name]))
    if wholes := [name for name, parts in candidates.items() if _is_tail(asked, parts)]:
        return min(wholes, key=lambda name: len(candidates[name]))
    return str(found[2]) if found else None


def _split(path: str) -> Sequence[str]:
    return [part for part in path.split("/") if part]


def _join(parts: Sequence[str]) -> str:
    return "".join(f"/{part}" for part in parts)


def _is_tail(parts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether `whole` ends with `parts`, of which one at least is named."""
    tail = whole[-len(parts) :] if 0 < len(parts) < len(whole) else ()
    pairs = list(zip(parts, tail, strict=False))
    return any(one == other for one, other in pairs) and all(
        one == other or one.startswith("{") or other.startswith("{") for one, other in pairs
    )


def _names_are_alike(parts: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether the names in the known path are like what stands in their places: its open places are like anything."""
    if len(parts) != len(asked):
        return True
    pairs = [(part, other) for part, other in zip(parts, asked, strict=True) if not part.startswith("{")]
    named, found = (_join([pair[at] for pair in pairs]) for at in (0, 1))
    return fuzz.ratio(named, found) >= _LEAST_LIKENESS


def _fill(parts: Sequence[str], asked: Sequence[str]) -> Sequence[str]:
    """The known path with what was asked for in its open places, so that only its names are compared."""
    if len(parts) != len(asked):
        return parts
    return [other if part.startswith("{") else part for part, other in zip(parts, asked, strict=True)]
