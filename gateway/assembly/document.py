"""What is said of a document as a whole."""

from __future__ import annotations

from collections.abc import Set

from gateway.model import Document, DocumentInfo, DocumentStatus


def describe(document: Document) -> DocumentInfo:
    return DocumentInfo(
        name=document.name,
        media_type=document.media_type,
        pages_total=document.pages_total,
        sha256=document.sha256,
    )


def document_status(statuses: Set[DocumentStatus]) -> DocumentStatus:
    """Of the statuses that its pages have."""
    if statuses == {"failed"}:
        return "failed"
    return "partial" if statuses - {"ok"} else "ok"
