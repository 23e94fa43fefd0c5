"""The answer of `POST /restructure-pages`: given pages put together anew, as one result or as one for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal

from gateway.api.paddlex.answer import DocumentExports, LayoutParsingResult, Markdown, decode_pictures, word_export
from gateway.api.paddlex.from_paddlex import find_picture_keys, page_options, page_result
from gateway.api.paddlex.schema import (
    Camel,
    GivenPage,
    PrunedBlock,
    PrunedResult,
    RestructurePagesRequest,
    invalid_json,
    parse_request,
    read_log_id,
)
from gateway.api.paddlex.to_paddlex import UNORDERED_LABELS, number_labels, numbers_in_document
from gateway.assembly.markdown import format_blocks, page_markdown
from gateway.assembly.page import visible_blocks
from gateway.assembly.restructure import assign_unique_keys, rename_images, restructure_blocks
from gateway.conversion.json_bodies import NOT_AN_OBJECT, parse_json
from gateway.errors import ServiceError
from gateway.model import Block, PageResult
from gateway.reading_options import OcrOptions
from gateway.workers.messages import Header, pack_error

_PASSED_ON = ("spotting_res", "doc_preprocessor_res", "layout_det_res", "table_res_list")


class RestructurePagesResults(Camel):
    layout_parsing_results: list[LayoutParsingResult]


class RestructurePagesAnswer(Camel):
    log_id: str
    result: RestructurePagesResults
    error_code: Literal[0] = 0
    error_msg: Literal["Success"] = "Success"


@dataclass(frozen=True, slots=True)
class RestructuredPage:
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


def write_restructured(request: Header, body: IO[bytes], output: IO[bytes]) -> Header:
    """Writes the answer to a request's body. The header has the `log_id` that the answer carries, a refusal too.

    `request`: its `request_id`, and `max_pages`. Runs in a worker process. Raises ServiceError 422 `invalid_option`.
    """
    content = _parse_object(body.read())
    log_id = read_log_id(content, request["request_id"])
    try:
        params = _parse_pages(content, request["max_pages"])
        for piece in restructuring_pieces(log_id, params):
            output.write(piece)
    except ServiceError as error:
        return {"error": pack_error(error), "log_id": log_id}
    return {"log_id": log_id}


def _parse_pages(content: dict[str, Any], max_pages: int) -> RestructurePagesRequest:
    """Each page lets go of its JSON when it is parsed: both take many times the body's size."""
    pages = content.get("pages")
    if not isinstance(pages, list):
        return parse_request(RestructurePagesRequest, content)
    if len(pages) > max_pages:
        raise ServiceError(413, "too_many_pages", f"{len(pages)} pages; at most {max_pages} are taken (MAX_PAGES).")
    params = parse_request(RestructurePagesRequest, {**content, "pages": []})
    given = []
    for index, page in enumerate(pages):
        given.append(parse_request(GivenPage, page, ("pages", index)))
        pages[index] = page = None
    return params.model_copy(update={"pages": given})


def _parse_object(body: bytes) -> dict[str, Any]:
    try:
        content = parse_json(body)
    except ServiceError as error:
        raise invalid_json(error) from None
    if not isinstance(content, dict):
        raise invalid_json(ServiceError(400, "invalid_json", NOT_AN_OBJECT))
    return content


def restructuring_pieces(log_id: str, params: RestructurePagesRequest) -> Iterator[bytes]:
    """JSON of the whole answer, a result at a time; seconds of CPU for a long document."""
    pages = _restructure_pages(params)
    results = (
        iter([_concatenate(pages, params)]) if pages and params.concatenate_pages else _list_results(pages, params)
    )
    answer = RestructurePagesAnswer(log_id=log_id, result=RestructurePagesResults(layout_parsing_results=[]))
    head, name, tail = _encode(answer).partition(b'"layoutParsingResults":[')
    yield head + name
    for index, result in enumerate(results):
        yield (b"," if index else b"") + _encode(result)
    yield tail


def _encode(part: Camel) -> bytes:
    return part.model_dump_json(by_alias=True, exclude_none=True).encode()


def _restructure_pages(params: RestructurePagesRequest) -> list[RestructuredPage]:
    """Paragraphs that page breaks cut stay cut, as PaddleX has it, so that each page's text is its own."""
    options = [page_options(page, params) for page in params.pages]
    given = zip(params.pages, options, strict=True)
    before = [page_result(number, page, how) for number, (page, how) in enumerate(given, 1)]
    results = restructure_blocks(
        before, merge_tables=params.merge_tables, relevel_titles=params.relevel_titles, join_paragraphs=False
    )
    pages = [_page(*parts) for parts in zip(params.pages, options, results, strict=True)]
    return _make_names_unique(pages) if params.concatenate_pages else pages


def _page(given: GivenPage, options: OcrOptions, result: PageResult) -> RestructuredPage:
    keys = find_picture_keys(result, options, given.markdown_images or {})
    return RestructuredPage(given.pruned_result, options, result, keys, given.markdown_images)


def _make_names_unique(pages: Sequence[RestructuredPage]) -> list[RestructuredPage]:
    """Pages whose pictures have names that no other page's pictures have."""
    names = assign_unique_keys(
        (page.result.page, dict.fromkeys([*page.keys.values(), *(page.images or ())])) for page in pages
    )
    return [_rename_pictures(page, own) for page, own in zip(pages, names, strict=True)]


def _rename_pictures(page: RestructuredPage, names: Mapping[str, str]) -> RestructuredPage:
    blocks = [
        block.model_copy(update={"content": rename_images(block.content, names)}) if block.label == "table" else block
        for block in page.result.blocks
    ]
    return RestructuredPage(
        page.given,
        page.options,
        page.result.model_copy(update={"blocks": blocks}),
        {block: names[key] for block, key in page.keys.items()},
        page.images and {names[key]: image for key, image in page.images.items()},
    )


def _list_results(pages: Sequence[RestructuredPage], params: RestructurePagesRequest) -> Iterator[LayoutParsingResult]:
    numbers = _numbers(pages)
    for page in pages:
        yield LayoutParsingResult(
            pruned_result=_build_pruned(page, page.given.page_count, _entries([page], numbers)),
            markdown=Markdown(text=page.markdown, images=_select_images(page.images, params)),
            exports=_exports(f"page_{page.result.page}", [page], params),
        )


def _concatenate(pages: Sequence[RestructuredPage], params: RestructurePagesRequest) -> LayoutParsingResult:
    """As PaddleX: the first page's size and settings, all pages' blocks, and lists of what their models found."""
    pruned = _build_pruned(pages[0], len(pages), _entries(pages, _numbers(pages)))
    for part in _PASSED_ON[1:]:
        found = [getattr(page.given, part) for page in pages]
        if any(one is not None for one in found):
            pruned[part] = found
    images = {key: image for page in pages for key, image in (page.images or {}).items()}
    text = "\n\n".join(markdown for page in pages if (markdown := page.markdown))
    return LayoutParsingResult(
        pruned_result=pruned,
        markdown=Markdown(text=text, images=_select_images(images, params)),
        exports=_exports("document", pages, params),
    )


def _select_images(images: Mapping[str, str] | None, params: RestructurePagesRequest) -> dict[str, str] | None:
    return dict(images) if images is not None and params.return_markdown_images else None


def _exports(name: str, pages: Sequence[RestructuredPage], params: RestructurePagesRequest) -> DocumentExports | None:
    if not params.output_formats:
        return None
    from gateway.assembly.docx.writer import DocxPage

    pictures = {key: data for page in pages for key, data in decode_pictures(page.images or {}).items()}
    return word_export(name, [DocxPage(page.result, page.options, page.keys) for page in pages], pictures)


def _numbers(pages: Sequence[RestructuredPage]) -> dict[str, int]:
    return {id: at for at, id in enumerate(block.id for page in pages for block in page.result.blocks)}


def _build_pruned(page: RestructuredPage, page_count: Any, entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - JSON
    given = page.given
    pruned: dict[str, Any] = {
        "page_count": page_count,
        "width": page.result.width,
        "height": page.result.height,
        "model_settings": given.model_settings,
        "parsing_res_list": entries,
    }
    return pruned | {part: value for part in _PASSED_ON if (value := getattr(given, part)) is not None}


def _entries(pages: Sequence[RestructuredPage], numbers: Mapping[str, int]) -> list[dict[str, Any]]:
    """`parsing_res_list` of one result that holds all these pages."""
    found = [
        (page, *pair) for page in pages for pair in zip(page.given.parsing_res_list, page.result.blocks, strict=True)
    ]
    orders = number_labels(
        [given.block_label for _, given, _ in found], UNORDERED_LABELS | pages[0].options.ignore_labels
    )
    places: dict[str | None, int] = {block.id: at for at, (_, _, block) in enumerate(found)}
    contents = {id: text for page in pages for id, text in _format_contents(page).items()}
    return [
        _entry(given, block, contents.get(block.id, block.content), at, orders[at], places.get(block.group_id, at))
        | numbers_in_document(block, numbers)
        for at, (_, given, block) in enumerate(found)
    ]


def _entry(given: PrunedBlock, block: Block, content: str, at: int, order: int | None, group: int) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "block_label": given.block_label,
        "block_content": content,
        "block_bbox": list(block.bbox),
        "block_id": at,
        "block_order": order,
        "group_id": group,
    }
    if given.block_polygon_points is not None:
        entry["block_polygon_points"] = given.block_polygon_points
    return entry


def _format_contents(page: RestructuredPage) -> dict[str, str]:
    """Block id to its Markdown, of the blocks that the Markdown shows, where that was asked for."""
    if page.given.model_settings.get("format_block_content") is not True:
        return {}
    return format_blocks(visible_blocks(page.result.blocks, page.options), page.keys, page.result.width)
