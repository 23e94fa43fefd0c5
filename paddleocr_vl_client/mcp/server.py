"""The server: its tools and resources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from mcp_types import ToolAnnotations
from pydantic import BaseModel, Field

from paddleocr_vl_client.commands.failures import CommandError
from paddleocr_vl_client.errors import APIError
from paddleocr_vl_client.mcp.documents import Document, Library, UnknownDocumentError, crop_picture
from paddleocr_vl_client.mcp.folders import FileNotAllowedError
from paddleocr_vl_client.mcp.locators import Locator, block_locator, format_pages, parse_locator, parse_pages
from paddleocr_vl_client.mcp.text import (
    DocumentText,
    OutlineEntry,
    PageText,
    SearchHit,
    cut_page,
    outline_page,
    page_text,
    search_pages,
)
from paddleocr_vl_client.models import BBox, JobState, Page

Caller: TypeAlias = Context[Any, Any]
LibraryOf: TypeAlias = Callable[[Caller], Library]

INSTRUCTIONS = """Reads scans, photos and PDFs by OCR. Start with read_document, which takes a path, a URL or a locator
and gives as much text as you have room for; it tells how to go on. Places have locators, document/page/block, which
search and outline give and get_block and page_image take; cite them. A page with the status partial lacks something:
its warnings say what. page_image shows what the text can't."""

_DEFAULT_CHARACTERS, _MAX_CHARACTERS = 20_000, 200_000
_NO_OUTLINE = "These pages have no headings, tables or pictures; read_document gives their text."
_NO_BLOCK = "Nothing was found on this page; page_image shows it."
_READ_ONLY = ToolAnnotations(read_only_hint=True)

DocumentName = Annotated[
    str, Field(description="Path below an allowed folder, http(s) URL, s3:// key, or the locator of a document")
]
PagesText = Annotated[str | None, Field(description="1-3,7 or 9- or -2; all by default")]
LocatorText = Annotated[str, Field(description="document/page/block, from search, outline or read_document")]


class BlockText(BaseModel):
    locator: str
    kind: str = Field(description="Layout label, for example text, table, display_formula")
    content: str = Field(description="Text; HTML of a table, LaTeX of a formula")
    bbox: BBox = Field(description="x1, y1, x2, y2 in pixels of the page")
    page_size: tuple[int, int] = Field(description="Width and height of the page in pixels")
    confidence: float | None
    status: str


class JobSummary(BaseModel):
    id: str
    state: str
    name: str
    pages_done: int
    pages_total: int | None
    error: str | None


class _Found(BaseModel):
    """A list alone would be an answer without content where it is empty."""

    note: str | None = Field(default=None, description="Why there is nothing, and what may help")


class Outline(_Found):
    entries: list[OutlineEntry]


class SearchResult(_Found):
    hits: list[SearchHit]


class JobList(_Found):
    jobs: list[JobSummary]


class BlockList(_Found):
    blocks: list[BlockText]


def build_server(library_of: LibraryOf, version: str) -> MCPServer[Any]:
    """The server; `library_of` gives the caller's documents."""
    server: MCPServer[Any] = MCPServer(
        "paddleocr-vl", instructions=INSTRUCTIONS, version=version, log_level="WARNING", subscriptions=False
    )
    _add_reading(server, library_of)
    _add_places(server, library_of)
    _add_jobs(server, library_of)
    return server


def _add_reading(server: MCPServer[Any], library_of: LibraryOf) -> None:
    """Tools for whole documents."""

    @server.tool(annotations=_READ_ONLY)
    async def read_document(
        ctx: Caller,
        document: DocumentName,
        pages: PagesText = None,
        max_characters: Annotated[int, Field(ge=200, le=_MAX_CHARACTERS)] = _DEFAULT_CHARACTERS,
        offset: Annotated[int, Field(ge=0, description="Characters of the first page to leave out")] = 0,
    ) -> DocumentText:
        """The text of a document's pages as Markdown, as many as fit into max_characters. next_pages and next_offset
        say how to go on."""
        with tool_errors():
            library = library_of(ctx)
            found = await library.open(document)
            numbers = _select_pages(found, document, pages)
            return await _read(ctx, library, found, numbers, max_characters, offset)

    @server.tool(annotations=_READ_ONLY)
    async def outline(ctx: Caller, document: DocumentName, pages: PagesText = None) -> Outline:
        """Headings, tables and pictures of a document with their locators. Reads the pages, which takes a while for
        long documents: ask for a part of them."""
        with tool_errors():
            library = library_of(ctx)
            found = await library.open(document)
            read = await _read_all(ctx, library, found, _select_pages(found, document, pages))
            entries = [entry for page in read for entry in outline_page(found, page)]
            return Outline(entries=entries, note=None if entries else _NO_OUTLINE)

    @server.tool(annotations=_READ_ONLY)
    async def search(
        ctx: Caller,
        query: Annotated[str, Field(min_length=2, max_length=500)],
        document: Annotated[DocumentName | None, Field(description="All documents read so far by default")] = None,
        pages: PagesText = None,
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
    ) -> SearchResult:
        """Places that hold the words as given, or nearly, because OCR misreads letters; best first. With a document,
        its pages are read if they were not."""
        with tool_errors():
            library = library_of(ctx)
            if document is None:
                searched = [(one, _pages_read(one)) for one in library.documents]
            else:
                found = await library.open(document)
                searched = [(found, await _read_all(ctx, library, found, _select_pages(found, document, pages)))]
            hits = [hit for one, read in searched for hit in search_pages(one, read, query)]
            note = None if hits else _describe_search(searched)
            return SearchResult(hits=sorted(hits, key=lambda hit: -hit.score)[:limit], note=note)


def _add_places(server: MCPServer[Any], library_of: LibraryOf) -> None:
    """Tools and resources for pages and blocks by their locators."""

    @server.tool(annotations=_READ_ONLY)
    async def get_block(ctx: Caller, locator: LocatorText) -> BlockList:
        """A block in full: its text, its place on the page, how sure the reading is. All blocks of a page with a
        locator document/page."""
        with tool_errors():
            place = _require_page(locator)
            library = library_of(ctx)
            found = await library.open(place.document)
            (page,) = await _read_all(ctx, library, found, parse_pages(str(place.page), found.pages_total))
            blocks = page.blocks if place.block is None else [found.block(place)]
            texts = [
                BlockText(
                    locator=str(block_locator(found.id, block.id)),
                    kind=block.label,
                    content=block.content,
                    bbox=block.bbox,
                    page_size=(page.width, page.height),
                    confidence=block.confidence,
                    status=block.status,
                )
                for block in blocks
            ]
            return BlockList(blocks=texts, note=None if texts else _NO_BLOCK)

    @server.tool(annotations=_READ_ONLY)
    async def page_image(ctx: Caller, locator: LocatorText) -> Image:
        """A picture of a page (document/page) or of one block (document/page/block): for drawings, photos,
        handwriting, and to check a reading."""
        with tool_errors():
            place = _require_page(locator)
            library = library_of(ctx)
            found = await library.open(place.document)
            (number,) = parse_pages(str(place.page), found.pages_total)
            data = await library.picture(found, number)
            if place.block is not None:
                page, box = found.pages[number], found.block(place).bbox
                data = await asyncio.to_thread(crop_picture, data, box, (page.width, page.height))
            return Image(data=data, format="jpeg")

    @server.resource("ocr://{document}/{page}", mime_type="text/markdown", title="Page of a document that was read")
    async def page_resource(ctx: Caller, document: str, page: str) -> str:
        """The Markdown of one page."""
        with tool_errors(ResourceError):
            library = library_of(ctx)
            found = await library.open(document)
            (read,) = await _read_all(ctx, library, found, parse_pages(page, found.pages_total)[:1])
            return read.markdown


def _add_jobs(server: MCPServer[Any], library_of: LibraryOf) -> None:
    @server.tool(annotations=_READ_ONLY)
    async def list_jobs(
        ctx: Caller, state: JobState | None = None, limit: Annotated[int, Field(ge=1, le=100)] = 20
    ) -> JobList:
        """Documents that the service reads in the background, newest first, with their progress."""
        with tool_errors():
            client = await library_of(ctx).client()
            jobs: list[JobSummary] = []
            async with aclosing(client.jobs.list(state=state)) as found:
                async for job in found:
                    jobs.append(
                        JobSummary(
                            id=job.id,
                            state=job.state,
                            name=job.name,
                            pages_done=job.progress.done,
                            pages_total=job.progress.total,
                            error=job.error.detail if job.error else None,
                        )
                    )
                    if len(jobs) == limit:
                        break
            return JobList(
                jobs=jobs, note=None if jobs else f"The service has no {state or ''} jobs.".replace("  ", " ")
            )


@contextmanager
def tool_errors(kind: type[ToolError | ResourceError] = ToolError) -> Iterator[None]:
    """What went wrong as a sentence for the agent."""
    try:
        yield
    except (APIError, CommandError, FileNotAllowedError, UnknownDocumentError, OSError, ValueError) as error:
        raise kind(str(error)) from error


async def _read(
    ctx: Caller, library: Library, document: Document, numbers: Sequence[int], budget: int, offset: int
) -> DocumentText:
    texts: list[PageText] = []
    left = budget
    rest, next_offset = list(numbers), offset
    async with aclosing(library.pages(document, numbers)) as pages:
        async for page in pages:
            await ctx.report_progress(len(texts) + 1, len(numbers))
            text, end = cut_page(page, next_offset, left)
            if end is not None and texts and next_offset == 0:
                # A page is cut only where it alone is too long.
                break
            texts.append(page_text(document, page, text))
            left -= len(text)
            next_offset = end or 0
            if end is not None:
                break
            rest.pop(0)
            if rest and left <= 0:
                break
    return DocumentText(
        document=document.id,
        name=document.name,
        pages_total=document.pages_total,
        pages=texts,
        next_pages=format_pages(rest) if rest else None,
        next_offset=next_offset if rest else 0,
    )


async def _read_all(ctx: Caller, library: Library, document: Document, numbers: Sequence[int]) -> list[Page]:
    found: list[Page] = []
    async with aclosing(library.pages(document, numbers)) as pages:
        async for page in pages:
            found.append(page)
            await ctx.report_progress(len(found), len(numbers))
    return found


def _select_pages(document: Document, name: str, pages: str | None) -> list[int]:
    """The page of a locator unless others are asked for."""
    locator = parse_locator(name)
    if pages is None and locator is not None and locator.page is not None:
        pages = str(locator.page)
    return parse_pages(pages, document.pages_total)


def _describe_search(searched: Sequence[tuple[Document, Sequence[Page]]]) -> str:
    """Why nothing was found."""
    pages = sum(len(read) for _, read in searched)
    if not pages:
        return "No document has been read yet: name one, or read one by read_document."
    return f"Nothing on the {pages} pages searched holds these words, not even nearly; try fewer or other words."


def _pages_read(document: Document) -> list[Page]:
    return [document.pages[number] for number in sorted(document.pages)]


def _require_page(text: str) -> Locator:
    locator = parse_locator(text)
    if locator is None or locator.page is None:
        raise ValueError(f"{text!r} is no locator of a page or block; it is like 0123456789abcdef/3/7.")
    return locator
