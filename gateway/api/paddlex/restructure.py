"""The answer of `POST /restructure-pages`: given pages put together anew, as one result or as one for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gateway.api.paddlex.from_paddlex import given_picture_keys, page_options, page_result
from gateway.api.paddlex.response import LayoutParsingResult, Markdown
from gateway.api.paddlex.schema import Camel, GivenPage, PrunedBlock, PrunedResult, RestructurePagesRequest
from gateway.api.paddlex.to_paddlex import UNORDERED_LABELS, numbered, numbers_in_document
from gateway.api.paddlex.visualize import DocumentExports, decoded_pictures, word_export
from gateway.assembly.markdown import block_markdown, page_markdown
from gateway.assembly.page import visible_blocks
from gateway.assembly.restructure import assign_unique_keys, rename_images, restructure_blocks
from gateway.model import Block, OcrOptions, PageResult

_PASSED_ON = ("spotting_res", "doc_preprocessor_res", "layout_det_res")


class RestructurePagesResults(Camel):
    layout_parsing_results: list[LayoutParsingResult]


class RestructurePagesAnswer(Camel):
    log_id: str
    result: RestructurePagesResults
    error_code: Literal[0] = 0
    error_msg: Literal["Success"] = "Success"


@dataclass(frozen=True, slots=True)
class Restructured:
    """A page as it was given and as it is now. `keys`: block id to picture key, `images`: the client's own."""

    given: PrunedResult
    options: OcrOptions
    result: PageResult
    keys: Mapping[str, str]
    images: Mapping[str, str] | None

    @property
    def markdown(self) -> str:
        return page_markdown(
            visible_blocks(self.result.blocks, self.options),
            self.keys,
            self.result.width,
            pretty=self.options.pretty,
            formula_numbers=self.options.formula_numbers,
        )


def restructuring_body(log_id: str, params: RestructurePagesRequest) -> bytes:
    """JSON of the whole answer; seconds of CPU for a long document."""
    pages = restructured_pages(params)
    results = [_concatenated(pages, params)] if pages and params.concatenate_pages else _apart(pages, params)
    answer = RestructurePagesAnswer(log_id=log_id, result=RestructurePagesResults(layout_parsing_results=results))
    return answer.model_dump_json(by_alias=True, exclude_none=True).encode()


def restructured_pages(params: RestructurePagesRequest) -> list[Restructured]:
    """Paragraphs that page breaks cut stay cut, as PaddleX has it, so that each page's text is its own."""
    options = [page_options(page, params) for page in params.pages]
    given = zip(params.pages, options, strict=True)
    before = [page_result(number, page, how) for number, (page, how) in enumerate(given, 1)]
    results = restructure_blocks(
        before, merge_tables=params.merge_tables, relevel_titles=params.relevel_titles, join_paragraphs=False
    )
    pages = [_page(*parts) for parts in zip(params.pages, options, results, strict=True)]
    return _with_own_names(pages) if params.concatenate_pages else pages


def _page(given: GivenPage, options: OcrOptions, result: PageResult) -> Restructured:
    keys = given_picture_keys(result, options, given.markdown_images or {})
    return Restructured(given.pruned_result, options, result, keys, given.markdown_images)


def _with_own_names(pages: Sequence[Restructured]) -> list[Restructured]:
    """Pages whose pictures have names that no other page's pictures have."""
    names = assign_unique_keys(
        (page.result.page, dict.fromkeys([*page.keys.values(), *(page.images or ())])) for page in pages
    )
    return [_renamed(page, own) for page, own in zip(pages, names, strict=True)]


def _renamed(page: Restructured, names: Mapping[str, str]) -> Restructured:
    blocks = [
        block.model_copy(update={"content": rename_images(block.content, names)}) if block.label == "table" else block
        for block in page.result.blocks
    ]
    return Restructured(
        page.given,
        page.options,
        page.result.model_copy(update={"blocks": blocks}),
        {block: names[key] for block, key in page.keys.items()},
        page.images and {names[key]: image for key, image in page.images.items()},
    )


def _apart(pages: Sequence[Restructured], params: RestructurePagesRequest) -> list[LayoutParsingResult]:
    numbers = _numbers(pages)
    return [
        LayoutParsingResult(
            pruned_result=_pruned(page, page.given.page_count, _entries([page], numbers)),
            markdown=Markdown(text=page.markdown, images=_returned(page.images, params)),
            exports=_exports(f"page_{page.result.page}", [page], params),
        )
        for page in pages
    ]


def _concatenated(pages: Sequence[Restructured], params: RestructurePagesRequest) -> LayoutParsingResult:
    """As PaddleX: the first page's size and settings, all pages' blocks, and lists of what their models found."""
    pruned = _pruned(pages[0], len(pages), _entries(pages, _numbers(pages)))
    for part in _PASSED_ON[1:]:
        if part in pruned:
            pruned[part] = [getattr(page.given, part) for page in pages]
    images = {key: image for page in pages for key, image in (page.images or {}).items()}
    text = "\n\n".join(markdown for page in pages if (markdown := page.markdown))
    return LayoutParsingResult(
        pruned_result=pruned,
        markdown=Markdown(text=text, images=_returned(images, params)),
        exports=_exports("document", pages, params),
    )


def _returned(images: Mapping[str, str] | None, params: RestructurePagesRequest) -> dict[str, str] | None:
    return dict(images) if images is not None and params.return_markdown_images else None


def _exports(name: str, pages: Sequence[Restructured], params: RestructurePagesRequest) -> DocumentExports | None:
    if not params.output_formats:
        return None
    from gateway.assembly.docx.writer import DocxPage

    pictures = {key: data for page in pages for key, data in decoded_pictures(page.images or {}).items()}
    return word_export(name, [DocxPage(page.result, page.options, page.keys) for page in pages], pictures)


def _numbers(pages: Sequence[Restructured]) -> dict[str, int]:
    return {id: at for at, id in enumerate(block.id for page in pages for block in page.result.blocks)}


def _pruned(page: Restructured, page_count: Any, entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - JSON
    given = page.given
    pruned: dict[str, Any] = {
        "page_count": page_count,
        "width": page.result.width,
        "height": page.result.height,
        "model_settings": given.model_settings,
        "parsing_res_list": entries,
    }
    return pruned | {part: value for part in _PASSED_ON if (value := getattr(given, part)) is not None}


def _entries(pages: Sequence[Restructured], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """`parsing_res_list` of one result that holds all these pages."""
    found = [
        (page, *pair) for page in pages for pair in zip(page.given.parsing_res_list, page.result.blocks, strict=True)
    ]
    orders = numbered([given.block_label for _, given, _ in found], UNORDERED_LABELS | pages[0].options.ignore_labels)
    places: dict[str | None, int] = {block.id: at for at, (_, _, block) in enumerate(found)}
    return [
        _entry(page, given, block, at, orders[at], places.get(block.group_id, at)) | numbers_in_document(block, numbers)
        for at, (page, given, block) in enumerate(found)
    ]


def _entry(
    page: Restructured, given: PrunedBlock, block: Block, at: int, order: int | None, group: int
) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "block_label": given.block_label,
        "block_content": _content(page, block),
        "block_bbox": list(block.bbox),
        "block_id": at,
        "block_order": order,
        "group_id": group,
    }
    if given.block_polygon_points is not None:
        entry["block_polygon_points"] = given.block_polygon_points
    return entry


def _content(page: Restructured, block: Block) -> str:
    is_formatted = page.given.model_settings.get("format_block_content") is True
    if not is_formatted or not visible_blocks([block], page.options):
        return block.content
    return block_markdown(block, page.keys.get(block.id), page.result.width)
