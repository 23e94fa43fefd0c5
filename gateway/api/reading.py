"""One document on its way through the pipeline for one request."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field

import structlog

from gateway.api.options import RequestOptions
from gateway.api.tally import Tally
from gateway.assembly.restructure import describe_document
from gateway.model import Document, DocumentResult, OcrOptions
from gateway.page import ReadPage
from gateway.service import Service

log = structlog.get_logger(__name__)


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
            document=describe_document(self.document),
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
