"""Talk to the engine by the OpenAI library. Import it through `gateway.recognition.connection`: it takes a second."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import httpx2
from openai import (
    APIConnectionError,
    APIResponseValidationError,
    APIStatusError,
    AsyncOpenAI,
    DefaultAioHttpClient,
)

from gateway.recognition.failures import EngineFailure, garbled
from gateway.settings import Settings

BUSY_STATUSES = (429, 503)
MAX_CONNECTIONS = 10_000
"""More than any number of calls in flight: the queue bounds those, a second bound here would only hide waiting."""
CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 2.0
"""Less than uvicorn's 5 s, so that nothing is sent on a connection which the engine is just closing."""


def create_client(settings: Settings) -> AsyncOpenAI:
    """The client for all talk to the engine. Retries are ours; the environment's proxy is for distant engines only."""
    http = DefaultAioHttpClient(
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_S),
        trust_env=settings.vlm_engine == "external",
    )
    key = settings.vlm_api_key or "none"
    return AsyncOpenAI(base_url=settings.engine_url, api_key=key, max_retries=0, http_client=http)


def within(seconds: float) -> httpx2.Timeout:
    return httpx2.Timeout(seconds, connect=min(CONNECT_TIMEOUT_S, seconds))


@contextmanager
def as_engine_failure() -> Iterator[None]:
    """Turns what the client library raises into EngineFailure."""
    try:
        yield
    except TimeoutError as error:
        raise EngineFailure("late", "The recognition engine did not answer in time.") from error
    except APIConnectionError as error:
        raise _connection_failure(error) from error
    except APIStatusError as error:
        raise _status_failure(error.status_code) from error
    except (APIResponseValidationError, json.JSONDecodeError) as error:
        raise garbled() from error


async def get(client: AsyncOpenAI, url: str, timeout_s: float) -> bytes:
    """Body of a path below the base URL, or of a whole URL; raises EngineFailure."""
    with as_engine_failure():
        response = await client.get(url, cast_to=httpx2.Response, options={"timeout": within(timeout_s)})
    return response.content


def _connection_failure(error: APIConnectionError) -> EngineFailure:
    """The aiohttp transport reports every lost connection as a connect timeout; the cause tells them apart."""
    causes = list(_causes(error))
    if any(isinstance(cause, httpx2.ReadTimeout | httpx2.WriteTimeout) for cause in causes):
        return EngineFailure("late", "The recognition engine did not answer in time.")
    never_connected = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    if any(isinstance(cause, never_connected) for cause in causes):
        return EngineFailure("unreachable", "The recognition engine could not be reached.")
    return EngineFailure("dropped", "The recognition engine closed the connection before it answered.")


def _status_failure(status: int) -> EngineFailure:
    if status in BUSY_STATUSES:
        return EngineFailure("busy", f"The recognition engine takes no more work now (HTTP {status}).", status)
    if status >= 500:
        return EngineFailure("broken", f"The recognition engine failed (HTTP {status}).", status)
    if status in (401, 403):
        return EngineFailure("rejected", f"The recognition engine refused the API key (HTTP {status}).", status)
    return EngineFailure("rejected", f"The recognition engine rejected the request (HTTP {status}).", status)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = error.__cause__
    while cause is not None:
        yield cause
        cause = cause.__cause__
