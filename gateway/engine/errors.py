"""The few ways in which talk to the engine can fail, and the one place that maps OpenAI's exceptions to them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError

from gateway.errors import ServiceError

ErrorKind = Literal[
    "unreachable", "connection_lost", "timeout", "busy", "server_error", "rejected", "invalid_response", "unavailable"
]

BUSY_STATUSES = (429, 503)
DEFAULT_RETRY_AFTER_S = 5
MAX_RETRY_AFTER_S = 3600
_REJECTIONS = frozenset({400, 404, 413, 422})
_CONTEXT = re.compile(
    r"(maximum|model'?s|available|max\w{0,20}) (model |context )+(length|len|size|window)", re.IGNORECASE
)
"""How vLLM 0.32 (`renderers/params.py`, `v1/engine/input_processor.py`, `get_max_tokens`), SGLang and llama.cpp say
that prompt and picture hold more tokens than the context."""


class EngineError(Exception):
    """A request to the engine that got no answer.

    `unreachable`: no connection; `connection_lost`: while it worked; `timeout`: no answer in time; `busy`: 429 or 503;
    `server_error`: another 5xx; `rejected`: another 4xx; `invalid_response`: an answer that makes no sense;
    `unavailable`: not asked, for the engine or the time to ask it was gone. `message` is for clients: it holds nothing
    that the engine said. `status` is the HTTP status, where there was one, `retry_after_s` when a busy engine wants to
    be asked again.
    """

    def __init__(
        self, kind: ErrorKind, message: str, status: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


class RequestRejected(EngineError):
    """The engine refused what the client asked for. `reason`: `context`: more tokens than it takes; `model`: a name it
    does not serve; `other`. `field` is the field of the request that it named, if it named one."""

    def __init__(self, reason: Literal["context", "model", "other"], field: str | None = None) -> None:
        super().__init__("rejected", "The recognition engine rejected the request.", 400)
        self.reason = reason
        self.field = field


class ResponseTooLarge(httpx2.RequestError):
    """An answer has grown beyond its bound."""


def invalid_response() -> EngineError:
    return EngineError("invalid_response", "The recognition engine gave an answer that could not be understood.")


def unfinished_response() -> EngineError:
    """For an answer that ends as if it were whole and does not say why it ends: it may be half of one."""
    return EngineError("connection_lost", "The recognition engine broke its answer off.")


def busy_error(failure: EngineError) -> ServiceError:
    """What a client is told of an engine that takes no more work: as the engine says it, 429 or 503."""
    retry_after_s = failure.retry_after_s or DEFAULT_RETRY_AFTER_S
    code = "queue_full" if failure.status == 429 else "vlm_unavailable"
    return ServiceError(429 if failure.status == 429 else 503, code, failure.message, retry_after_s=retry_after_s)


StatusMapper = Callable[[APIStatusError], EngineError]
"""Maps an HTTP status other than success, and the body that came with it."""


def map_status(error: APIStatusError) -> EngineError:
    """Maps the refusal of a request that the gateway made up itself: only the status counts."""
    status = error.status_code
    if status in BUSY_STATUSES:
        retry_after_s = _retry_after_s(error.response.headers.get("Retry-After", ""))
        return EngineError(
            "busy", f"The recognition engine takes no more work now (HTTP {status}).", status, retry_after_s
        )
    if status >= 500:
        return EngineError("server_error", f"The recognition engine failed (HTTP {status}).", status)
    if status in (401, 403):
        return EngineError("rejected", f"The recognition engine refused the API key (HTTP {status}).", status)
    return EngineError("rejected", f"The recognition engine rejected the request (HTTP {status}).", status)


def _retry_after_s(value: str) -> int | None:
    """Seconds from now, of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); None for what is neither."""
    value = value.strip()[:64]
    if value.isascii() and value.isdigit():
        return min(int(value), MAX_RETRY_AFTER_S)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    left_s = (at if at.tzinfo else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(math.ceil(left_s.total_seconds()), 0), MAX_RETRY_AFTER_S)


def map_client_status(error: APIStatusError) -> EngineError:
    """Maps the refusal of what a client asked for: RequestRejected for what the client must change."""
    if error.status_code not in _REJECTIONS:
        return map_status(error)
    if error.status_code == 404:
        return RequestRejected("model")
    if _CONTEXT.search(error.response.text):
        return RequestRejected("context")
    # The library takes `param` from the engine's JSON as it is, whatever its type.
    return RequestRejected("other", error.param if isinstance(error.param, str) else None)


@contextmanager
def map_errors(status_mapper: StatusMapper = map_status) -> Iterator[None]:
    """Turns what the OpenAI client raises into EngineError.

    The client raises its own exceptions until an answer has begun; while the body of a raw response is read, those of
    httpx2 come through. `TimeoutError` is the deadline of the whole call.
    """
    try:
        yield
    except APIStatusError as error:
        raise status_mapper(error) from error
    except APIConnectionError as error:
        raise _map_connection_error(error) from error
    except TimeoutError as error:
        raise EngineError("timeout", "The recognition engine did not answer in time.") from error
    except httpx2.TimeoutException as error:
        raise EngineError("timeout", "The recognition engine did not go on in time.") from error
    except ResponseTooLarge as error:
        raise EngineError("invalid_response", "The recognition engine's answer has no end, or is too large.") from error
    except httpx2.DecodingError as error:
        raise invalid_response() from error
    except httpx2.RequestError as error:
        raise EngineError("connection_lost", "The recognition engine broke its answer off.") from error


def _map_connection_error(error: APIConnectionError) -> EngineError:
    if isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        return EngineError("unreachable", "The recognition engine could not be reached.")
    if isinstance(error, APITimeoutError):
        return EngineError("timeout", "The recognition engine did not answer in time.")
    return EngineError("connection_lost", "The recognition engine closed the connection before it answered.")
