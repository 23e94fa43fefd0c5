"""What a page break or a column break has cut in two: tables and paragraphs put together again.

The second part's block stays, empty, and its `continues` names the block that took its content over.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from gateway.assembly.otsl import MAX_CELLS
from gateway.model import Block, PageResult

_AFTER_TABLE = frozenset({"footer", "footer_image", "number", "footnote", "vision_footnote", "seal"})
_BEFORE_TABLE = frozenset({"header", "header_image", "number", "seal"})
_CONTINUED = re.compile(r"\bcontinued?\b|\bcont['’‘]?d\b|续|續|продолжение", re.IGNORECASE)
_WIDTH_TOLERANCE = 0.1
_HEAD_ROWS_MAX = 5

_TABLE = re.compile(r"\s*(<table\b[^>]*>)(.*)(</table>)\s*", re.DOTALL | re.IGNORECASE)
_ROW = re.compile(r"<tr\b[^<>]*>(?:(?!<tr\b).)*?</tr>", re.DOTALL | re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b([^<>]*)>((?:(?!<t[dh]\b).)*?)</t[dh]>", re.DOTALL | re.IGNORECASE)
_SPAN = re.compile(r"""\b(row|col)span\s*=\s*["']?(\d{1,3})""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")

_BETWEEN_PARTS = frozenset(
    {
        *("header", "header_image", "footer", "footer_image", "number", "footnote", "aside_text"),
        *("image", "chart", "table", "figure_title", "vision_footnote"),
    }
)
"""What may stand between the parts of a paragraph: the page's frame, and figures and tables with their captions."""
_SENTENCE_END = tuple('.!?:;。！？：；…"”»）)]')
_LEAST_COLUMN_TEXT = 60
"""Characters; shorter texts side by side are a form's fields, not columns."""
_ITEM = re.compile(r"\w{1,3}[.)]")


def with_tables_merged(pages: Sequence[PageResult]) -> list[PageResult]:
    """Pages on which a table that goes on at the top of the next page stands whole on the page where it begins.

    PaddleOCR-VL's rules: the last table of a page and the first of the next, nothing but the pages' frames and a
    "continued" between, widths within a tenth, as many columns in all or in the rows that meet. The repeated head goes.
    """
    contents: dict[str, str] = {}
    links: dict[str, str] = {}
    for upper, lower in reversed(list(pairwise(pages))):
        parts = _table_parts(upper, lower)
        if parts:
            first, second = parts
            merged = merged_tables(first.content, contents.get(second.id, second.content))
            if merged:
                contents |= {first.id: merged, second.id: ""}
                links[second.id] = first.id
    return _changed(pages, contents, links)


def with_paragraphs_joined(pages: Sequence[PageResult]) -> list[PageResult]:
    """Pages on which a paragraph that goes on in the next column or on the next page stands whole where it begins.

    Only where the first part ends in a divided word or in no sentence's end, and the second begins with a small letter.
    """
    contents: dict[str, str] = {}
    links: dict[str, str] = {}
    before: tuple[PageResult, Block] | None = None
    for page, block in ((on, block) for on in pages for block in on.blocks):
        if before and _goes_on(*before, page, block):
            links[block.id] = before[1].id
            first = _first(block.id, links)
            contents[first] = f"{contents.get(first, before[1].content)}\n{block.content}"
            contents[block.id] = ""
        if block.label == "text" and block.content.strip():
            before = (page, block)
        elif block.label not in _BETWEEN_PARTS:
            before = None
    return _changed(pages, contents, links)


def merged_tables(upper: str, lower: str) -> str:
    """One HTML table of two, rectangular; empty where they do not go together, or would not fit into `MAX_CELLS`.

    Its cells are the two tables' own.
    """
    first, second = _TABLE.fullmatch(upper), _TABLE.fullmatch(lower)
    if not first or not second:
        return ""
    above, below = _rows(first[2]), _rows(second[2])
    below = below[_repeated_head(above, below) :]
    if not above or not below or not _fit(above, below):
        return ""
    if max(_widths(above) + _widths(below)) * (len(above) + len(below)) > MAX_CELLS:
        return ""
    rows = _padded([*_padded(above), *_padded(below)])
    return f"{first[1]}{''.join(rows)}{first[3]}"


def _rows(table: str) -> list[str]:
    """The rows of a table's inside; none where it holds more than rows, or a cell hangs out of its last row."""
    rows: list[str] = _ROW.findall(table)
    if _TAG.sub("", _ROW.sub("", table)).strip() or "<table" in table.lower() or _reach(rows) > len(rows):
        return []
    return rows


def _reach(rows: Sequence[str]) -> int:
    """The row behind the last one that a cell of these covers."""
    return max((at + _span(cell, "row") for at, row in enumerate(rows) for cell in _CELL.findall(row)), default=0)


def _table_parts(upper: PageResult, lower: PageResult) -> tuple[Block, Block] | None:
    ends = [at for at, block in enumerate(upper.blocks) if block.label == "table"]
    begins = [at for at, block in enumerate(lower.blocks) if block.label == "table"]
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


def _repeated_head(above: Sequence[str], below: Sequence[str]) -> int:
    """How many rows the lower table begins with that the upper one begins with too; no cell is cut in two."""
    same = 0
    for one, other in zip(above[:_HEAD_ROWS_MAX], below, strict=False):
        if _told(one) != _told(other):
            break
        same += 1
    while _reach(below[:same]) > same:
        same -= 1
    return same


def _told(row: str) -> list[tuple[int, str]]:
    """Each cell's columns and text, letters of full and half width and white space alike."""
    cells = _CELL.findall(row)
    texts = (unicodedata.normalize("NFKC", html.unescape(_TAG.sub("", cell[1]))) for cell in cells)
    return [(_span(cell, "col"), "".join(text.split())) for cell, text in zip(cells, texts, strict=True)]


def _span(cell: tuple[str, str], kind: str) -> int:
    return next((max(1, int(number)) for name, number in _SPAN.findall(cell[0]) if name.lower() == kind), 1)


def _fit(above: Sequence[str], below: Sequence[str]) -> bool:
    if max(_widths(above)) == max(_widths(below)):
        return True
    last, first = _CELL.findall(above[-1]), _CELL.findall(below[0])
    columns = [sum(_span(cell, "col") for cell in cells) for cells in (last, first)]
    return columns[0] == columns[1] or len(last) == len(first)


def _widths(rows: Sequence[str]) -> list[int]:
    """Columns of each row with what reaches into it from above."""
    widths = [0] * len(rows)
    for at, row in enumerate(rows):
        for cell in _CELL.findall(row):
            for below in range(at, min(at + _span(cell, "row"), len(rows))):
                widths[below] += _span(cell, "col")
    return widths


def _padded(rows: Sequence[str]) -> list[str]:
    widths = _widths(rows)
    missing = (max(widths) - width for width in widths)
    return [
        row[: -len("</tr>")] + "<td></td>" * lack + row[-len("</tr>") :]
        for row, lack in zip(rows, missing, strict=True)
    ]


def _goes_on(first_page: PageResult, first: Block, page: PageResult, block: Block) -> bool:
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
    return is_beside and block.bbox[1] < first.bbox[3] and len(first.content) >= _LEAST_COLUMN_TEXT


def _first(block_id: str, links: dict[str, str]) -> str:
    while block_id in links:
        block_id = links[block_id]
    return block_id


def _changed(pages: Sequence[PageResult], contents: dict[str, str], links: dict[str, str]) -> list[PageResult]:
    if not links:
        return list(pages)

    def changed(block: Block) -> Block:
        if block.id not in contents:
            return block
        continues = _first(block.id, links) if block.id in links else block.continues
        return block.model_copy(update={"content": contents[block.id], "continues": continues})

    return [page.model_copy(update={"blocks": [changed(block) for block in page.blocks]}) for page in pages]
