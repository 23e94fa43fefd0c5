"""Pages of a running reading, handed over one at a time to whoever sends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

from gateway.page import ReadPage

_Item: TypeAlias = ReadPage | Exception | None


class PageFeed:
    """The pages that a task of its own reads; at most one waits, so a slow client slows its own document only."""

    def __init__(self) -> None:
        self._items: asyncio.Queue[_Item] = asyncio.Queue(maxsize=1)

    async def next(self, within_s: float | None = None) -> ReadPage | None:
        """The next page; None at the end. Raises what the reading raised, and TimeoutError."""
        async with asyncio.timeout(within_s):
            item = await self._items.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def fill(self, pages: AsyncGenerator[ReadPage, None]) -> None:
        last: _Item = None
        try:
            async with aclosing(pages):
                async for page in pages:
                    await self._items.put(page)
        except Exception as error:
            last = error
        await self._items.put(last)


@asynccontextmanager
async def page_feed(pages: AsyncGenerator[ReadPage, None]) -> AsyncIterator[PageFeed]:
    """Reads `pages` in one task from start to end; stops it when the context is left."""
    feed = PageFeed()
    task = asyncio.create_task(feed.fill(pages))
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
