"""A document as the response that the client asked for, made page by page while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import TypeAdapter
from pydantic_core import to_json

from gateway.api.chunked_response import Bytes, ChunkedResponse, append, splice_json
from gateway.api.ocr.options import Format, RequestOptions
from gateway.assembly.render import POLICY, html_frame, render_html, render_markdown, render_text
from gateway.assembly.restructure import restructure_pages
from gateway.model import DocumentResult, PageResult
from gateway.session import DocumentSession

_MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
_MAX_HEADER = 2000
_PAGE = TypeAdapter(PageResult)
_DOCUMENT = TypeAdapter(DocumentResult)


class Body(Protocol):
    """What a format holds of the pages until all are there."""

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        """The next page. `images`: at least its own, key in the Markdown to base64 JPEG or URL."""

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        """The whole body. `document`: all that is said of the document as a whole."""


async def read_document(session: DocumentSession, params: RequestOptions) -> ChunkedResponse:
    """Reads the document to its end. Raises as `ReadingStats.require_read`, and what `DocumentSession.pages` raises."""
    kind = params.format or "json"
    body = _create_body(kind, session, params)
    if any(params.restructuring.values()):
        await _add_all_pages(session, params, body)
    else:
        await _add_each_page(session, body)
    result = session.summarize(session.finish())
    session.stats.require_read(shows_warnings=kind == "json")
    headers = {"X-OCR-ID": result.id, "X-OCR-Status": result.status, "Content-Type": _MEDIA_TYPES[kind]}
    if result.warnings and kind != "json":
        headers["X-OCR-Warnings"] = _warnings_header(result.warnings)
    if kind == "html":
        headers["Content-Security-Policy"] = f"{POLICY}; sandbox"
    return ChunkedResponse(list(body.pieces(result)), headers)


async def _add_each_page(session: DocumentSession, body: Body) -> None:
    async for page in session.pages():
        images = await session.deliver_pictures(page)
        await asyncio.to_thread(body.add, page.result, images)


async def _add_all_pages(session: DocumentSession, params: RequestOptions, body: Body) -> None:
    """For what changes a page by those after it."""
    pages: list[PageResult] = []
    images: dict[str, str] = {}
    async for page in session.pages():
        images |= await session.deliver_pictures(page)
        pages.append(page.result)

    def add_restructured() -> None:
        # A picture may stand in a table that now begins on another page.
        for page in restructure_pages(pages, session.options, **params.restructuring):
            body.add(page, images)

    await asyncio.to_thread(add_restructured)


def _create_body(kind: Format, session: DocumentSession, params: RequestOptions) -> Body:
    if kind == "json":
        return _Json()
    if kind == "html":
        return _Written(render_html, b"\n", lambda document: html_frame(document.document.name))
    if kind == "text":
        return _Written(lambda page, _images: render_text(page, session.options))
    # Pictures stay bare keys, as in PaddleOCR-VL's Markdown, unless the client said how it wants them.
    shows_images = params.images is not None
    return _Written(lambda page, images: render_markdown(page.markdown, images if shows_images else {}))


def _warnings_header(warnings: Sequence[str]) -> str:
    """The first warnings as a header's value, which is printable ASCII and short: proxies bound it."""
    told = "; ".join(warnings)[:_MAX_HEADER]
    return "".join(character if " " <= character <= "~" else "?" for character in told)


class _Json:
    """The document's JSON with all that grows by pages put into its empty parts."""

    def __init__(self) -> None:
        self._pages = bytearray()
        self._markdown = bytearray()
        self._images = bytearray()
        self._keys: set[str] = set()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        append(self._pages, _PAGE.dump_json(page), b",")
        if page.markdown:
            append(self._markdown, to_json(page.markdown)[1:-1], rb"\n\n")
        for key, image in images.items():
            if key not in self._keys:
                append(self._images, to_json({key: image})[1:-1], b",")
        self._keys.update(images)

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        inserts = (("pages", self._pages), ("markdown", self._markdown), ("images", self._images))
        return splice_json(_DOCUMENT.dump_json(document), inserts)


class _Written:
    """What `written` makes of each page, where that is not empty, inside a frame."""

    def __init__(
        self,
        written: Callable[[PageResult, Mapping[str, str]], str],
        separator: bytes = b"\n\n",
        frame: Callable[[DocumentResult], tuple[str, str]] = lambda _document: ("", "\n"),
    ) -> None:
        self._written = written
        self._separator = separator
        self._frame = frame
        self._text = bytearray()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        if text := self._written(page, images):
            append(self._text, text.encode(), self._separator)

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        head, foot = self._frame(document)
        return head.encode(), self._text, foot.encode()
