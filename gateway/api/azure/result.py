"""What was read as Azure's `analyzeResult`, made page by page: the text, and where in it and on the page lines, words,
tables and figures stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from gateway.api.azure.content import (
    Content,
    Elements,
    Segment,
    Span,
    cover,
    join_tick_boxes,
    selection_sign,
    selection_state,
    show_selection_marks,
    split_words,
    word_confidence,
)
from gateway.api.azure.schema import DOCUMENT, READ, AnalyzeOptions
from gateway.api.chunked_response import Bytes, splice_json
from gateway.assembly.items import Item, make_items
from gateway.assembly.markdown import block_markdown
from gateway.assembly.page import picture_keys
from gateway.assembly.restructure import combine_statuses
from gateway.assembly.tables.cells import list_cells
from gateway.assembly.tables.html import table_cells
from gateway.errors import ServiceError
from gateway.formats.placed_text import place_text
from gateway.intake.sniff import PDF
from gateway.model import Block, Box, DocumentInfo, DocumentStatus, PageResult, TableCell, TextLine, Word
from gateway.reading_options import OcrOptions

_LISTS = ("pages", "paragraphs", "tables", "figures", "warnings")
_READ_LISTS = ("pages", "paragraphs", "warnings")
_PAGE_BREAK = "\n\n<!-- PageBreak -->\n\n"
_ROLES: Mapping[str, str] = {
    "title": "title",
    "section_header": "sectionHeading",
    "page_header": "pageHeader",
    "page_footer": "pageFooter",
    "footnote": "footnote",
    "formula": "formulaBlock",
}
_COMMENTS: Mapping[str | None, str] = {
    "pageHeader": "PageHeader",
    "pageFooter": "PageFooter",
    "pageNumber": "PageNumber",
}
"""Markdown has what stands at a page's edges in comments of these names."""
_FORMULA = ":formula:"
"""Stands for a formula in plain text where formulas are listed apart."""
_PICTURES = OcrOptions(ignore_labels=frozenset())


def find_figures(page: PageResult) -> dict[str, str]:
    """Ids of the page's figures to the keys of their pictures."""
    figures = [item.block.id for item in make_items(page.blocks) if item.label == "picture"]
    keys = picture_keys(page.page, page.blocks, _PICTURES)
    return {f"{page.page}.{number}": keys[block] for number, block in enumerate(figures, 1) if block in keys}


@dataclass(frozen=True, slots=True)
class PageScale:
    """How lengths of the page are told: by `scale` of its pixels."""

    page: int
    unit: str
    scale: float

    def measure(self, length: float) -> float:
        return round(length * self.scale, 4)

    def polygon(self, box: Box) -> list[float]:
        scale = self.scale
        x1, y1, x2, y2 = [round(side * scale, 4) for side in box]
        return [x1, y1, x2, y1, x2, y2, x1, y2]

    def regions(self, box: Box) -> list[dict[str, Any]]:
        return [{"pageNumber": self.page, "polygon": self.polygon(box)}]


class ResultWriter:
    """A document as far as it was read."""

    def __init__(self, model: str, api_version: str, options: AnalyzeOptions, document: DocumentInfo) -> None:
        self._model = model
        self._api_version = api_version
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
        is_layout = self._model != READ
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
        is_layout = self._model != READ
        names = _LISTS if is_layout else _READ_LISTS
        frame = {
            "apiVersion": self._api_version,
            "modelId": self._model,
            "stringIndexType": self._options.string_index_type,
            "contentFormat": self._options.output_content_format,
            "content": self._content.join(),
            "styles": [],
            **({"keyValuePairs": []} if self._model == DOCUMENT else {}),
            **({"sections": self._elements.list_sections()} if is_layout else {}),
            **{name: [] for name in names},
        }
        return splice_json(to_json(frame), [(name, self._elements.entries(name)) for name in names])


class PageWriter:
    """Adds the text of one page to the content, and what stands on it to the elements."""

    def __init__(
        self, content: Content, elements: Elements, options: AnalyzeOptions, scale: PageScale, *, is_layout: bool
    ) -> None:
        """`is_layout`: whether selection marks are told apart from text."""
        self._content = content
        self._elements = elements
        self._is_markdown = options.output_content_format == "markdown"
        self._lists_formulas = "formulas" in options.features
        self._is_layout = is_layout
        self._scale = scale
        self._start = content.length
        self._lines: list[dict[str, Any]] = []
        self._words: list[dict[str, Any]] = []
        self._marks: list[dict[str, Any]] = []
        self._formulas: list[dict[str, Any]] = []
        self._figures = 0

    def write(self, page: PageResult) -> dict[str, Any]:
        """What `pages` says of it. Milliseconds of CPU."""
        # An abstract is two items, a heading and a text, whose lines are not told apart.
        items = {item.block.id: item for item in make_items(page.blocks)}
        for item in items.values():
            self._write_item(item, page.width)
        return {
            "pageNumber": page.page,
            "angle": 0,
            "width": self._scale.measure(page.width),
            "height": self._scale.measure(page.height),
            "unit": self._scale.unit,
            "words": self._words,
            **({"selectionMarks": self._marks} if self._is_layout else {}),
            "lines": self._lines,
            **({"formulas": self._formulas} if self._lists_formulas else {}),
            "spans": [self._content.span_from(self._start)],
        }

    def _write_item(self, item: Item, page_width: int) -> None:
        if item.label == "table":
            self._write_table(item, page_width)
        elif item.label == "picture":
            self._write_figure(item, page_width)
        else:
            element, told = self._write_paragraph(item, page_width)
            self._elements.place(element, told["spans"][0], item.fields.get("level"))

    def _write_paragraph(self, item: Item, page_width: int, tag: str = "") -> tuple[str, dict[str, Any]]:
        """Gives what `paragraphs` says of it, and where. `tag`: around it in Markdown."""
        lines, role = self._read_lines(item), _role(item)
        text = "\n".join(line.text for line in lines)
        if self._is_markdown:
            shown = block_markdown(item.block, None, page_width, pretty=False)
            text = _comment(role, text) if role in _COMMENTS else f"<{tag}>{shown}</{tag}>" if tag else shown
        segment = self._add_text(text)
        self._place_lines(item.block, lines, segment)
        content = item.text or "\n".join(f"{child.fields['marker']} {child.text}" for child in item.children)
        told = {
            **({"role": role} if role else {}),
            "content": self._show_marks(content),
            "boundingRegions": self._scale.regions(item.block.bbox),
            "spans": [segment.span],
        }
        if item.label == "formula" and self._lists_formulas:
            self._formulas.append(self._describe_formula(item, segment))
        return self._elements.add("paragraphs", told), told

    def _write_captions(self, item: Item, page_width: int, tag: str = "") -> dict[str, Any]:
        """Gives the caption of a table or figure, whose texts are paragraphs too; nothing where it has none."""
        written = [self._write_paragraph(caption, page_width, tag) for caption in item.captions]
        if not written:
            return {}
        caption = {
            "content": " ".join(one["content"] for _, one in written),
            "boundingRegions": [region for _, one in written for region in one["boundingRegions"]],
            "spans": [span for _, one in written for span in one["spans"]],
            "elements": [element for element, _ in written],
        }
        return {"caption": caption}

    def _write_table(self, item: Item, page_width: int) -> None:
        caption = self._write_captions(item, page_width)
        rows, columns, _ = table_cells(item.block.content)
        cells = item.block.cells or list_cells(item.block.content, None)
        plain = "\n".join(cell.text for cell in cells if cell.text)
        segment = self._add_text(item.block.content if self._is_markdown else plain)
        told = [self._describe_cell(cell, segment) for cell in cells]
        self._place_lines(item.block, place_text(item.block), segment)
        table = {
            "rowCount": rows,
            "columnCount": columns,
            "cells": told,
            "boundingRegions": self._scale.regions(item.block.bbox),
            "spans": [segment.span],
            **caption,
        }
        self._elements.place(self._elements.add("tables", table), segment.span)

    def _describe_cell(self, cell: TableCell, segment: Segment) -> dict[str, Any]:
        text = self._show_marks(cell.text)
        return {
            "kind": "content",
            "rowIndex": cell.row,
            "columnIndex": cell.column,
            **({"rowSpan": cell.rows} if cell.rows > 1 else {}),
            **({"columnSpan": cell.columns} if cell.columns > 1 else {}),
            "content": text,
            **({"boundingRegions": self._scale.regions(cell.bbox)} if cell.bbox else {}),
            "spans": [segment.find(text)] if text else [],
        }

    def _write_figure(self, item: Item, page_width: int) -> None:
        lines = place_text(item.block)
        opening = self._add_text("<figure>" if self._is_markdown else "")
        caption = self._write_captions(item, page_width, "figcaption") if self._is_markdown else {}
        segment = self._add_text("\n".join(line.text for line in lines))
        self._place_lines(item.block, lines, segment)
        if self._is_markdown:
            self._add_text("</figure>")
        span = self._content.span_from(opening.start) if self._is_markdown else segment.span
        self._figures += 1
        figure = {
            "id": f"{self._scale.page}.{self._figures}",
            "boundingRegions": self._scale.regions(item.block.bbox),
            "spans": [span],
            "elements": [],
            **(caption or self._write_captions(item, page_width)),
        }
        self._elements.place(self._elements.add("figures", figure), span)

    def _add_text(self, text: str) -> Segment:
        if text and self._content.length > self._start:
            self._content.add("\n\n" if self._is_markdown else "\n")
        return self._content.add(self._show_marks(text))

    def _show_marks(self, text: str) -> str:
        return show_selection_marks(text, is_markdown=self._is_markdown) if self._is_layout else text

    def _read_lines(self, item: Item) -> list[TextLine]:
        if item.label != "formula":
            return place_text(item.block)
        text = _FORMULA if self._lists_formulas and not self._is_markdown else item.text
        return [TextLine(text=text, bbox=item.block.bbox, source="aligned")]

    def _place_lines(self, block: Block, lines: Sequence[TextLine], segment: Segment) -> None:
        segment.rewind()
        for line in lines:
            words = join_tick_boxes(line.words or split_words(line.text, line.bbox, line.confidence))
            spans = [self._place_word(word, line, block, segment) for word in words]
            if spans:
                place = self._scale.polygon(line.bbox)
                self._lines.append({"content": self._show_marks(line.text), "polygon": place, "spans": [cover(spans)]})

    def _place_word(self, word: Word, line: TextLine, block: Block, segment: Segment) -> Span:
        state = selection_state(word.text) if self._is_layout else None
        span = segment.find(selection_sign(state, is_markdown=self._is_markdown) if state else word.text)
        told = {
            "polygon": self._scale.polygon(word.bbox),
            "confidence": word_confidence(word, line.confidence, block),
            "span": span,
        }
        if state:
            self._marks.append({"state": state, **told})
        else:
            self._words.append({"content": word.text, **told})
        return span

    def _describe_formula(self, item: Item, segment: Segment) -> dict[str, Any]:
        confidence = item.block.confidence
        return {
            "kind": "display",
            "value": item.text,
            "polygon": self._scale.polygon(item.block.bbox),
            "confidence": 1.0 if confidence is None else round(confidence, 3),
            "span": segment.span,
        }


def _role(item: Item) -> str | None:
    return "pageNumber" if item.block.label == "number" else _ROLES.get(item.label)


def _comment(role: str | None, text: str) -> str:
    told = " ".join(text.split()).replace('"', "&quot;").replace("-->", "--&gt;")
    return f'<!-- {_COMMENTS[role]}="{told}" -->'
