"""What can go wrong, as exceptions. An error of the service is told by its HTTP status and its stable `code`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec


class APIError(Exception):
    """Base of all errors of this package. The message is one sentence for a person."""


class APIConnectionError(APIError):
    """The service was not reached, or the connection broke."""


class APITimeoutError(APIConnectionError):
    """The service did not answer in time."""


class InvalidResponseError(APIError):
    """What answered is not this service, or not a version that this client understands."""


class APIStatusError(APIError):
    """The service answered with an error.

    `code` is its stable name (docs/api.md), empty where something in front of the service answered. `retry_after_s` are
    the seconds of `Retry-After`, None where there is none. `request_id` finds the request in the service's log.
    """

    def __init__(
        self, status: int, code: str, detail: str, request_id: str = "", retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class BadRequestError(APIStatusError):
    """400: the request or the document is broken."""


class AuthenticationError(APIStatusError):
    """401: the service needs a key, or another one."""


class PermissionDeniedError(APIStatusError):
    """403."""


class NotFoundError(APIStatusError):
    """404: no such job, page or path."""


class ConflictError(APIStatusError):
    """409: a job that has no result, or none yet."""


class TooLargeError(APIStatusError):
    """413: more bytes, pages or pixels than the service takes."""


class UnsupportedDocumentError(APIStatusError):
    """415: a document of a kind that is not read."""


class UnprocessableError(APIStatusError):
    """422: an option that can't be taken, or a document that can't be read."""


class RateLimitError(APIStatusError):
    """429: too much work waits."""


class ServerError(APIStatusError):
    """5xx: the service, its engine or its storage fails."""


_CLASSES: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: TooLargeError,
    415: UnsupportedDocumentError,
    422: UnprocessableError,
    429: RateLimitError,
}


class Problem(msgspec.Struct, frozen=True):
    """`application/problem+json` as the service writes it. A proxy's own may lack anything."""

    status: int = 0
    code: str = ""
    detail: str = ""
    request_id: str = ""


def status_error(status: int, body: bytes, headers: Mapping[str, str]) -> APIStatusError:
    """The error that an answer tells of; `headers` are looked up in small letters."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except msgspec.MsgspecError:
        problem = Problem()
    return _build(
        status,
        problem.code,
        problem.detail or _describe_status(status, headers.get("location")),
        problem.request_id or headers.get("x-request-id", ""),
        _seconds(headers.get("retry-after")),
    )


def problem_error(problem: Problem) -> APIStatusError:
    """The error that ends a stream, whose HTTP status was long sent."""
    return _build(problem.status, problem.code, problem.detail, problem.request_id)


def job_error(status: int, code: str, detail: str) -> APIStatusError:
    return _build(status, code, detail)


def _build(
    status: int, code: str, detail: str, request_id: str = "", retry_after_s: float | None = None
) -> APIStatusError:
    kind = _CLASSES.get(status, ServerError if status >= 500 else APIStatusError)
    return kind(status, code, detail, request_id, retry_after_s)


def _describe_status(status: int, location: str | None) -> str:
    name = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "unknown status"
    reason = f"it leads to {location}" if location else "without a reason"
    return f"The answer is HTTP {status} ({name}), {reason}."


def _seconds(value: str | None) -> float | None:
    """`Retry-After` in seconds. Its form with a date, which this service never sends, counts as none."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None
