"""One document on its way through the service for one request: opened, read, delivered, counted, logged."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

import structlog

from gateway.api.ocr.options import RequestOptions
from gateway.api.ocr.request import Upload
from gateway.assembly.document import describe, document_status
from gateway.errors import ServiceError
from gateway.intake.content import Content
from gateway.intake.document import open_document
from gateway.model import Document, DocumentResult, DocumentStatus, OcrOptions, Timings, Usage
from gateway.page import ReadPage
from gateway.recognition.tasks import page_dpi
from gateway.service import Service
from gateway.storage.s3 import load_source

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """Of the pages read so far."""

    pages: int = 0
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    warnings: list[str] = field(default_factory=list)
    _statuses: set[DocumentStatus] = field(default_factory=set)
    _has_blocks: bool = False

    def count(self, page: ReadPage) -> None:
        self.pages += 1
        self.usage = _sum(self.usage, page.usage)
        self.timings = _later(self.timings, page)
        self.warnings += page.result.warnings
        self._statuses.add(page.result.status)
        self._has_blocks |= bool(page.result.blocks)

    @property
    def status(self) -> DocumentStatus:
        return document_status(self._statuses)

    def require_read(self) -> None:
        """ServiceError 422 `document_unreadable` or 502 `recognition_failed` where nothing at all was read."""
        if self.status != "failed":
            return
        reasons = "; ".join(self.warnings[:_MOST_NAMED])
        if self._has_blocks:
            raise ServiceError(502, "recognition_failed", f"No region could be read: {reasons}")
        raise ServiceError(422, "document_unreadable", f"No page could be read: {reasons}")


@dataclass(slots=True)
class DocumentReading:
    """A document, how it is to be read, and what is known of the pages read so far."""

    service: Service
    document: Document
    wishes: RequestOptions
    options: OcrOptions
    pages: AsyncGenerator[ReadPage, None]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    tally: Tally = field(default_factory=Tally)
    started: float = field(default_factory=time.perf_counter)

    async def take(self, page: ReadPage) -> dict[str, str]:
        """Counts a page; gives its pictures as the client gets them."""
        images = await self._delivered(page.images)
        self.tally.count(page)
        self.service.metrics.count_page(page.result, stages_of(page))
        return images

    def finish(self) -> DocumentResult:
        """All that is said of the document as a whole; `pages`, `markdown` and `images` are empty."""
        tally = self.tally
        timings = tally.timings.model_copy(update={"total_ms": int((time.perf_counter() - self.started) * 1000)})
        log.info(
            "document read",
            id=self.id,
            media_type=self.document.media_type,
            status=tally.status,
            pages=tally.usage.pages,
            regions=tally.usage.regions,
            ms=timings.total_ms,
        )
        layout = self.service.parts.layout.warning if self.has_layout else None
        return DocumentResult(
            id=self.id,
            status=tally.status,
            model=self.model,
            engine=self.engine,
            document=describe(self.document),
            pages=[],
            markdown="",
            usage=tally.usage,
            timings=timings,
            warnings=[*([layout] if layout else []), *tally.warnings],
        )

    @property
    def has_layout(self) -> bool:
        return self.options.task == "document"

    @property
    def model(self) -> str:
        return self.service.parts.engine.model or ""

    @property
    def engine(self) -> str:
        return self.service.parts.engine.kind or ""

    async def _delivered(self, pictures: Mapping[str, bytes]) -> dict[str, str]:
        if not pictures or self.options.images == "none":
            return {}
        if self.options.images == "stored":
            return await self.service.store.save(self.id, pictures)
        return await asyncio.to_thread(_inline, pictures)


def stages_of(page: ReadPage) -> dict[str, int]:
    """Milliseconds of each stage."""
    return {"intake": page.intake_ms, "layout": page.layout_ms, "recognition": page.recognition_ms}


def _inline(pictures: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(data).decode("ascii") for key, data in pictures.items()}


async def opened(
    service: Service, upload: Upload, deadline: float, *, pages: str | None = None, dpi: int | None = None
) -> Document:
    """The document, fetched where the request names it by URL or by its place in S3.

    `dpi` None: as `PDF_DPI` and the engine suggest. Raises what `open_document`, `fetch` and `load_source` raise,
    and ServiceError 504 `deadline_exceeded`.
    """
    parts = service.parts
    try:
        async with asyncio.timeout_at(deadline):
            return await open_document(
                await _content(upload, service),
                upload.name,
                pages=pages,
                dpi=dpi or parts.settings.pdf_dpi or page_dpi(parts.engine.kind),
                pool=parts.pool,
                settings=parts.settings,
            )
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The document was not opened before the deadline.") from None


async def _content(upload: Upload, service: Service) -> Content:
    settings = service.settings
    if upload.s3:
        return await load_source(service.bucket, upload.s3, int(settings.max_upload_mb * 1_000_000))
    if upload.content:
        return upload.content
    from gateway.intake.fetch import fetch, rules_of

    return await fetch(upload.url or "", rules_of(settings))


_MOST_NAMED = 3


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        pages=one.pages + other.pages,
        regions=one.regions + other.regions,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
    )


def _later(timings: Timings, page: ReadPage) -> Timings:
    return Timings(
        intake_ms=timings.intake_ms + page.intake_ms,
        layout_ms=timings.layout_ms + page.layout_ms,
        recognition_ms=timings.recognition_ms + page.recognition_ms,
    )
