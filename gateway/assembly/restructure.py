"""A document's pages as one document: what page breaks cut is whole again, headings have levels, pictures own names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence, Set

from gateway.assembly.cross_page import join_split_paragraphs, merge_split_tables
from gateway.assembly.page import rerender
from gateway.assembly.text.titles import assign_title_levels
from gateway.model import Document, DocumentInfo, DocumentStatus, OcrOptions, PageResult

_IMAGE_NAME = re.compile(r'(?<=")[\w./-]+(?=")|(?<=\()[\w./-]+(?=\))')


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
