"""Connections to a service: where it is, how a call is tried until it succeeds, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import os
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from typing import TypeVar

import httpx2
import msgspec

from paddleocr_vl_client.calls import Call
from paddleocr_vl_client.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    InvalidResponseError,
    status_error,
)
from paddleocr_vl_client.pauses import RetryPolicy

URL_VARIABLE = "PADDLEOCR_VL_URL"
KEY_VARIABLE = "PADDLEOCR_VL_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8081"
DEFAULT_TIMEOUT_S = 900.0
"""Longer than the service's own deadline for a request, which ends it with a reason."""
_CONNECT_S = 10.0
_USER_AGENT = "paddleocr-vl-client"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a service is; `timeout_s` is how long it may send nothing."""

    base_url: str
    api_key: str | None
    timeout_s: float

    @property
    def headers(self) -> dict[str, str]:
        key = {"X-API-Key": self.api_key} if self.api_key else {}
        return {"User-Agent": _USER_AGENT, **key}

    @property
    def timeout(self) -> httpx2.Timeout:
        return httpx2.Timeout(self.timeout_s, connect=_CONNECT_S, pool=None)

    @property
    def tls(self) -> ssl.SSLContext | bool:
        """For https this machine's certificates, which take 20 ms to load; for http none, so that no one is trusted."""
        is_secure = httpx2.URL(self.base_url).scheme == "https"
        return True if is_secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def find_endpoint(base_url: str | None, api_key: str | None, timeout_s: float) -> Endpoint:
    """What is not given is taken from the environment. ValueError where the URL is none, or no header can hold the
    key."""
    url = (base_url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).strip().rstrip("/")
    if not _is_url(url):
        raise ValueError(f"{url} is no URL of a service; one is like {DEFAULT_URL}.")
    # Secrets from files often end with a line break.
    key = (api_key or os.environ.get(KEY_VARIABLE) or "").strip()
    if key and not (key.isascii() and key.isprintable()):
        raise ValueError("The API key holds characters that keys can't have.")
    return Endpoint(url, key or None, timeout_s)


def _is_url(text: str) -> bool:
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def decode(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidResponseError(f"The answer is not that of a paddleocr-vl-service: {error}.") from error


class Connection:
    """The calls of one thread or of several."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, transport: httpx2.BaseTransport | None) -> None:
        self.policy = policy
        self._http = httpx2.Client(
            base_url=endpoint.base_url,
            headers=endpoint.headers,
            timeout=endpoint.timeout,
            verify=endpoint.tls,
            transport=transport,
        )

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call, use: Callable[[httpx2.Response], T]) -> T:
        """What `use` makes of the response, whose body is not read yet. Both are tried anew where that can help.

        Raises APIError.
        """
        retries = 0
        while True:
            try:
                with closing(self._attempt(call)) as response, translate_errors():
                    return use(response)
            except APIError as error:
                self.pause(retries, error)
            retries += 1

    def send_json(self, call: Call, kind: type[T]) -> T:
        return self.send(call, lambda response: decode(response.read(), kind))

    @contextmanager
    def open(self, call: Call) -> Iterator[httpx2.Response]:
        """A response of success, whose body is read in the context. Only what comes before the body is tried anew."""
        with closing(self._attempt_until_success(call)) as response:
            yield response

    def pause(self, retries: int, error: APIError) -> None:
        """Waits for the next try, or raises `error`."""
        time.sleep(_require_pause(self.policy, retries, error))

    def _attempt_until_success(self, call: Call) -> httpx2.Response:
        retries = 0
        while True:
            try:
                return self._attempt(call)
            except APIError as error:
                self.pause(retries, error)
            retries += 1

    def _attempt(self, call: Call) -> httpx2.Response:
        with translate_errors():
            response = self._http.send(self._http.build_request(**call.arguments()), stream=True)
            if response.is_success:
                return response
            with closing(response):
                raise status_error(response.status_code, response.read(), response.headers)


class AsyncConnection:
    """As `Connection`, for asyncio."""

    def __init__(self, endpoint: Endpoint, policy: RetryPolicy, transport: httpx2.AsyncBaseTransport | None) -> None:
        self.policy = policy
        self._http = httpx2.AsyncClient(
            base_url=endpoint.base_url,
            headers=endpoint.headers,
            timeout=endpoint.timeout,
            verify=endpoint.tls,
            transport=transport,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call, use: Callable[[httpx2.Response], Awaitable[T]]) -> T:
        retries = 0
        while True:
            try:
                async with _aclosing(await self._attempt(call)) as response:
                    with translate_errors():
                        return await use(response)
            except APIError as error:
                await self.pause(retries, error)
            retries += 1

    async def send_json(self, call: Call, kind: type[T]) -> T:
        async def read(response: httpx2.Response) -> T:
            return decode(await response.aread(), kind)

        return await self.send(call, read)

    @asynccontextmanager
    async def open(self, call: Call) -> AsyncIterator[httpx2.Response]:
        async with _aclosing(await self._attempt_until_success(call)) as response:
            yield response

    async def pause(self, retries: int, error: APIError) -> None:
        await asyncio.sleep(_require_pause(self.policy, retries, error))

    async def _attempt_until_success(self, call: Call) -> httpx2.Response:
        retries = 0
        while True:
            try:
                return await self._attempt(call)
            except APIError as error:
                await self.pause(retries, error)
            retries += 1

    async def _attempt(self, call: Call) -> httpx2.Response:
        with translate_errors():
            response = await self._http.send(self._http.build_request(**call.arguments()), stream=True)
            if response.is_success:
                return response
            async with _aclosing(response):
                raise status_error(response.status_code, await response.aread(), response.headers)


@asynccontextmanager
async def _aclosing(response: httpx2.Response) -> AsyncIterator[httpx2.Response]:
    try:
        yield response
    finally:
        await response.aclose()


@contextmanager
def translate_errors() -> Iterator[None]:
    """httpx's exceptions as this package's own."""
    try:
        yield
    except httpx2.TimeoutException as error:
        raise APITimeoutError(f"The service did not answer in time ({_reason(error)}).") from error
    except httpx2.SSEError as error:
        raise InvalidResponseError("The answer is not a stream of events.") from error
    except httpx2.TransportError as error:
        place = _place_of(error)
        raise APIConnectionError(f"The service{place} can't be reached ({_reason(error)}).") from error
    except (httpx2.InvalidURL, httpx2.DecodingError, httpx2.TooManyRedirects) as error:
        raise InvalidResponseError(f"The URL or the answer can't be understood ({_reason(error)}).") from error


def _place_of(error: httpx2.TransportError) -> str:
    try:
        url = error.request.url
    except RuntimeError:
        return ""
    return f" at {url.scheme}://{url.netloc.decode()}"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _require_pause(policy: RetryPolicy, retries: int, error: APIError) -> float:
    pause_s = policy.pause_s(retries, error)
    if pause_s is None:
        raise error
    return pause_s
