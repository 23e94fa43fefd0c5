"""A document's pages as one document: what page breaks cut is whole again, headings have levels, pictures own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from gateway.assembly.continuation import with_paragraphs_joined, with_tables_merged
from gateway.assembly.page import rewritten
from gateway.assembly.titles import relevelled
from gateway.model import OcrOptions, PageResult

Picture = TypeVar("Picture")


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
    result = list(pages)
    if merge_tables:
        result = with_tables_merged(result)
    if join_paragraphs:
        result = with_paragraphs_joined(result)
    if relevel_titles:
        levelled = relevelled([page.blocks for page in result])
        result = [page.model_copy(update={"blocks": blocks}) for page, blocks in zip(result, levelled, strict=True)]
    return [rewritten(page, options) if page.blocks else page for page in result]


def concatenated(pages: Sequence[tuple[int, str, Mapping[str, Picture]]]) -> tuple[str, dict[str, Picture]]:
    """Pages as (number, Markdown, pictures by key) to one Markdown and one set of pictures.

    A key that an earlier page has taken, as PaddleOCR-VL's keys may be (they lack the page), gets the page's number:
    `imgs/img_in_…jpg` to `imgs/p2_img_in_…jpg`, in the Markdown too.
    """
    parts: list[str] = []
    pictures: dict[str, Picture] = {}
    for number, markdown, own in pages:
        for key, picture in own.items():
            name = _free(key, number, pictures)
            markdown = _renamed(markdown, key, name)
            pictures[name] = picture
        parts.append(markdown)
    return "\n\n".join(part for part in parts if part), pictures


def _free(key: str, number: int, taken: Mapping[str, object]) -> str:
    folder, slash, name = key.rpartition("/")
    free = key
    while free in taken:
        name = f"p{number}_{name}"
        free = f"{folder}{slash}{name}"
    return free


def _renamed(markdown: str, key: str, name: str) -> str:
    """Both ways in which Markdown names a picture: an `<img src="…">` and a `![](…)`."""
    return markdown if key == name else markdown.replace(f'"{key}"', f'"{name}"').replace(f"({key})", f"({name})")
