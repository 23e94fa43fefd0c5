"""A job's pages as the answer that `POST /ocr` would have given."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping

from gateway.api.admission import Admission
from gateway.api.chunked_response import ChunkedResponse
from gateway.api.ocr.options import PLACED_FORMATS, RequestOptions
from gateway.api.ocr.responses import (
    Body,
    ConvertedBody,
    ConvertedDocument,
    convert_body,
    create_body,
    finish_response,
)
from gateway.api.signed_links import Links
from gateway.conversion.page_files import pack_pages, read_pages
from gateway.errors import ServiceError
from gateway.formats.conversion import CONVERTED_FORMATS
from gateway.intake.spool import SpooledFile
from gateway.jobs.catalog import Job
from gateway.jobs.links import PATH
from gateway.jobs.reading import job_source
from gateway.jobs.store import JobPlan, JobStore, StoredPage
from gateway.model import DocumentResult, PageResult
from gateway.reading_stats import ReadingStats
from gateway.recognized_page import RecognizedPage, encode_pictures
from gateway.service import Service
from gateway.session import fetch_content


def require_result(job: Job) -> JobPlan:
    """ServiceError 409 `job_not_finished`, `job_cancelled`, or what the job has failed of."""
    if job.end is not None and job.end.state == "failed":
        raise ServiceError(job.end.status, job.end.code, job.end.detail)
    if job.state == "cancelled":
        raise ServiceError(409, "job_cancelled", "The job was cancelled; there is no result.")
    if job.state == "failed":
        raise ServiceError(500, "internal_error", "The job failed for an internal reason; the service's log has it.")
    if job.state != "done" or job.plan is None:
        raise ServiceError(409, "job_not_finished", f"The job is {job.state}; its result is not there yet.")
    return job.plan


async def build_result(
    service: Service, store: JobStore, job: Job, params: RequestOptions, links: Links, admission: Admission
) -> ChunkedResponse:
    """Raises as `require_result`, `ReadingStats.require_read` and `ConversionPool.restructure_pages`.

    Where a conversion worker writes the format, also as `convert_body` and `fetch_content`, and ServiceError 409
    `document_changed`, 422 `conflicting_option`.
    """
    if params.format in PLACED_FORMATS and not job.record.options.lines:
        detail = (
            f"The job was read without the places of its text, which `{params.format}` needs: `include=lines,words`."
        )
        raise ServiceError(422, "conflicting_option", detail)
    plan = require_result(job)
    if params.format in CONVERTED_FORMATS:
        params = params.model_copy(update={"images": params.picture_delivery})
    collected = _JobResult(store, job, plan, params, links)
    if any(params.restructuring.values()):
        packed = await asyncio.to_thread(SpooledFile.from_iterable, collected.pack())
        restructured = await service.conversion.restructure_pages(packed, admission.flow, admission.deadline)
        await asyncio.to_thread(collected.add_restructured, restructured)
    else:
        await asyncio.to_thread(collected.add_each)
    result = await asyncio.to_thread(collected.summarize)
    body = collected.body
    if not isinstance(body, ConvertedBody):
        return await asyncio.to_thread(finish_response, body, result, params.format or "json")
    content = await _load_document(service, store, job, result) if body.kind == "pdf" else None
    document = ConvertedDocument(content, result.document.media_type, job.record.password)
    return await convert_body(service.conversion, body, result, document, admission.flow, admission.deadline)


async def _load_document(service: Service, store: JobStore, job: Job, result: DocumentResult) -> SpooledFile:
    """The document as it was read; one that the job names by its place is fetched again."""
    source = await asyncio.to_thread(job_source, store, job.record)
    content, _ = await fetch_content(source, service)
    if (await asyncio.to_thread(lambda: content.sha256)).hex() != result.document.sha256:
        raise ServiceError(409, "document_changed", "The document is another one at its place since the job read it.")
    return content


class _JobResult:
    """All pages of a job on their way into one answer. All functions block; ServiceError 404 `not_found` where the job
    was deleted meanwhile."""

    def __init__(self, store: JobStore, job: Job, plan: JobPlan, params: RequestOptions, links: Links) -> None:
        self._store, self._job, self._plan, self._params, self._links = store, job, plan, params, links
        self._stats = ReadingStats(text_layer=job.record.options.text_layer)
        self._images: dict[str, str] = {}
        self.body: Body | ConvertedBody = create_body(params, job.record.options)

    def add_each(self) -> None:
        for page in self._pages():
            self.body.add(page.result, self._deliver(page))

    def pack(self) -> Iterator[bytes]:
        """The pages for `ConversionPool.restructure_pages`."""
        return pack_pages(self._take_results(), self._job.record.options, self._params.restructuring)

    def add_restructured(self, pages: SpooledFile) -> None:
        """What became of them. A picture may stand in a table that now begins on another page."""
        for page in read_pages(pages):
            self.body.add(page, self._images)
        pages.close()

    def summarize(self) -> DocumentResult:
        """Raises as `ReadingStats.require_read`."""
        self._stats.require_read(shows_warnings=self._params.format in ("json", None))
        return _summarize(self._job, self._plan, self._stats)

    def _take_results(self) -> Iterator[PageResult]:
        for page in self._pages():
            self._images |= self._deliver(page)
            yield page.result

    def _deliver(self, page: StoredPage) -> Mapping[str, str]:
        return deliver_pictures(self._store, self._job, page, self._params, self._links)

    def _pages(self) -> Iterator[StoredPage]:
        for number in self._plan.pages:
            page = self._store.page(self._job.record.id, number)
            if page is None:
                raise ServiceError(404, "not_found", "There is no such job; it was deleted.")
            self._stats.add(_make_recognized_page(page))
            yield page


def deliver_pictures(
    store: JobStore, job: Job, page: StoredPage, params: RequestOptions, links: Links
) -> Mapping[str, str]:
    """Key to base64 or to a signed URL of the picture, as `images` asks."""
    if params.images == "none":
        return {}
    if params.images == "stored":
        expires = (job.end.ended if job.end else time.time()) + job.record.keep_s
        return {key: links.sign(f"{PATH}/{job.record.id}/{key}", expires) for key in page.images}
    pictures = ((key, store.picture(job.record.id, key)) for key in page.images)
    return encode_pictures({key: picture for key, picture in pictures if picture is not None})


def _make_recognized_page(page: StoredPage) -> RecognizedPage:
    timings = page.timings
    return RecognizedPage(
        page.result,
        is_refused=page.is_refused,
        intake_ms=timings.intake_ms,
        layout_ms=timings.layout_ms,
        recognition_ms=timings.recognition_ms,
    )


def _summarize(job: Job, plan: JobPlan, stats: ReadingStats) -> DocumentResult:
    ended = job.end.ended if job.end else plan.started
    return DocumentResult(
        id=job.record.id,
        status=stats.status,
        model=plan.model,
        engine=plan.engine,
        document=plan.document,
        pages=[],
        markdown="",
        usage=stats.usage,
        timings=stats.timings.model_copy(update={"total_ms": round(1000 * (ended - plan.started))}),
        warnings=stats.warnings,
    )
