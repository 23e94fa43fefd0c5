"""A document as the response that the client asked for, made page by page while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from pydantic import TypeAdapter
from pydantic_core import to_json

from gateway.api.options import Format
from gateway.api.pieces import Bytes, PiecesResponse, append, spliced
from gateway.api.reading import DocumentReading
from gateway.assembly.render import POLICY, html_frame, render_html, render_markdown, render_text
from gateway.assembly.restructure import restructured
from gateway.model import DocumentResult, OcrOptions, PageResult

_MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
_PAGE = TypeAdapter(PageResult)
_DOCUMENT = TypeAdapter(DocumentResult)


class Body(Protocol):
    """What a format holds of the pages until all are there."""

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        """The next page. `images`: at least its own, key in the Markdown to base64 JPEG or URL."""

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        """The whole body. `document`: all that is said of the document as a whole."""


async def answer(reading: DocumentReading) -> PiecesResponse:
    """Reads the document; ServiceError 422 `document_unreadable`, 502 `recognition_failed` where nothing was read."""
    kind = reading.wishes.format or "json"
    body = _body(kind, reading)
    await (_add_all if any(reading.wishes.restructuring.values()) else _add_each)(reading, body)
    reading.tally.require_read()
    result = reading.finish()
    pieces = await asyncio.to_thread(lambda: list(body.pieces(result)))
    headers = {"X-OCR-ID": result.id, "X-OCR-Status": result.status, "Content-Type": _MEDIA_TYPES[kind]}
    if kind == "html":
        headers["Content-Security-Policy"] = f"{POLICY}; sandbox"
    return PiecesResponse(pieces, headers)


async def _add_each(reading: DocumentReading, body: Body) -> None:
    async for page in reading.pages:
        images = await reading.take(page)
        await asyncio.to_thread(body.add, page.result, images)


async def _add_all(reading: DocumentReading, body: Body) -> None:
    """For what changes a page by those after it."""
    pages: list[PageResult] = []
    images: dict[str, str] = {}
    async for page in reading.pages:
        images |= await reading.take(page)
        pages.append(page.result)
    await asyncio.to_thread(_add_restructured, body, pages, images, reading)


def _add_restructured(body: Body, pages: list[PageResult], images: Mapping[str, str], reading: DocumentReading) -> None:
    """A picture may stand in a table that now begins on another page."""
    for page in restructured(pages, reading.options, **reading.wishes.restructuring):
        body.add(page, images)


def _body(kind: Format, reading: DocumentReading) -> Body:
    if kind == "json":
        return _Json()
    if kind == "html":
        return _Html()
    if kind == "text":
        return _Text(reading.options)
    return _Markdown(shows_images=reading.wishes.images is not None)


class _Json:
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
        return spliced(_DOCUMENT.dump_json(document), inserts)


class _Markdown:
    """Pictures stay bare keys, as in PaddleOCR-VL's Markdown, unless the client said how it wants them."""

    def __init__(self, *, shows_images: bool) -> None:
        self._shows_images = shows_images
        self._text = bytearray()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        if page.markdown:
            text = render_markdown(page.markdown, images if self._shows_images else {})
            append(self._text, text.encode(), b"\n\n")

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        return self._text, b"\n"


class _Html:
    def __init__(self) -> None:
        self._sections = bytearray()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        append(self._sections, render_html(page, images).encode(), b"\n")

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        head, foot = html_frame(document.document.name)
        return head.encode(), self._sections, foot.encode()


class _Text:
    def __init__(self, options: OcrOptions) -> None:
        self._options = options
        self._text = bytearray()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        if text := render_text(page, self._options):
            append(self._text, text.encode(), b"\n\n")

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        return self._text, b"\n"
