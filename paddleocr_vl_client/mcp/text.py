"""Texts of documents for agents: within a budget, as an outline, searched."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, Field
from rapidfuzz import fuzz

from paddleocr_vl_client.mcp.documents import Document
from paddleocr_vl_client.mcp.locators import Locator, block_locator
from paddleocr_vl_client.models import Block, Page

_OUTLINED = {"doc_title": 1, "paragraph_title": 2}
_FLOATS = frozenset({"table", "image", "chart", "figure_title"})
_MAX_TITLE = 160
_AROUND = 120
_MIN_SCORE = 85.0
"""Of 100; what OCR misreads of a word or two stays above it."""
_TAG = re.compile(r"<[^<>]+>")


class PageText(BaseModel):
    locator: str = Field(description="document/page, for later calls")
    status: Literal["ok", "partial", "failed"] = Field(description="partial: `warnings` say what is missing")
    text: str = Field(description="Markdown; tables are HTML, formulas LaTeX")
    warnings: list[str]


class DocumentText(BaseModel):
    document: str = Field(description="The document's locator")
    name: str
    pages_total: int
    pages: list[PageText]
    next_pages: str | None = Field(description="`pages` of the call that goes on; null at the end")
    next_offset: int = Field(description="`offset` of that call")


class OutlineEntry(BaseModel):
    locator: str = Field(description="document/page/block")
    kind: str = Field(description="Layout label: doc_title, paragraph_title, table, image, chart, figure_title")
    level: int = Field(description="Of headings, from 1; 0 for tables and pictures")
    text: str


class SearchHit(BaseModel):
    locator: str = Field(description="document/page/block")
    document_name: str
    score: float = Field(description="100 for an exact match, less where letters differ")
    text: str = Field(description="What stands around the match")


def cut_page(page: Page, offset: int, budget: int) -> tuple[str, int | None]:
    """The page's Markdown from `offset`, in `budget` characters, and the offset where it goes on; None at its end.

    It ends between paragraphs or lines where one ends in the second half of the budget.
    """
    rest = page.markdown[offset:]
    if len(rest) <= budget:
        return rest, None
    ends = (rest.rfind(separator, budget // 2, budget) for separator in ("\n\n", "\n", " "))
    end = next((end for end in ends if end > 0), budget)
    return rest[:end], offset + end


def page_text(document: Document, page: Page, text: str) -> PageText:
    locator = str(Locator(document.id, page.page))
    return PageText(locator=locator, status=page.status, text=text, warnings=list(page.warnings))


def outline_page(document: Document, page: Page) -> Iterator[OutlineEntry]:
    """Headings, tables and pictures of a page, in reading order."""
    for block in page.blocks:
        level = _OUTLINED.get(block.label, 0)
        if level or block.label in _FLOATS:
            yield OutlineEntry(
                locator=str(block_locator(document.id, block.id)),
                kind=block.label,
                level=block.title_level or level,
                text=plain_text(block)[:_MAX_TITLE],
            )


def search_pages(document: Document, pages: Iterable[Page], query: str) -> Iterator[SearchHit]:
    """Blocks that hold the query, whatever its case and width, or nearly, as OCR may have misread it."""
    wanted = _fold(query)
    for page in pages:
        for block in page.blocks:
            text = plain_text(block)
            folded = _fold(text)
            place = folded.find(wanted)
            score = 100.0 if place >= 0 else 0.0
            if place < 0 and len(folded) >= len(wanted):
                match = fuzz.partial_ratio_alignment(wanted, folded, score_cutoff=_MIN_SCORE)
                place, score = (match.dest_start, match.score) if match else (0, 0.0)
            if score >= _MIN_SCORE:
                yield SearchHit(
                    locator=str(block_locator(document.id, block.id)),
                    document_name=document.name,
                    score=round(score, 1),
                    text=text[max(0, place - _AROUND) : place + len(wanted) + _AROUND],
                )


def plain_text(block: Block) -> str:
    """Without the tags of tables, on one line."""
    text = html.unescape(_TAG.sub(" ", block.content)) if block.label == "table" else block.content
    return " ".join(text.split())


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(text.split())).casefold()
