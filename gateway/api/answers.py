"""A finished document as the response that the client asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from pydantic import TypeAdapter
from starlette.responses import Response

from gateway.api.options import Format
from gateway.api.reading import DocumentReading
from gateway.assembly.render import POLICY, render_html, render_markdown, render_text
from gateway.errors import ServiceError
from gateway.model import DocumentResult, PageResult

_MEDIA_TYPES: Mapping[Format, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "text": "text/plain; charset=utf-8",
}
_MOST_NAMED = 3
_RESULT = TypeAdapter(DocumentResult)


async def answer(reading: DocumentReading, result: DocumentResult) -> Response:
    """ServiceError 422 `document_unreadable` or 502 `recognition_failed` where nothing at all was read."""
    if result.status == "failed":
        raise nothing_read(result.pages)
    kind = reading.wishes.format or "json"
    body = await asyncio.to_thread(_WRITERS[kind], reading, result)
    headers = {"X-OCR-ID": result.id, "X-OCR-Status": result.status, "Content-Type": _MEDIA_TYPES[kind]}
    if kind == "html":
        headers["Content-Security-Policy"] = f"{POLICY}; sandbox"
    return Response(body, headers=headers)


def _json(reading: DocumentReading, result: DocumentResult) -> bytes:
    """As bytes at once: of a long document, text would be one copy more."""
    return _RESULT.dump_json(result)


def _markdown(reading: DocumentReading, result: DocumentResult) -> str:
    """Pictures stay bare keys, as in PaddleOCR-VL's Markdown, unless the client said how it wants them."""
    images = result.images if reading.wishes.images else {}
    return render_markdown(result.markdown, images) + "\n"


def _html(reading: DocumentReading, result: DocumentResult) -> str:
    return render_html(result)


def _text(reading: DocumentReading, result: DocumentResult) -> str:
    return render_text(result, reading.options) + "\n"


_WRITERS: Mapping[Format, Callable[[DocumentReading, DocumentResult], str | bytes]] = {
    "json": _json,
    "markdown": _markdown,
    "html": _html,
    "text": _text,
}


def nothing_read(pages: Sequence[PageResult]) -> ServiceError:
    """What to answer about pages that all failed."""
    warnings = [warning for page in pages for warning in page.warnings]
    reasons = "; ".join(warnings[:_MOST_NAMED])
    if any(page.blocks for page in pages):
        return ServiceError(502, "recognition_failed", f"No region could be read: {reasons}")
    return ServiceError(422, "document_unreadable", f"No page could be read: {reasons}")
