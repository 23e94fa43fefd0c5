"""A document's pages as one document: what page breaks cut is whole again, headings have levels, pictures own names.

The second part of a table or paragraph stays, empty, and its `continues` names the block that took its content over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from itertools import pairwise

from gateway.assembly.page import rerender
from gateway.assembly.tables.merge import TableRows, join_rows, parse_rows
from gateway.assembly.text.titles import assign_title_levels
from gateway.model import Block, Document, DocumentInfo, DocumentStatus, PageResult
from gateway.reading_options import OcrOptions

_IMAGE_NAME = re.compile(r'(?<=")[\w./-]+(?=")|(?<=\()[\w./-]+(?=\))')
_AFTER_TABLE = frozenset({"footer", "footer_image", "number", "footnote", "vision_footnote", "seal"})
_BEFORE_TABLE = frozenset({"header", "header_image", "number", "seal"})
_CONTINUED = re.compile(r"\bcontinued?\b|\bcont['’‘]?d\b|续|續|продолжение", re.IGNORECASE)
_WIDTH_TOLERANCE = 0.1
_BETWEEN_PARTS = frozenset(
    {
        *("header", "header_image", "footer", "footer_image", "number", "footnote", "aside_text"),
        *("image", "chart", "table", "figure_title", "vision_footnote"),
    }
)
"""What may stand between the parts of a paragraph: the page's frame, and figures and tables with their captions."""
_SENTENCE_END = tuple('.!?:;。！？：；…"”»）)]')
_MIN_COLUMN_TEXT = 60
"""Characters; shorter texts side by side are a form's fields, not columns."""
_ITEM = re.compile(r"\w{1,3}[.)]")


def restructure_pages(
    pages: Sequence[PageResult],
    options: OcrOptions,
    *,
    merge_tables: bool = True,
    relevel_titles: bool = True,
    join_paragraphs: bool = True,
) -> list[PageResult]:
    """The document's pages, all and in order, with what was asked for done and their Markdown written anew.

    The pages given are not changed. `options` are those that the pages were read with: they say what Markdown shows.
    """
    result = restructure_blocks(
        pages, merge_tables=merge_tables, relevel_titles=relevel_titles, join_paragraphs=join_paragraphs
    )
    return [rerender(page, options) if page.blocks else page for page in result]


def restructure_blocks(
    pages: Sequence[PageResult], *, merge_tables: bool, relevel_titles: bool, join_paragraphs: bool
) -> list[PageResult]:
    """As `restructure_pages`, but the pages keep their Markdown as it was."""
    result = list(pages)
    if merge_tables:
        result = merge_split_tables(result)
    if join_paragraphs:
        result = join_split_paragraphs(result)
    if relevel_titles:
        blocks_by_page = assign_title_levels([page.blocks for page in result])
        result = [
            page.model_copy(update={"blocks": blocks}) for page, blocks in zip(result, blocks_by_page, strict=True)
        ]
    return result


def assign_unique_keys(pages: Iterable[tuple[int, Iterable[str]]]) -> list[dict[str, str]]:
    """Pages as (number, keys of its pictures) to each page's keys with the names that they get in one document.

    A key that an earlier page has taken, as PaddleOCR-VL's keys may be (they lack the page), gets the page's number:
    `imgs/img_in_…jpg` to `imgs/p2_img_in_…jpg`, or `imgs/p2_2_img_in_…jpg` where that is taken too.
    """
    used: set[str] = set()
    result = []
    for number, keys in pages:
        names = {key: _find_free_key(key, number, used) for key in keys}
        used.update(names.values())
        result.append(names)
    return result


def rename_images(text: str, names: Mapping[str, str]) -> str:
    """Markdown or a table's HTML with other names for its pictures: in `<img src="…">` and in `![](…)`."""
    return _IMAGE_NAME.sub(lambda match: names.get(match[0], match[0]), text) if names else text


def describe_document(document: Document) -> DocumentInfo:
    return DocumentInfo(
        name=document.name,
        media_type=document.media_type,
        pages_total=document.pages_total,
        sha256=document.sha256,
    )


def combine_statuses(statuses: Set[DocumentStatus]) -> DocumentStatus:
    """Of the statuses that its pages have."""
    if statuses == {"failed"}:
        return "failed"
    return "partial" if statuses - {"ok"} else "ok"


def _find_free_key(key: str, number: int, used: set[str]) -> str:
    folder, slash, name = key.rpartition("/")
    free, tries = key, 0
    while free in used:
        tries += 1
        free = f"{folder}{slash}p{number}_{f'{tries}_' if tries > 1 else ''}{name}"
    return free


def merge_split_tables(pages: Sequence[PageResult]) -> list[PageResult]:
    """Pages on which a table that goes on at the top of the next page stands whole on the page where it begins.

    PaddleOCR-VL's rules: the last table of a page and the first of the next, nothing but the pages' frames and a
    "continued" between, widths within a tenth, as many columns in all or in the rows that meet. The repeated head goes.
    """
    merged: dict[str, TableRows] = {}
    links: dict[str, str] = {}
    # From behind, so that each page's table is taken apart once, however many pages follow.
    for upper, lower in reversed(list(pairwise(pages))):
        if parts := _table_parts(upper, lower):
            first, second = parts
            above, below = parse_rows(first.content), merged.get(second.id) or parse_rows(second.content)
            if above and below and (whole := join_rows(above, below)):
                merged.pop(second.id, None)
                merged[first.id] = whole
                links[second.id] = first.id
    contents = {block: rows.html for block, rows in merged.items()} | dict.fromkeys(links, "")
    return _update_blocks(pages, contents, links)


def join_split_paragraphs(pages: Sequence[PageResult]) -> list[PageResult]:
    """Pages on which a paragraph that goes on in the next column or on the next page stands whole where it begins.

    Only where the first part ends in a divided word or in no sentence's end, and the second begins with a small letter.
    """
    parts: dict[str, list[str]] = {}
    links: dict[str, str] = {}
    before: tuple[PageResult, Block] | None = None
    for page, block in ((on, block) for on in pages for block in on.blocks):
        if before and _continues(*before, page, block):
            links[block.id] = first = links.get(before[1].id, before[1].id)
            parts.setdefault(first, [before[1].content]).append(block.content)
        if block.label == "text" and block.content.strip():
            before = (page, block)
        elif block.label not in _BETWEEN_PARTS:
            before = None
    contents = {first: "\n".join(texts) for first, texts in parts.items()} | dict.fromkeys(links, "")
    return _update_blocks(pages, contents, links)


def _table_parts(upper: PageResult, lower: PageResult) -> tuple[Block, Block] | None:
    ends = [index for index, block in enumerate(upper.blocks) if block.label == "table"]
    begins = [index for index, block in enumerate(lower.blocks) if block.label == "table"]
    if lower.page != upper.page + 1 or not ends or not begins:
        return None
    first, second = upper.blocks[ends[-1]], lower.blocks[begins[0]]
    after, before = upper.blocks[ends[-1] + 1 :], lower.blocks[: begins[0]]
    is_whole = first.status == "ok" and _are_as_wide(first, second)
    is_apart = any(block.label not in _AFTER_TABLE for block in after) or not all(map(_may_precede, before))
    return (first, second) if is_whole and not is_apart else None


def _may_precede(block: Block) -> bool:
    return block.label in _BEFORE_TABLE or (len(block.content) < 100 and bool(_CONTINUED.search(block.content)))


def _are_as_wide(first: Block, second: Block) -> bool:
    widths = first.bbox[2] - first.bbox[0], second.bbox[2] - second.bbox[0]
    return max(widths) - min(widths) < _WIDTH_TOLERANCE * min(widths)


def _continues(first_page: PageResult, first: Block, page: PageResult, block: Block) -> bool:
    if block.label != "text" or first.status != "ok":
        return False
    text = block.content.lstrip()
    if not text[:1].islower() or _ITEM.match(text):
        return False
    return _is_unfinished(first.content.rstrip()) and _is_break(first_page, first, page, block)


def _is_unfinished(text: str) -> bool:
    return not text.endswith(_SENTENCE_END)


def _is_break(first_page: PageResult, first: Block, page: PageResult, block: Block) -> bool:
    """Whether a page ends between the two, or a column: then the second stands beside the first, or higher."""
    if page.page != first_page.page:
        return page.page == first_page.page + 1
    is_beside = block.bbox[0] >= first.bbox[2] or block.bbox[2] <= first.bbox[0]
    return is_beside and block.bbox[1] < first.bbox[3] and len(first.content) >= _MIN_COLUMN_TEXT


def _resolve(block_id: str, links: dict[str, str]) -> str:
    while block_id in links:
        block_id = links[block_id]
    return block_id


def _update_blocks(pages: Sequence[PageResult], contents: dict[str, str], links: dict[str, str]) -> list[PageResult]:
    if not links:
        return list(pages)

    def update(block: Block) -> Block:
        if block.id not in contents:
            return block
        continues = _resolve(block.id, links) if block.id in links else block.continues
        return block.model_copy(update={"content": contents[block.id], "continues": continues})

    return [page.model_copy(update={"blocks": [update(block) for block in page.blocks]}) for page in pages]
