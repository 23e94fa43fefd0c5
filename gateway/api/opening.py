"""From a document that a request holds or names to one whose pages can be read."""

from __future__ import annotations

import asyncio

from gateway.api.source import Upload
from gateway.errors import ServiceError
from gateway.intake.document import open_document
from gateway.intake.spool import SpooledFile
from gateway.model import Document
from gateway.service import Service
from gateway.storage.s3 import load_source
from gateway.tasks import page_dpi


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


async def _content(upload: Upload, service: Service) -> SpooledFile:
    settings = service.settings
    if upload.s3:
        return await load_source(service.bucket, upload.s3, int(settings.max_upload_mb * 1_000_000))
    if upload.content:
        return upload.content
    from gateway.intake.fetch import fetch, fetch_rules

    return await fetch(upload.url or "", fetch_rules(settings))
