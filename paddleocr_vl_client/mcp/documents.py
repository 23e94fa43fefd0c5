"""Documents that were read for an agent, page by page as they were asked for."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from paddleocr_vl_client.async_client import AsyncClient
from paddleocr_vl_client.mcp.folders import AllowedFolders
from paddleocr_vl_client.mcp.locators import Locator, document_id, format_pages, parse_locator
from paddleocr_vl_client.models import BBox, Block, Page

MAX_PAGES = 5000
"""Pages that are kept, of all documents; those of the document that was used longest ago go first."""
MAX_PICTURES = 32
"""Pictures of pages that are kept."""
_MARGIN = 8
"""Pixels around a block."""

Connect: TypeAlias = Callable[[], Awaitable[AsyncClient]]
_SourceKey: TypeAlias = tuple[object, ...]


class UnknownDocumentError(Exception):
    """A locator of a document, page or block that was not read here."""


@dataclass(slots=True)
class Document:
    """A document and those of its pages that were read, by number."""

    id: str
    name: str
    pages_total: int
    source: str | Path
    pages: dict[int, Page] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def block(self, locator: Locator) -> Block:
        """UnknownDocumentError where the page was not read or has no such block."""
        page = self.pages.get(locator.page or 0)
        found = [block for block in page.blocks if block.id == locator.block_id] if page else []
        if not found:
            raise UnknownDocumentError(f"There is no block {locator}.")
        return found[0]


class Library:
    """What one caller has read. `connect` gives the client of the service, when it is needed first.

    Its methods raise APIError, FileNotAllowedError and UnknownDocumentError.
    """

    def __init__(self, connect: Connect, folders: AllowedFolders) -> None:
        self._connect = connect
        self._folders = folders
        self._documents: OrderedDict[str, Document] = OrderedDict()
        self._ids: dict[_SourceKey, str] = {}
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    @property
    def documents(self) -> Sequence[Document]:
        return list(self._documents.values())

    async def client(self) -> AsyncClient:
        return await self._connect()

    async def open(self, name: str) -> Document:
        """The document of a locator, a path below an allowed folder, a URL or an `s3://` key. One that is new has its
        first page read."""
        locator = parse_locator(name)
        if locator is not None:
            return self._find(locator.document)
        source: str | Path = name if name.startswith(("http://", "https://", "s3://")) else self._folders.find(name)
        key = _source_key(source)
        known = self._documents.get(self._ids.get(key, ""))
        if known is None:
            known = await self._read_first_page(source)
            self._ids[key] = known.id
        self._documents.move_to_end(known.id)
        return known

    async def pages(self, document: Document, numbers: Sequence[int]) -> AsyncGenerator[Page, None]:
        """Pages of a document in order; those that were not read before are read, as long as they are taken."""
        async with document.lock:
            missing = [number for number in numbers if number not in document.pages]
            ready = iter(numbers)
            if missing:
                client = await self._connect()
                async with client.stream(document.source, pages=format_pages(missing), images="none") as stream:
                    async for page in stream:
                        self._keep(document, page)
                        for number in ready:
                            yield document.pages[number]
                            if number == page.page:
                                break
            for number in ready:
                yield document.pages[number]

    async def picture(self, document: Document, number: int) -> bytes:
        """The page as a JPEG, which is read with it."""
        key = (document.id, number)
        async with document.lock:
            if key not in self._pictures:
                client = await self._connect()
                read = await client.read(document.source, pages=str(number), include=["page_image"])
                (page,) = read.pages
                if page.image is None or page.image not in read.images:
                    raise UnknownDocumentError("The service gives no pictures of pages.")
                self._keep(document, page)
                self._pictures[key] = base64.b64decode(read.images[page.image])
            self._pictures.move_to_end(key)
            while len(self._pictures) > MAX_PICTURES:
                self._pictures.popitem(last=False)
            return self._pictures[key]

    def _find(self, document: str) -> Document:
        if document not in self._documents:
            raise UnknownDocumentError(
                f"No document {document} has been read here; give its path or URL to read_document first."
            )
        self._documents.move_to_end(document)
        return self._documents[document]

    async def _read_first_page(self, source: str | Path) -> Document:
        client = await self._connect()
        # Not as a whole, which is refused where its only page can't be read: others may be.
        async with client.stream(source, pages="1", images="none") as stream:
            about = stream.start.document
            found = Document(document_id(about.sha256), about.name, about.pages_total, source)
            document = self._documents.setdefault(found.id, found)
            # The same document may have moved.
            document.source = source
            async for page in stream:
                self._keep(document, page)
        return document

    def _keep(self, document: Document, page: Page) -> None:
        document.pages[page.page] = page
        self._documents[document.id] = document
        self._documents.move_to_end(document.id)
        while sum(len(one.pages) for one in self._documents.values()) > MAX_PAGES and len(self._documents) > 1:
            self._documents.popitem(last=False)


def _source_key(source: str | Path) -> _SourceKey:
    """Another one once a file has changed."""
    if isinstance(source, str):
        return (source,)
    state = source.stat()
    return source, state.st_mtime_ns, state.st_size


def crop_picture(data: bytes, box: BBox, page_size: tuple[int, int]) -> bytes:
    """`box` in pixels of a page of `page_size`, which the picture may show smaller; as JPEG."""
    with Image.open(BytesIO(data)) as picture:
        scale_x, scale_y = (size / full for size, full in zip(picture.size, page_size, strict=True))
        left, top, right, bottom = box
        part = picture.crop(
            (
                max(0, round(left * scale_x) - _MARGIN),
                max(0, round(top * scale_y) - _MARGIN),
                min(picture.width, round(right * scale_x) + _MARGIN),
                min(picture.height, round(bottom * scale_y) + _MARGIN),
            )
        )
        stream = BytesIO()
        part.save(stream, "JPEG", quality=90)
    return stream.getvalue()
