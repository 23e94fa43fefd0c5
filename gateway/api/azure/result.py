"""What was read as Azure's `analyzeResult`, made page by page."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic_core import to_json

from gateway.api.azure.content import Content
from gateway.api.azure.elements import Elements
from gateway.api.azure.page import PageScale, PageWriter
from gateway.api.azure.schema import API_VERSION, LAYOUT, AnalyzeOptions
from gateway.api.chunked_response import Bytes, splice_json
from gateway.assembly.restructure import combine_statuses
from gateway.errors import ServiceError
from gateway.intake.sniff import PDF
from gateway.model import DocumentInfo, DocumentStatus, PageResult

_LISTS = ("pages", "paragraphs", "tables", "figures", "warnings")
_READ_LISTS = ("pages", "paragraphs", "warnings")
_PAGE_BREAK = "\n\n<!-- PageBreak -->\n\n"


class ResultWriter:
    """A document as far as it was read."""

    def __init__(self, model: str, options: AnalyzeOptions, document: DocumentInfo) -> None:
        self._model = model
        self._options = options
        self._is_pdf = document.media_type == PDF
        self._content = Content(options.string_index_type)
        self._elements = Elements()
        self._statuses: set[DocumentStatus] = set()
        self._warnings: list[str] = []

    def add(self, page: PageResult) -> None:
        """The next page. Milliseconds of CPU."""
        if self._statuses:
            self._content.add(_PAGE_BREAK if self._options.output_content_format == "markdown" else "\n")
        self._statuses.add(page.status)
        self._warnings += page.warnings
        for warning in page.warnings:
            warned = {"code": "IncompleteResult", "message": warning, "target": str(page.page)}
            self._elements.add("warnings", warned)
        dpi = page.dpi if self._is_pdf else None
        scale = PageScale(page.page, "inch" if dpi else "pixel", 1 / (dpi or 1))
        is_layout = self._model == LAYOUT
        writer = PageWriter(self._content, self._elements, self._options, scale, is_layout=is_layout)
        self._elements.add("pages", writer.write(page))

    @property
    def failure(self) -> ServiceError | None:
        """Why there is no result, where nothing could be read."""
        if combine_statuses(self._statuses) != "failed":
            return None
        return ServiceError(500, "recognition_failed", "; ".join(self._warnings)[:1000] or "No page could be read.")

    def pieces(self) -> Iterator[Bytes]:
        """JSON of the whole."""
        is_layout = self._model == LAYOUT
        names = _LISTS if is_layout else _READ_LISTS
        frame = {
            "apiVersion": API_VERSION,
            "modelId": self._model,
            "stringIndexType": self._options.string_index_type,
            "contentFormat": self._options.output_content_format,
            "content": self._content.join(),
            "styles": [],
            **({"sections": self._elements.list_sections()} if is_layout else {}),
            **{name: [] for name in names},
        }
        return splice_json(to_json(frame), [(name, self._elements.entries(name)) for name in names])
