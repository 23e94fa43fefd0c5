"""A page's `prunedResult`, sent back by a client, as our page again."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from gateway.api.paddlex.schema import GivenPage, PrunedBlock, RestructurePagesRequest
from gateway.api.paddlex.to_paddlex import WHOLE_PAGE_LABELS
from gateway.assembly.page import picture_keys
from gateway.assembly.tables.html import rebuild_table, table_rows
from gateway.assembly.text.entities import unescape
from gateway.assembly.text.formulas import MATH
from gateway.labels import TITLE_LABELS, is_picture
from gateway.model import BBox, Block, PageResult
from gateway.reading_options import OcrOptions

_LABELS = {theirs: ours for ours, theirs in WHOLE_PAGE_LABELS.items()}
_DEFAULTS = OcrOptions()
_HEADING = re.compile(r"^#+\s+")
_CENTRED = re.compile(r'<div style="text-align: center;">([^<]*(?:<(?!/?div\b)[^<]*)*)</div>')
_PICTURE = re.compile(r"<img\b[^<>]*>")
_TABLE_START = re.compile(r"\s*<table\b[^<>]*>", re.IGNORECASE)
_KEY = re.compile(r"[\w./-]+\.jpg")
_BOX = "img_in_"
"""What PaddleX's names of pictures and ours have before the label and the box, whatever stands before it."""


def page_options(page: GivenPage, params: RestructurePagesRequest) -> OcrOptions:
    """How the page was read, as its `model_settings` tell, and how it is to be written."""
    settings = page.pruned_result.model_settings
    ignored = settings.get("markdown_ignore_labels")
    return OcrOptions(
        task="text" if settings.get("use_layout_detection") is False else "document",
        chart=settings.get("use_chart_recognition") is True,
        seal=settings.get("use_seal_recognition") is True,
        image_text=settings.get("use_ocr_for_image_block") is True,
        ignore_labels=frozenset(map(str, ignored)) if isinstance(ignored, list) else _DEFAULTS.ignore_labels,
        pretty=params.prettify_markdown,
        formula_numbers=params.show_formula_number,
    )


def page_result(number: int, page: GivenPage, options: OcrOptions) -> PageResult:
    """The page with its blocks, without its Markdown. `number`: its place among the pages sent, from 1."""
    pruned = page.pruned_result
    given = pruned.parsing_res_list
    is_formatted = pruned.model_settings.get("format_block_content") is True
    blocks = [_block(number, at, one, given, options, is_formatted) for at, one in enumerate(given)]
    width = pruned.width or max((block.bbox[2] for block in blocks), default=0)
    return PageResult(page=number, width=int(width), height=int(pruned.height or 0), markdown="", blocks=blocks)


def find_picture_keys(page: PageResult, options: OcrOptions, images: Collection[str]) -> dict[str, str]:
    """Block id to the key of its picture: the client's own among `images`, else as we would name it."""
    by_box = {_box(key): key for key in images if _BOX in key and _KEY.fullmatch(key)}
    keys = picture_keys(page.page, page.blocks, options)
    return {block: by_box.get(_box(key), key) for block, key in keys.items()}


def _box(key: str) -> str:
    return key.partition(_BOX)[2]


def _block(
    page: int, at: int, given: PrunedBlock, all_given: Sequence[PrunedBlock], options: OcrOptions, is_formatted: bool
) -> Block:
    label = given.block_label if options.task == "document" else _LABELS.get(given.block_label, given.block_label)
    group = given.group_id if given.group_id is not None and 0 <= given.group_id < len(all_given) else at
    x1, y1, x2, y2 = (int(value) for value in given.block_bbox)
    box: BBox = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
    return Block(
        id=_id(page, at),
        label=label,
        bbox=box,
        order=at + 1,
        content=_content(label, given.block_content, options, is_formatted),
        group_id=None if group == at else _id(page, group),
    )


def _id(page: int, at: int) -> str:
    return f"p{page}-b{at + 1}"


def _content(label: str, content: str, options: OcrOptions, is_formatted: bool) -> str:
    if label in TITLE_LABELS:
        content = _HEADING.sub("", content)
    if label == "table" and (start := _TABLE_START.match(content)):
        return rebuild_table(f"<table>{content[start.end() :]}")
    return _remove_formatting(label, content, options) if is_formatted else content


def _remove_formatting(label: str, content: str, options: OcrOptions) -> str:
    """What the block held before it was written as Markdown (`formatBlockContent`)."""
    if label == "chart" and _TABLE_START.match(content):
        return "\n".join(" | ".join(row) for row in table_rows(content))
    if is_picture(label, options):
        content = _PICTURE.sub("", content)
    parts = MATH.split(_HEADING.sub("", _CENTRED.sub(r"\1", content)))
    parts[::2] = [unescape(part) for part in parts[::2]]
    return "".join(parts).strip()
