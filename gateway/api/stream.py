"""A document as server-sent events: `meta`, one `page` each as it is finished, `done` or `error`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

import structlog
from pydantic import BaseModel, Field

from gateway.api.errors import internal_error, problem
from gateway.api.feed import PageFeed
from gateway.api.reading import DocumentReading
from gateway.assembly.restructure import describe_document
from gateway.errors import ServiceError
from gateway.model import DocumentInfo, DocumentStatus, PageResult, Timings, Usage
from gateway.page import ReadPage

_PING = b": still reading\n\n"
_PING_S = 10.0

log = structlog.get_logger(__name__)


class MetaEvent(BaseModel):
    id: str
    model: str
    engine: str
    document: DocumentInfo
    pages: list[int] = Field(description="Numbers of the pages that will come")


class PageEvent(PageResult):
    images: dict[str, str] = Field(default_factory=dict, description="This page's pictures, base64 or URL")


class DoneEvent(BaseModel):
    id: str
    status: DocumentStatus
    usage: Usage
    timings: Timings
    warnings: list[str]


async def events(
    reading: DocumentReading, first: ReadPage | None, feed: PageFeed, request_id: str
) -> AsyncGenerator[bytes, None]:
    """The whole stream. A failure after the first page becomes the last event, since the status is long sent."""
    try:
        yield _event("meta", _meta(reading))
        async for page in _arrivals(first, feed):
            yield _PING if page is None else await _page(reading, page)
        yield _event("done", _done(reading))
    except ServiceError as error:
        log.warning("stream failed", code=error.code, detail=error.detail)
        yield _event("error", problem(error, request_id))
    except Exception:
        log.exception("unexpected error")
        yield _event("error", problem(internal_error(), request_id))


async def _arrivals(first: ReadPage | None, feed: PageFeed) -> AsyncIterator[ReadPage | None]:
    """`first`, then the other pages; None whenever the next one takes long."""
    if first is None:
        return
    yield first
    while True:
        try:
            page = await feed.next(_PING_S)
        except TimeoutError:
            yield None
        else:
            if page is None:
                return
            yield page


async def _page(reading: DocumentReading, page: ReadPage) -> bytes:
    images = await reading.take(page)
    return await asyncio.to_thread(_event, "page", PageEvent(**dict(page.result), images=images))


def _meta(reading: DocumentReading) -> MetaEvent:
    return MetaEvent(
        id=reading.id,
        model=reading.model,
        engine=reading.engine,
        document=describe_document(reading.document),
        pages=list(reading.document.selected),
    )


def _done(reading: DocumentReading) -> DoneEvent:
    result = reading.finish()
    return DoneEvent(**result.model_dump(include=set(DoneEvent.model_fields)))


def _event(name: str, data: BaseModel) -> bytes:
    """JSON holds no line break, so one `data:` line is enough."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()
