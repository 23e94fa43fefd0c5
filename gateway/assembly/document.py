"""Page results to the answer of `POST /ocr`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.model import Document, DocumentInfo, DocumentResult, DocumentStatus, PageResult, Timings, Usage


def assemble_document(
    *,
    id: str,
    model: str,
    engine: str,
    document: Document,
    pages: Sequence[PageResult],
    images: Mapping[str, str],
    usage: Usage,
    timings: Timings,
    warnings: Sequence[str] = (),
) -> DocumentResult:
    """The whole answer. `images`: key in the Markdown to base64 JPEG or URL; `warnings`: those of no one page."""
    return DocumentResult(
        id=id,
        status=document_status(pages),
        model=model,
        engine=engine,
        document=describe(document),
        pages=list(pages),
        markdown="\n\n".join(page.markdown for page in pages if page.markdown),
        images=dict(images),
        usage=usage,
        timings=timings,
        warnings=[*warnings, *(warning for page in pages for warning in page.warnings)],
    )


def describe(document: Document) -> DocumentInfo:
    return DocumentInfo(
        name=document.name,
        media_type=document.media_type,
        pages_total=document.pages_total,
        sha256=document.sha256,
    )


def document_status(pages: Sequence[PageResult]) -> DocumentStatus:
    statuses = {page.status for page in pages}
    if statuses == {"failed"}:
        return "failed"
    return "partial" if statuses - {"ok"} else "ok"
