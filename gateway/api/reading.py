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
from gateway.assembly.document import assemble_document, document_status
from gateway.assembly.restructure import restructured
from gateway.model import Document, DocumentResult, DocumentStatus, OcrOptions, PageResult, Timings, Usage
from gateway.page import ReadPage
from gateway.service import Service

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class DocumentReading:
    """A document, how it is to be read, and what its pages have given so far."""

    service: Service
    document: Document
    wishes: RequestOptions
    options: OcrOptions
    pages: AsyncGenerator[ReadPage, None]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    results: list[PageResult] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    started: float = field(default_factory=time.perf_counter)

    async def take(self, page: ReadPage) -> dict[str, str]:
        """Adds a page to what was read; gives its pictures as the client gets them."""
        images = await self._delivered(page.images)
        self.results.append(page.result)
        self.images |= images
        self.usage = _sum(self.usage, page.usage)
        self.timings = _later(self.timings, page)
        self.service.metrics.count_page(page.result, stages_of(page))
        return images

    async def read_all(self) -> DocumentResult:
        async for page in self.pages:
            await self.take(page)
        wanted = self.wishes.restructuring
        if any(wanted.values()):
            self.results = await asyncio.to_thread(restructured, self.results, self.options, **wanted)
        return self.finish()

    def finish(self) -> DocumentResult:
        self.timings = self.timings.model_copy(update={"total_ms": int((time.perf_counter() - self.started) * 1000)})
        log.info(
            "document read",
            id=self.id,
            media_type=self.document.media_type,
            status=self.status,
            pages=self.usage.pages,
            regions=self.usage.regions,
            ms=self.timings.total_ms,
        )
        return assemble_document(
            id=self.id,
            model=self.model,
            engine=self.engine,
            document=self.document,
            pages=self.results,
            images=self.images,
            usage=self.usage,
            timings=self.timings,
            warnings=[warning] if (warning := self.service.parts.layout.warning) and self.has_layout else [],
        )

    @property
    def has_layout(self) -> bool:
        return self.options.task == "document"

    @property
    def status(self) -> DocumentStatus:
        return document_status(self.results)

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
