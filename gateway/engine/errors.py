"""The few ways in which talk to the engine can fail, and the one place that maps OpenAI's exceptions to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import httpx2
from openai import APIConnectionError, APIStatusError, APITimeoutError

FailureKind = Literal["unreachable", "dropped", "late", "busy", "broken", "rejected", "garbled", "away"]

BUSY_STATUSES = (429, 503)
_REJECTIONS = frozenset({400, 404, 413, 422})
_CONTEXT = re.compile(r"(maximum|model'?s|available|max\w*) (model |context )+(length|len|size|window)", re.IGNORECASE)
"""How vLLM 0.32 (`renderers/params.py`, `v1/engine/input_processor.py`, `get_max_tokens`), SGLang and llama.cpp say
that prompt and picture hold more tokens than the context."""


class EngineFailure(Exception):
    """A request to the engine that got no answer.

    `unreachable`: no connection; `dropped`: connection lost while it worked; `late`: no answer in time; `busy`: 429 or
    503; `broken`: another 5xx; `rejected`: another 4xx; `garbled`: an answer that makes no sense; `away`: not
    asked, for the engine or the time to ask it was gone. `sentence` is for clients: it holds nothing that the engine
    said. `status` is the HTTP status, where there was one.
    """

    def __init__(self, kind: FailureKind, sentence: str, status: int | None = None) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.status = status


class RequestRejected(EngineFailure):
    """The engine refused what the client asked for. `reason`: `context`: more tokens than it takes; `model`: a name it
    does not serve; `other`. `field` is the field of the request that it named, if it named one."""

    def __init__(self, reason: Literal["context", "model", "other"], field: str | None = None) -> None:
        super().__init__("rejected", "The recognition engine rejected the request.", 400)
        self.reason = reason
        self.field = field


def garbled() -> EngineFailure:
    return EngineFailure("garbled", "The recognition engine gave an answer that could not be understood.")


StatusMapper = Callable[[APIStatusError], EngineFailure]
"""Maps an HTTP status other than success, and the body that came with it."""


def map_status(error: APIStatusError) -> EngineFailure:
    """Maps the refusal of a request that the gateway made up itself: only the status counts."""
    status = error.status_code
    if status in BUSY_STATUSES:
        return EngineFailure("busy", f"The recognition engine takes no more work now (HTTP {status}).", status)
    if status >= 500:
        return EngineFailure("broken", f"The recognition engine failed (HTTP {status}).", status)
    if status in (401, 403):
        return EngineFailure("rejected", f"The recognition engine refused the API key (HTTP {status}).", status)
    return EngineFailure("rejected", f"The recognition engine rejected the request (HTTP {status}).", status)


def map_client_status(error: APIStatusError) -> EngineFailure:
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
    """Turns what the OpenAI client raises into EngineFailure.

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
        raise EngineFailure("late", "The recognition engine did not answer in time.") from error
    except httpx2.TimeoutException as error:
        raise EngineFailure("late", "The recognition engine did not go on in time.") from error
    except httpx2.RequestError as error:
        raise EngineFailure("dropped", "The recognition engine broke its answer off.") from error


def _map_connection_error(error: APIConnectionError) -> EngineFailure:
    if isinstance(error.__cause__, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        return EngineFailure("unreachable", "The recognition engine could not be reached.")
    if isinstance(error, APITimeoutError):
        return EngineFailure("late", "The recognition engine did not answer in time.")
    return EngineFailure("dropped", "The recognition engine closed the connection before it answered.")
