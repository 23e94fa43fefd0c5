"""HTTP to the engine: the OpenAI client over aiohttp.

httpx2's own client takes several times the CPU of aiohttp for a call, with its cookies, redirects, hooks and merging of
headers; `AiohttpClient` leaves them out. `make bench-client` measures both.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Self, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from openai import AsyncOpenAI, AsyncStream, Omit, RequestOptions

from gateway.engine.errors import ResponseTooLarge, map_errors
from gateway.settings import Settings
from gateway.tracing import trace_headers
from gateway.unpacking import Unpacker, UnpackError, parse_codings

CONNECT_TIMEOUT_S = 5.0
KEEPALIVE_S = 2.0
"""Less than uvicorn's 5 s, so that nothing is sent on a connection which the engine is just closing."""
USER_AGENT = "paddleocr-vl-service"
MAX_RESPONSE_BYTES = 8 * 2**20
"""Of any answer that is read as a whole: 16,384 tokens of a stream, each in an event of its own with its log
probability, stay below."""
MAX_CHAT_BYTES = 64 * 2**20
"""Of a chat's: 20 alternatives for each token stay below."""

_parse_url = lru_cache(maxsize=64)(httpx2.URL)


def create_openai_client(settings: Settings, base_url: str) -> AsyncOpenAI:
    """The client for all talk to the engine there; open it in the loop that uses it. Retries are not its task."""
    # The queue bounds the calls in flight; a second bound here would only hide waiting.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    proxy = proxy_for(base_url) if settings.vlm_engine == "external" else None
    # A header holds ASCII only. A key with anything else in it is for the engine to refuse, not for httpx2 to choke on.
    key = (settings.vlm_api_key or "none").encode("ascii", "replace").decode()
    return _Client(
        base_url=base_url,
        api_key=key,
        max_retries=0,
        http_client=AiohttpClient(connector, {"Authorization": f"Bearer {key}"}, proxy),
    )


class _Client(AsyncOpenAI):
    """Adds no header to a request, whatever `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID` and `OPENAI_CUSTOM_HEADERS` say.

    The library would tell each server of this machine (`X-Stainless-*`). The key is a header of the session: merged
    into each request anew, it costs time, and exceptions would carry it. See `_options` too.
    """

    @property
    def default_headers(self) -> dict[str, str | Omit]:
        return {}


def proxy_for(url: str) -> str | None:
    """The environment's proxy for a URL. aiohttp looks for it, and into `.netrc`, anew in a thread for each request."""
    parts = urlsplit(url)
    if proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class UpstreamResponse:
    """An answer that has begun. Closing it before its end closes the connection, which stops the engine's work."""

    def __init__(self, response: httpx2.Response) -> None:
        self.stream = cast("ResponseStream", response.stream)
        """The body as it arrives, once; raises httpx2's exceptions when it is cut off."""
        self.is_stream = self.stream.content_type == "text/event-stream"
        """Whether events come; some servers answer whole what was asked for as a stream."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body as it arrives; raises EngineError when it is cut off."""
        with map_errors():
            async for chunk in self.stream:
                yield chunk

    async def read(self) -> bytes:
        """The whole body; raises EngineError."""
        return b"".join([chunk async for chunk in self.chunks()])

    async def close(self) -> None:
        await self.stream.aclose()


async def post(
    client: AsyncOpenAI,
    url: str,
    body: bytes,
    max_bytes: int = MAX_RESPONSE_BYTES,
) -> UpstreamResponse:
    """Sends a request and returns when the engine has begun to answer; the caller closes the answer.

    `url` is a whole one, which the client need not join. The caller has a deadline. `max_bytes` bounds the answer,
    decoded. Raises exceptions of OpenAI and httpx2, for `map_errors`. Cancelling closes the connection.
    """
    response = await client.post(
        url,
        content=body,
        cast_to=httpx2.Response,
        stream=True,
        stream_cls=_STREAM_CLS,
        options=_add_trace(_options(None)),
    )
    # The client gives a response that is asked for by `cast_to` as it is, whatever `stream_cls` says.
    answer = UpstreamResponse(cast("httpx2.Response", response))
    answer.stream.max_bytes = max_bytes
    return answer


async def get(client: AsyncOpenAI, url: str, timeout_s: float) -> bytes:
    """The body of a URL; raises EngineError."""
    with map_errors():
        response = await client.get(url, cast_to=httpx2.Response, options=_options(timeout_s))
    return response.content


_STREAM_CLS = AsyncStream[httpx2.Response]


@lru_cache(maxsize=64)
def _options(read_timeout_s: float | None) -> RequestOptions:
    """Seconds for the connection, and for each wait for something to come.

    What else is given spares the client work: headers and a random key that it would make for each request, and deep
    copies of its defaults.
    """
    connect_s = CONNECT_TIMEOUT_S if read_timeout_s is None else min(CONNECT_TIMEOUT_S, read_timeout_s)
    return {
        "timeout": httpx2.Timeout(read_timeout_s, connect=connect_s),
        "headers": {"Authorization": Omit(), "X-Stainless-Retry-Count": Omit(), "X-Stainless-Read-Timeout": Omit()},
        "security": {},
        "max_retries": 0,
        "idempotency_key": "none",
        "params": {},
        "follow_redirects": False,
        "synthesize_event_and_data": False,
        "stream_mode": "legacy",
    }


def _add_trace(options: RequestOptions) -> RequestOptions:
    """The options, and W3C's headers where the request is part of a trace."""
    if not (headers := trace_headers()):
        return options
    return {**options, "headers": {**(options.get("headers") or {}), **headers}}


@lru_cache(maxsize=64)
def _client_timeout(connect_s: float | None, read_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=read_s)


class AiohttpClient(httpx2.AsyncClient):
    """What `AsyncOpenAI` takes as its `http_client`: requests go straight to an aiohttp session.

    Answers come decoded, bare; refusals bring their media type and `Retry-After`. The others tell of encodings
    that are undone by then, and a `charset` that Python has no text codec for would break httpx2's reading of an error.
    """

    def __init__(self, connector: aiohttp.BaseConnector, headers: Mapping[str, str], proxy: str | None = None) -> None:
        super().__init__(transport=httpx2.AsyncBaseTransport(), trust_env=False)
        self._proxy = proxy
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"Accept-Encoding": "identity", "User-Agent": USER_AGENT, **headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,  # it has no bound on what a few bytes become
        )

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:  # noqa: ANN401
        # Given a stream, httpx2 makes up no headers of its own: aiohttp makes those.
        return httpx2.Request(
            method,
            _parse_url(url),
            headers=options["headers"],
            stream=httpx2.ByteStream(options.get("content") or b""),
            extensions={"timeout": options["timeout"], "url": url, "content": options.get("content")},
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:  # noqa: ANN401
        answer = await self._request(request)
        response = httpx2.Response(
            answer.status,
            headers=None if answer.ok else _describe_refusal(answer),
            stream=ResponseStream(answer),
            request=request,
        )
        if not stream:
            await response.aread()
        return response

    async def _request(self, request: httpx2.Request) -> aiohttp.ClientResponse:
        timeout: httpx2.Timeout = request.extensions["timeout"]
        content: bytes | None = request.extensions["content"]
        try:
            return await self._session.request(
                request.method,
                request.extensions["url"],
                headers=request.headers.multi_items(),
                # As a file, a picture of a megabyte goes in pieces, between which the event loop turns.
                data=aiohttp.BytesIOPayload(BytesIO(content), content_type="application/json") if content else None,
                timeout=_client_timeout(timeout.connect, timeout.read),
                proxy=self._proxy,
                # An engine that sends documents on to another host is one that is not meant to have them.
                allow_redirects=False,
            )
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error), request=request) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except TimeoutError as error:
            raise httpx2.ReadTimeout(str(error), request=request) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.RemoteProtocolError(str(error), request=request) from error

    async def aclose(self) -> None:
        await self._session.close()
        await super().aclose()


def _describe_refusal(answer: aiohttp.ClientResponse) -> Mapping[str, str]:
    """ASCII only, which is all that a header holds."""
    pause = answer.headers.get("Retry-After", "").encode("ascii", "replace").decode()
    return {"Content-Type": answer.content_type, "Retry-After": pause}


class ResponseStream(httpx2.AsyncByteStream):
    """The body of an aiohttp response, in the pieces in which it arrives, decoded. Raises ResponseTooLarge as soon as
    it is longer than `max_bytes`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.content_type = response.content_type
        self.max_bytes = MAX_RESPONSE_BYTES
        self._response = response
        self._codings = parse_codings(response.headers.getall("Content-Encoding", []))  # by proxies, unasked
        self._unpacker: Unpacker | None = None
        self._size = 0

    @property
    def is_at_end(self) -> bool:
        """Whether nothing is left to wait for, so that the connection can be used again."""
        return self._response.content.at_eof()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._next_piece()
            self._size += len(piece)
            self._check_size(self._size)
        except UnpackError as error:
            self._response.close()
            raise httpx2.DecodingError(str(error)) from error
        except httpx2.RequestError:
            self._response.close()  # who reads an error's body leaves it as it is
            raise
        except TimeoutError as error:
            self._response.close()
            raise httpx2.ReadTimeout(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            self._response.close()
            raise httpx2.ReadError(str(error)) from error
        return piece

    async def _next_piece(self) -> bytes:
        if not self._codings:
            return await self._next_packed()
        while True:
            if self._unpacker is None or not self._unpacker.has_more:
                packed = await self._next_packed()
                self._unpacker = self._unpacker or Unpacker(self._codings)
                self._unpacker.feed(packed)
            piece = self._unpacker.step()
            self._check_size(max(self._unpacker.packed_bytes, self._unpacker.unpacked_bytes))
            if piece:
                return piece

    async def _next_packed(self) -> bytes:
        if piece := await self._response.content.readany():
            return piece
        raise StopAsyncIteration

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise ResponseTooLarge(f"more than {self.max_bytes} bytes")

    async def aclose(self) -> None:
        self._response.close()
