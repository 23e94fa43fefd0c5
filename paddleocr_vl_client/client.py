"""The client for programs with threads, or with none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import httpx2

from paddleocr_vl_client.calls import Call, ocr_call, stream_call
from paddleocr_vl_client.connections import DEFAULT_TIMEOUT_S, Connection, find_endpoint, translate_errors
from paddleocr_vl_client.downloads import download
from paddleocr_vl_client.errors import APIConnectionError, InvalidResponseError
from paddleocr_vl_client.events import BROKEN_OFF, parse_event
from paddleocr_vl_client.jobs import Jobs
from paddleocr_vl_client.models import Conversion, Document, Page, StreamEnd, StreamStart
from paddleocr_vl_client.options import Format, JsonObject, ReadOptions
from paddleocr_vl_client.pauses import RetryPolicy
from paddleocr_vl_client.sources import Source, open_upload


class Client:
    """A service. `base_url` and `api_key` come from `PADDLEOCR_VL_URL` and `PADDLEOCR_VL_API_KEY` unless given.

    Each document is sent with an `Idempotency-Key`, so that a try after a lost connection does not read it again. All
    methods raise APIError; those that take a source also OSError, where its file can't be read.

        with Client("http://localhost:8081") as client:
            print(client.read("scan.pdf").markdown)
    """

    def __init__(
        self,
        base_url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        endpoint = find_endpoint(base_url, api_key, timeout_s)
        self._connection = Connection(endpoint, retries or RetryPolicy(), transport)
        self.base_url = endpoint.base_url
        self.jobs = Jobs(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def read(
        self,
        source: Source,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Document:
        """The whole document. `name` stands for the file's own; options: docs/api.md."""
        with open_upload(source, name) as upload:
            return self._connection.send_json(ocr_call(upload, options, idempotency_key), Document)

    def convert(
        self,
        source: Source,
        format: Format,
        to: Path | str | None = None,
        *,
        name: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> Conversion:
        """The document in another format: in memory, or written to the file `to` as it comes."""
        with open_upload(source, name) as upload:
            return download(self._connection, ocr_call(upload, {**options, "format": format}, idempotency_key), to)

    @contextmanager
    def stream(
        self, source: Source, *, name: str | None = None, **options: Unpack[ReadOptions]
    ) -> Iterator[PageStream]:
        """The document's pages as they are read. Not with options that need the whole document."""
        with open_upload(source, name) as upload, self._connection.open(stream_call(upload, options)) as response:
            yield PageStream(response)

    def health(self) -> JsonObject:
        """What `GET /health` says of the service."""
        return self._connection.send_json(Call("GET", "/health"), JsonObject)


class PageStream:
    """Pages as they come, in order, to be iterated over once.

    `start` tells of the document before the first page; `end` is there after the last one.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._events = iter(httpx2.EventSource(response, max_event_size=None))
        self.end: StreamEnd | None = None
        with translate_errors():
            first = next(filter(None, map(parse_event, self._events)), None)
        if first is None:
            raise APIConnectionError(BROKEN_OFF)
        if not isinstance(first, StreamStart):
            raise InvalidResponseError("The answer is not a stream of pages.")
        self.start = first

    def __iter__(self) -> Iterator[Page]:
        with translate_errors():
            for event in map(parse_event, self._events):
                if isinstance(event, Page):
                    yield event
                elif isinstance(event, StreamEnd):
                    self.end = event
                    return
        raise APIConnectionError(BROKEN_OFF)
