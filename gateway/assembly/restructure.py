"""A document's pages as one document: what page breaks cut is whole again, headings have levels, pictures own names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from gateway.assembly.cross_page import with_paragraphs_joined, with_tables_merged
from gateway.assembly.page import rewritten
from gateway.assembly.text.titles import relevelled
from gateway.model import OcrOptions, PageResult

_NAMED = re.compile(r'(?<=")[\w./-]+(?=")|(?<=\()[\w./-]+(?=\))')


def restructured(
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
    result = with_blocks_restructured(
        pages, merge_tables=merge_tables, relevel_titles=relevel_titles, join_paragraphs=join_paragraphs
    )
    return [rewritten(page, options) if page.blocks else page for page in result]


def with_blocks_restructured(
    pages: Sequence[PageResult], *, merge_tables: bool, relevel_titles: bool, join_paragraphs: bool
) -> list[PageResult]:
    """As `restructured`, but the pages keep their Markdown as it was."""
    result = list(pages)
    if merge_tables:
        result = with_tables_merged(result)
    if join_paragraphs:
        result = with_paragraphs_joined(result)
    if relevel_titles:
        levelled = relevelled([page.blocks for page in result])
        result = [page.model_copy(update={"blocks": blocks}) for page, blocks in zip(result, levelled, strict=True)]
    return result


def unique_keys(pages: Iterable[tuple[int, Iterable[str]]]) -> list[dict[str, str]]:
    """Pages as (number, keys of its pictures) to each page's keys with the names that they get in one document.

    A key that an earlier page has taken, as PaddleOCR-VL's keys may be (they lack the page), gets the page's number:
    `imgs/img_in_…jpg` to `imgs/p2_img_in_…jpg`, or `imgs/p2_2_img_in_…jpg` where that is taken too.
    """
    taken: set[str] = set()
    result = []
    for number, keys in pages:
        names = {key: _free(key, number, taken) for key in keys}
        taken.update(names.values())
        result.append(names)
    return result


def renamed(text: str, names: Mapping[str, str]) -> str:
    """Markdown or a table's HTML with other names for its pictures: in `<img src="…">` and in `![](…)`."""
    return _NAMED.sub(lambda found: names.get(found[0], found[0]), text) if names else text


def _free(key: str, number: int, taken: set[str]) -> str:
    folder, slash, name = key.rpartition("/")
    free, tries = key, 0
    while free in taken:
        tries += 1
        free = f"{folder}{slash}p{number}_{f'{tries}_' if tries > 1 else ''}{name}"
    return free
