"""One document on its way through the service for one request: opened, read, delivered, counted, logged.

Every dialect goes this way: it makes a `DocumentSource` and `OcrOptions` of what it was sent, and its own answer of the
pages that come.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from gateway.assembly.restructure import describe_document
from gateway.engine.pool import EnginePool
from gateway.errors import ServiceError
from gateway.intake.document import open_document
from gateway.intake.spool import SpooledFile
from gateway.model import Document, DocumentResult, PageResult, Timings
from gateway.parts import Parts
from gateway.pipeline import read_pages
from gateway.reading_options import OcrOptions, OptionNames
from gateway.reading_stats import ReadingStats
from gateway.recognized_page import PageView, RecognizedPage, encode_pictures
from gateway.scheduling.fair_semaphore import Flow
from gateway.service import Service
from gateway.storage.bucket import S3Source, load_source
from gateway.tasks import page_dpi

ViewFactory: TypeAlias = Callable[[Document], PageView | None]
"""What each page is to be drawn by while its pixels are there; it may depend on the kind of document."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DocumentSource:
    """A document as a request holds it, or names it by `url` or `s3`; `content` is None then. `media_type`: as its
    sender declares it."""

    content: SpooledFile | None
    name: str = ""
    url: str | None = None
    s3: S3Source | None = None
    media_type: str = ""


class DocumentSession:
    """An open document, how it is read, and what is known of the pages read so far."""

    def __init__(
        self,
        service: Service,
        engine: EnginePool,
        document: Document,
        options: OcrOptions,
        pages: AsyncGenerator[RecognizedPage, None],
        deadline: float,
        content: SpooledFile,
        flow: Flow,
        count_page: Callable[[], None],
    ) -> None:
        """`engine`: those of the model that reads; `count_page` is called for each page that was read."""
        self.service = service
        self._engine = engine
        self.document = document
        self.content = content
        """The document's bytes, until the session is closed."""
        self.flow = flow
        self.options = options
        self.id = uuid.uuid4().hex
        self.stats = ReadingStats(text_layer=options.text_layer)
        self.deadline = deadline
        self._pages = pages
        self._count_page = count_page
        self._started = time.perf_counter()

    @property
    def has_layout(self) -> bool:
        return self.options.task == "document"

    @property
    def model(self) -> str:
        return self._engine.model or ""

    @property
    def engine(self) -> str:
        return self._engine.kind or ""

    async def pages(self) -> AsyncGenerator[RecognizedPage, None]:
        """The pages in order, each counted as it comes. Raises what `read_pages` raises."""
        async for page in self._pages:
            self.stats.add(page)
            self._count_page()
            self.service.metrics.count_page(page.result, _stage_times(page))
            yield page

    async def read_into(self, add: Callable[[PageResult, Mapping[str, bytes]], None]) -> None:
        """Gives all pages in order, with their pictures by key, to `add` in a thread, and finishes. Raises what
        `read_pages` and `require_read` raise."""
        async for page in self.pages():
            await asyncio.to_thread(add, page.result, page.images)
        self.finish()
        self.stats.require_read()

    async def deliver_pictures(self, page: RecognizedPage) -> dict[str, str]:
        """A page's pictures as the client gets them: key to base64 or URL, as `options.images` asks.

        Raises ServiceError 503 `storage_unavailable`, 504 `deadline_exceeded`.
        """
        if not page.images or self.options.images == "none":
            return {}
        if self.options.images == "stored":
            try:
                async with asyncio.timeout_at(self.deadline):
                    return await self.service.store.save(self.id, page.images)
            except TimeoutError:
                raise ServiceError(
                    504, "deadline_exceeded", "The pictures were not stored before the deadline."
                ) from None
        return await asyncio.to_thread(encode_pictures, page.images)

    def finish(self) -> Timings:
        """Logs the end of the reading; gives the times of all of it."""
        stats = self.stats
        timings = stats.timings.model_copy(update={"total_ms": int((time.perf_counter() - self._started) * 1000)})
        self.service.metrics.observe_document(timings.total_ms)
        log.info(
            "document read",
            id=self.id,
            media_type=self.document.media_type,
            status=stats.status,
            pages=stats.usage.pages,
            regions=stats.usage.regions,
            ms=timings.total_ms,
        )
        return timings

    def summarize(self, timings: Timings) -> DocumentResult:
        """All that is said of the document as a whole; `pages`, `markdown` and `images` are empty."""
        stats = self.stats
        layout = self.service.parts.layout.warning if self.has_layout else None
        return DocumentResult(
            id=self.id,
            status=stats.status,
            model=self.model,
            engine=self.engine,
            document=describe_document(self.document),
            pages=[],
            markdown="",
            usage=stats.usage,
            timings=timings,
            warnings=[*([layout] if layout else []), *stats.warnings],
        )


@asynccontextmanager
async def open_session(
    service: Service,
    source: DocumentSource,
    options: OcrOptions,
    deadline: float,
    *,
    pages: str | None = None,
    dpi: int | None = None,
    password: str | None = None,
    flow: Flow | None = None,
    view: ViewFactory | None = None,
    is_accepted: bool = False,
    before: Sequence[PageResult] = (),
) -> AsyncIterator[DocumentSession]:
    """Opens the document and begins to read it; leaving the context ends its work and closes it.

    `pages`: selection as in the option of that name. `dpi` None: as `PDF_DPI` and the engine suggest. `password` opens
    an encrypted PDF. `is_accepted`: the client was told that its document will be read, maybe by a gateway with other
    engines; where one of two readers is missing here, the other one reads all. `before`: the last pages that were read
    before these. Raises what `open_document`, `fetch` and
    `load_source` raise, and ServiceError 504 `deadline_exceeded`, 429 `key_limit_reached`, 422
    `too_many_pages_for_key`, `unknown_model`, `hybrid_unavailable`, 503 `vlm_unavailable`.
    """
    flow = flow or Flow()
    parts = service.parts.choose(options.model)
    if options.model:
        parts.engine.require_serving()
    if not is_accepted:
        parts.require_recognition(options.recognition)
    with service.parts.tracing.span("open document"):
        document, content = await _open_source(service, parts, source, options, deadline, pages, dpi, password, flow)
    try:
        drawn = view(document) if view else None
        with _hold_pages(flow, len(document.selected), options.names) as count:
            reading = read_pages(parts, document, options, deadline, flow=flow, view=drawn, before=before)
            async with aclosing(reading):
                yield DocumentSession(service, parts.engine, document, options, reading, deadline, content, flow, count)
    finally:
        await document.close()


def _hold_pages(flow: Flow, count: int, names: OptionNames) -> AbstractContextManager[Callable[[], None]]:
    return flow.account.hold_pages(count, names) if flow.account else nullcontext(_count_nothing)


def _count_nothing() -> None:
    """For whoever has no key, whose pages nobody counts."""


async def _open_source(
    service: Service,
    parts: Parts,
    source: DocumentSource,
    options: OcrOptions,
    deadline: float,
    pages: str | None,
    dpi: int | None,
    password: str | None,
    flow: Flow,
) -> tuple[Document, SpooledFile]:
    try:
        async with asyncio.timeout_at(deadline):
            content, name = await fetch_content(source, service)
            document = await open_document(
                content,
                source.name or name,
                pages=pages,
                dpi=dpi or parts.settings.pdf_dpi or page_dpi(parts.engine.kind),
                pool=parts.pool,
                settings=parts.settings,
                flow=flow,
                password=password,
                has_layer=options.text_layer != "never" and options.task == "document",
                text_type=source.media_type if options.text_files else None,
                names=options.names,
            )
            return document, content
    except TimeoutError:
        raise ServiceError(504, "deadline_exceeded", "The document was not opened before the deadline.") from None


async def fetch_content(source: DocumentSource, service: Service) -> tuple[SpooledFile, str]:
    """The document's bytes, and the name that the place has for it where the request has none."""
    settings = service.settings
    if source.s3:
        return await load_source(service.bucket, source.s3, int(settings.max_upload_mb * 1_000_000)), ""
    if source.content:
        return source.content, ""
    from gateway.intake.fetch import fetch
    from gateway.intake.url_rules import fetch_rules

    return await fetch(source.url or "", fetch_rules(settings))


def _stage_times(page: RecognizedPage) -> dict[str, int]:
    """Milliseconds of each stage."""
    return {"intake": page.intake_ms, "layout": page.layout_ms, "recognition": page.recognition_ms}
