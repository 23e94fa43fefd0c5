"""A document as server-sent events: `meta`, one `page` each as it is finished, `done` or `error`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

import structlog
from pydantic import BaseModel, Field

from gateway.api.problems import internal_error, problem
from gateway.assembly.block_html import add_html
from gateway.assembly.restructure import describe_document
from gateway.errors import ServiceError
from gateway.model import DocumentInfo, DocumentStatus, PageResult, Timings, Usage
from gateway.recognized_page import RecognizedPage
from gateway.session import DocumentSession

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


async def stream_events(
    session: DocumentSession, first: RecognizedPage | None, pages: PagePrefetcher, request_id: str
) -> AsyncGenerator[bytes, None]:
    """The whole stream. A failure after the first page becomes the last event, since the status is long sent."""
    try:
        yield _event("meta", _meta(session))
        async for page in _arrivals(first, pages):
            yield _PING if page is None else await _page(session, page)
        yield _event("done", _done(session))
    except ServiceError as error:
        log.warning("stream failed", code=error.code, detail=error.detail)
        yield _event("error", problem(error, request_id))
    except Exception:
        log.exception("unexpected error")
        yield _event("error", problem(internal_error(), request_id))


async def _arrivals(first: RecognizedPage | None, pages: PagePrefetcher) -> AsyncIterator[RecognizedPage | None]:
    """`first`, then the other pages; None whenever the next one takes long."""
    if first is None:
        return
    yield first
    while True:
        try:
            page = await pages.next(_PING_S)
        except TimeoutError:
            yield None
        else:
            if page is None:
                return
            yield page


async def _page(session: DocumentSession, page: RecognizedPage) -> bytes:
    images = await session.deliver_pictures(page)

    def write() -> bytes:
        result = add_html(page.result, session.options)
        return _event("page", PageEvent(**dict(result), images=images))

    return await asyncio.to_thread(write)


def _meta(session: DocumentSession) -> MetaEvent:
    return MetaEvent(
        id=session.id,
        model=session.model,
        engine=session.engine,
        document=describe_document(session.document),
        pages=list(session.document.selected),
    )


def _done(session: DocumentSession) -> DoneEvent:
    result = session.summarize(session.finish())
    return DoneEvent(**result.model_dump(include=set(DoneEvent.model_fields)))


def _event(name: str, data: BaseModel) -> bytes:
    """JSON holds no line break, so one `data:` line is enough."""
    return f"event: {name}\ndata: {data.model_dump_json()}\n\n".encode()


_Item: TypeAlias = RecognizedPage | Exception | None


class PagePrefetcher:
    """The pages that a task of its own reads; at most one waits, so a slow client slows its own document only."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[_Item] = asyncio.Queue(maxsize=1)

    async def next(self, within_s: float | None = None) -> RecognizedPage | None:
        """The next page; None at the end. Raises what the reading raised, and TimeoutError."""
        async with asyncio.timeout(within_s):
            item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def run(self, pages: AsyncGenerator[RecognizedPage, None]) -> None:
        last: _Item = None
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._items.put(page)
        except Exception as error:
            last = error
        await self._items.put(last)


@asynccontextmanager
async def prefetch(pages: AsyncGenerator[RecognizedPage, None]) -> AsyncIterator[PagePrefetcher]:
    """Reads `pages` in one task from start to end; stops it when the context is left."""
    prefetcher = PagePrefetcher()
    task = asyncio.create_task(prefetcher.run(pages))
    try:
        yield prefetcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
