"""A document as the response that the client asked for, made page by page while it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from pydantic import TypeAdapter
from pydantic_core import to_json

from gateway.api.chunked_response import Bytes, ChunkedResponse, append, splice_json
from gateway.api.ocr.options import Format, RequestOptions
from gateway.assembly.block_html import add_html
from gateway.assembly.render import POLICY, html_frame, render_html, render_markdown, render_text
from gateway.assembly.restructure import restructure_pages
from gateway.conversion.conversion_pool import ConversionPool
from gateway.formats.alto import alto_frame, render_alto
from gateway.formats.conversion import CONVERTED_FORMATS, ConvertedFormat, encode_page, make_input
from gateway.formats.hocr import hocr_frame, render_hocr
from gateway.intake.spool import SpooledFile
from gateway.model import DocumentResult, DocumentStatus, PageResult
from gateway.reading_options import OcrOptions
from gateway.scheduling.fair_semaphore import Flow
from gateway.session import DocumentSession

MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
    "hocr": "text/vnd.hocr+html; charset=utf-8",
    "alto": "application/xml",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}
_ZIP = "application/zip"
_MAX_HEADER = 2000
_RESTRUCTURING = ThreadPoolExecutor(2, thread_name_prefix="restructure")
"""Long documents take seconds, in which short work must not wait for a thread."""
_PAGE = TypeAdapter(PageResult)
_DOCUMENT = TypeAdapter(DocumentResult)


class PageSink(Protocol):
    """What a format holds of the pages until all are there."""

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        """The next page. `images`: at least its own, key in the Markdown to base64 JPEG or URL."""


class Body(PageSink, Protocol):
    """A format that the gateway writes itself."""

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        """The whole body. `document`: all that is said of the document as a whole."""


async def read_document(session: DocumentSession, params: RequestOptions) -> ChunkedResponse:
    """Reads the document to its end. Raises as `ReadingStats.require_read`, and what `DocumentSession.pages` raises."""
    body = create_body(params, session.options)
    if any(params.restructuring.values()):
        await _add_all_pages(session, params, body)
    else:
        await _add_each_page(session, body)
    result = session.summarize(session.finish())
    session.stats.require_read(shows_warnings=params.format in ("json", None))
    if isinstance(body, ConvertedBody):
        document = ConvertedDocument(session.content, session.document.media_type, params.password)
        conversion = session.service.conversion
        return await convert_body(conversion, body, result, document, session.flow, session.deadline)
    return finish_response(body, result, params.format or "json")


def finish_response(body: Body, result: DocumentResult, kind: Format) -> ChunkedResponse:
    """`body`: with all pages added; `result`: all that is said of the document as a whole."""
    headers = _headers(result, kind, result.warnings if kind != "json" else ())
    if kind == "html":
        headers["Content-Security-Policy"] = f"{POLICY}; sandbox"
    return ChunkedResponse(list(body.pieces(result)), headers)


async def convert_body(
    conversion: ConversionPool,
    body: ConvertedBody,
    result: DocumentResult,
    document: ConvertedDocument,
    flow: Flow,
    deadline: float,
) -> ChunkedResponse:
    """As `finish_response`, of a format that a conversion worker writes. Raises as `ConversionPool.write_format`."""
    source = await asyncio.to_thread(
        make_input, body.kind, body.lines, body.options, document.content, document.media_type, document.password
    )
    answer, file = await conversion.write_format(source, flow, deadline)
    data = await asyncio.to_thread(file.read)
    file.close()
    tables: int | None = answer.get("tables")
    warnings = [*result.warnings, *(["the document holds no table"] if tables == 0 else [])]
    headers = _headers(result, body.kind, warnings)
    if body.kind == "csv" and tables and tables > 1:
        headers["Content-Type"] = _ZIP
    return ChunkedResponse([data], headers)


def _headers(result: DocumentResult, kind: Format, warnings: Sequence[str]) -> dict[str, str]:
    return {
        "X-OCR-ID": result.id,
        **status_headers(result.status, warnings),
        "Content-Type": MEDIA_TYPES[kind],
    }


async def _add_each_page(session: DocumentSession, body: PageSink) -> None:
    async for page in session.pages():
        images = await session.deliver_pictures(page)
        await asyncio.to_thread(body.add, page.result, images)


async def _add_all_pages(session: DocumentSession, params: RequestOptions, body: PageSink) -> None:
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

    await asyncio.get_running_loop().run_in_executor(_RESTRUCTURING, add_restructured)


def create_body(params: RequestOptions, options: OcrOptions) -> Body | ConvertedBody:
    """An empty body of the format that `params` asks for; `options`: those that the pages are read with."""
    kind = params.format or "json"
    if kind == "json":
        return _Json(options)
    if kind == "html":
        return _Written(render_html, b"\n", lambda document: html_frame(document.document.name))
    if kind in CONVERTED_FORMATS:
        return ConvertedBody(kind, options)
    if kind == "hocr":
        return _Written(
            lambda page, _images: render_hocr(page), b"\n", lambda document: hocr_frame(document.document.name)
        )
    if kind == "alto":
        return _Written(
            lambda page, _images: render_alto(page), b"\n", lambda document: alto_frame(document.document.name)
        )
    if kind == "text":
        return _Written(lambda page, _images: render_text(page, options))
    # Pictures stay bare keys, as in PaddleOCR-VL's Markdown, unless the client said how it wants them.
    shows_images = params.images is not None
    return _Written(lambda page, images: render_markdown(page.markdown, images if shows_images else {}))


def status_headers(status: DocumentStatus, warnings: Sequence[str]) -> dict[str, str]:
    """What is said of a reading where its body has no place for it."""
    return {"X-OCR-Status": status, **({"X-OCR-Warnings": _warnings_header(warnings)} if warnings else {})}


def _warnings_header(warnings: Sequence[str]) -> str:
    """The first warnings as a header's value, which is printable ASCII and short: proxies bound it."""
    told = "; ".join(warnings)[:_MAX_HEADER]
    return "".join(character if " " <= character <= "~" else "?" for character in told)


class _Json:
    """The document's JSON with all that grows by pages put into its empty parts."""

    def __init__(self, options: OcrOptions) -> None:
        self._options = options
        self._pages = bytearray()
        self._markdown = bytearray()
        self._images = bytearray()
        self._keys: set[str] = set()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        append(self._pages, _PAGE.dump_json(add_html(page, self._options)), b",")
        if page.markdown:
            append(self._markdown, to_json(page.markdown)[1:-1], rb"\n\n")
        for key, image in images.items():
            if key not in self._keys:
                append(self._images, to_json({key: image})[1:-1], b",")
        self._keys.update(images)

    def pieces(self, document: DocumentResult) -> Iterable[Bytes]:
        inserts = (("pages", self._pages), ("markdown", self._markdown), ("images", self._images))
        return splice_json(_DOCUMENT.dump_json(document), inserts)


@dataclass(frozen=True, slots=True)
class ConvertedDocument:
    """What a PDF is made of; `content` None: nothing is known of it, and no PDF is asked for."""

    content: SpooledFile | None
    media_type: str
    password: str | None


class ConvertedBody:
    """The pages as a conversion worker takes them."""

    def __init__(self, kind: ConvertedFormat, options: OcrOptions) -> None:
        self.kind = kind
        self.options = options
        self.lines = bytearray()

    def add(self, page: PageResult, images: Mapping[str, str]) -> None:
        # The picture of a whole page is in no format but JSON.
        shown = {key: image for key, image in images.items() if key != page.image}
        self.lines += encode_page(page, shown if self.kind == "docx" else {})


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
