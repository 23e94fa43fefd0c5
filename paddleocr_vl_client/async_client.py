"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx2

from paddleocr_vl_client.async_jobs import AsyncJobs
from paddleocr_vl_client.calls import Call, ocr_call, stream_call
from paddleocr_vl_client.connections import DEFAULT_TIMEOUT_S, AsyncConnection, find_endpoint, translate_errors
from paddleocr_vl_client.downloads import download_async
from paddleocr_vl_client.errors import APIConnectionError, InvalidResponseError
from paddleocr_vl_client.events import BROKEN_OFF, parse_event
from paddleocr_vl_client.models import Conversion, Document, Page, StreamEnd, StreamStart
from paddleocr_vl_client.options import Format, JsonObject, ReadOptions
from paddleocr_vl_client.pauses import RetryPolicy
from paddleocr_vl_client.sources import Source, open_upload_async


class AsyncClient:
    """As `Client`; its methods are awaited, its streams iterated over with `async for`.

    async with AsyncClient("http://localhost:8081") as client:
        print((await client.read("scan.pdf")).markdown)
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        endpoint = find_endpoint(base_url, api_key, timeout_s)
        self._connection = AsyncConnection(endpoint, retries or RetryPolicy(), transport)
        self.base_url = endpoint.base_url
        self.jobs = AsyncJobs(self._connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    async def read(
        self,
        source: Source,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Document:
        async with open_upload_async(source, name) as upload:
            return await self._connection.send_json(ocr_call(upload, options, idempotency_key), Document)

    async def convert(
        self,
        source: Source,
        format: Format,
        to: Path | str | None = None,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Conversion:
        async with open_upload_async(source, name) as upload:
            call = ocr_call(upload, {**options, "format": format}, idempotency_key)
            return await download_async(self._connection, call, to)

    @asynccontextmanager
    async def stream(
        self, source: Source, *, name: str | None = None, **options: Unpack[ReadOptions]
    ) -> AsyncIterator[AsyncPageStream]:
        async with (
            open_upload_async(source, name) as upload,
            self._connection.open(stream_call(upload, options)) as response,
        ):
            yield await AsyncPageStream.open(response)

    async def health(self) -> JsonObject:
        return await self._connection.send_json(Call("GET", "/health"), JsonObject)


class AsyncPageStream:
    """As `PageStream`."""

    def __init__(self, events: AsyncIterator[httpx2.ServerSentEvent], start: StreamStart) -> None:
        self._events = events
        self.start = start
        self.end: StreamEnd | None = None

    @classmethod
    async def open(cls, response: httpx2.Response) -> Self:
        """The stream, once its first event is there."""
        events = aiter(httpx2.EventSource(response, max_event_size=None))
        start = None
        with translate_errors():
            async for event in events:
                if (start := parse_event(event)) is not None:
                    break
        if start is None:
            raise APIConnectionError(BROKEN_OFF)
        if not isinstance(start, StreamStart):
            raise InvalidResponseError("The answer is not a stream of pages.")
        return cls(events, start)

    async def __aiter__(self) -> AsyncIterator[Page]:
        with translate_errors():
            async for event in self._events:
                parsed = parse_event(event)
                if isinstance(parsed, Page):
                    yield parsed
                elif isinstance(parsed, StreamEnd):
                    self.end = parsed
                    return
        raise APIConnectionError(BROKEN_OFF)
