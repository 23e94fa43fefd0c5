"""A page's blocks as the items of a document: headings, lists, tables and pictures with their captions, furniture.

Labels are docling's, whose document model others follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.assembly.markdown import holds_listing, split_abstract, title_depth
from gateway.assembly.tables.html import table_cells
from gateway.assembly.text.formulas import extract_latex, unescape_dollars
from gateway.assembly.text.reflow import LINE_BREAK, join_lines, reflow, split_items
from gateway.labels import CAPTION_LABELS, LINE_LABELS, PICTURE_LABELS, TEXT_FILE, TITLE_LABELS, is_formula
from gateway.model import Block, PageResult

FURNITURE = frozenset({"header", "footer", "number", "header_image", "footer_image"})
_LABELS: Mapping[str, str] = {
    "doc_title": "title",
    "paragraph_title": "section_header",
    "header": "page_header",
    "footer": "page_footer",
    "number": "page_footer",
    "footnote": "footnote",
    "vision_footnote": "footnote",
    "reference_content": "reference",
    **dict.fromkeys(CAPTION_LABELS, "caption"),
}
_NUMBER = re.compile(r"[(（]?\d")


@dataclass(slots=True)
class Item:
    """`fields`: what only items of this label have: `level`, `marker` and `enumerated`, or `cells`."""

    label: str
    block: Block
    text: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    captions: list[Item] = field(default_factory=list)
    children: list[Item] = field(default_factory=list)


def body_blocks(page: PageResult) -> list[Block]:
    """The page without what stands at its edges, unless it holds no other text."""
    body = [block for block in page.blocks if block.label not in FURNITURE]
    return body if any(block.content.strip() for block in body) else page.blocks


def make_items(blocks: Sequence[Block]) -> list[Item]:
    """The items of a page in reading order; captions belong to the tables and pictures beside them."""
    items = [item for block in blocks for item in _items_of(block)]
    for index, item in enumerate(items):
        if item.label == "caption" and (owner := _find_owner(items, index)):
            owner.captions.append(item)
    owned = {id(caption) for item in items for caption in item.captions}
    return [item for item in items if id(item) not in owned]


def _items_of(block: Block) -> Iterator[Item]:
    content = block.content.strip()
    if block.label in PICTURE_LABELS:
        yield Item("picture", block, content)
    elif not content:
        return
    elif block.label == TEXT_FILE:
        yield Item("text", block, block.content)
    elif block.label == "table" and content.startswith("<table>"):
        yield Item("table", block, fields={"cells": table_cells(content)[2]})
    elif is_formula(block.label):
        yield Item("formula", block, extract_latex(content) or content)
    elif holds_listing(block):
        yield Item("code", block, unescape_dollars(block.content.strip("\n")))
    elif block.label == "abstract":
        yield from _abstract_items(block)
    else:
        yield _text_item(block)


def _abstract_items(block: Block) -> Iterator[Item]:
    heading, text = split_abstract(block.content)
    if heading:
        yield Item("section_header", block, heading, {"level": 1})
    if text:
        yield Item("text", block, _plain(text))


def _text_item(block: Block) -> Item:
    if block.label in TITLE_LABELS | CAPTION_LABELS:
        text = unescape_dollars(join_lines(block.content))
        level = {"level": title_depth(text, block.title_level)} if block.label == "paragraph_title" else {}
        return Item(_LABELS[block.label], block, text, level)
    if block.label in LINE_LABELS:
        return Item("text", block, unescape_dollars(block.content.strip()))
    if block.label == "text" and (items := split_items(block.content)):
        return Item("list", block, children=[_list_item(block, marker, text) for marker, text in items])
    return Item(_LABELS.get(block.label, "text"), block, _plain(reflow(block.content)))


def _list_item(block: Block, marker: str, text: str) -> Item:
    return Item("list_item", block, _plain(text), {"marker": marker, "enumerated": bool(_NUMBER.match(marker))})


def _plain(text: str) -> str:
    return unescape_dollars(text.replace(LINE_BREAK, "\n"))


def _find_owner(items: Sequence[Item], index: int) -> Item | None:
    """Captions stand above tables and below pictures, if both are there."""
    after = items[index + 1] if index + 1 < len(items) else None
    before = items[index - 1] if index else None
    candidates = [(after, "table"), (before, "picture"), (after, "picture"), (before, "table")]
    return next((item for item, label in candidates if item and item.label == label and not item.captions), None)
