"""The answer of `POST /layout-parsing`. Fields that are None are left out of it, as PaddleX does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import Field

from gateway.api.chunked_response import Bytes, append, splice_json
from gateway.api.paddlex.answer import DocumentExports, LayoutParsingResult, Markdown, word_export
from gateway.api.paddlex.pipeline_options import model_settings
from gateway.api.paddlex.schema import Camel, LayoutParsingRequest
from gateway.api.paddlex.to_paddlex import in_paddlex_units, pruned_result, told_dpi
from gateway.api.paddlex.visualize import INPUT_IMAGE, SPOTTING_IMAGE, draw_spotting
from gateway.assembly.page import picture_keys
from gateway.assembly.restructure import restructure_pages
from gateway.intake.sniff import PDF
from gateway.model import Document, PageResult
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage, encode_pictures

NOT_UNWARPED = "useDocUnwarping: pages are not flattened in this version; they were read as they are"


class PageSize(Camel):
    width: int
    height: int


class DataInfo(Camel):
    type: Literal["image", "pdf", "tiff"]
    width: int | None = None
    height: int | None = None
    num_pages: int | None = None
    pages: list[PageSize] | None = None


class LayoutParsingResults(Camel):
    layout_parsing_results: list[LayoutParsingResult]
    data_info: DataInfo
    warnings: list[str] | None = Field(None, description="What is missing, and that another layout model serves")


class LayoutParsingAnswer(Camel):
    log_id: str
    result: LayoutParsingResults
    error_code: Literal[0] = 0
    error_msg: Literal["Success"] = "Success"


class LayoutParsingBody:
    """The answer as it grows: each page's result, as the bytes that will be sent."""

    def __init__(self, log_id: str, document: Document, params: LayoutParsingRequest, options: OcrOptions) -> None:
        self._log_id = log_id
        self._document = document
        self._params = params
        self._options = options
        self._settings = model_settings(params, options)
        self._sizes: list[PageSize] = []
        self._results = bytearray()

    def add(self, page: RecognizedPage) -> None:
        """The next page, milliseconds of CPU; a tenth of a second and more with a Word document of it."""
        self._add(self._convert_units(page), None)

    @property
    def results(self) -> Bytes:
        """What was added, between commas."""
        return self._results

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each page that was added."""
        return [(size.width, size.height) for size in self._sizes]

    def take_over(self, results: bytes, sizes: Sequence[Sequence[int]]) -> None:
        """What was added to another body of the same document, in a worker process."""
        self._results += results
        self._sizes += [PageSize(width=width, height=height) for width, height in sizes]

    def add_all(self, pages: Sequence[RecognizedPage]) -> None:
        """All pages, put together as one document where that is asked for; seconds of CPU for a long one."""
        pages = [self._convert_units(page) for page in pages]
        ids = None
        if self._params.restructure_pages:
            pages = _restructure(pages, self._params, self._options)
            ids = {id: at for at, id in enumerate(block.id for page in pages for block in page.result.blocks)}
        for page in pages:
            self._add(page, ids)

    def _convert_units(self, page: RecognizedPage) -> RecognizedPage:
        return in_paddlex_units(page) if told_dpi(self._document) else page

    def _add(self, page: RecognizedPage, ids: Mapping[str, int] | None) -> None:
        """`ids`: numbers of the blocks in the document, where it was restructured."""
        page_count = None if _is_one_picture(self._document) else self._document.pages_total
        pruned = pruned_result(page, self._options, self._settings, page_count, ids)
        result = layout_parsing_result(page, self._params, self._options, pruned)
        self._sizes.append(page_size(page.result))
        append(self._results, result.model_dump_json(by_alias=True, exclude_none=True).encode(), b",")

    def pieces(self, warnings: Sequence[str]) -> list[Bytes]:
        """The whole body. `warnings`: all that there are, those of the pages included."""
        if self._params.use_doc_unwarping:
            warnings = [*warnings, NOT_UNWARPED]
        answer = LayoutParsingAnswer(
            log_id=self._log_id,
            result=LayoutParsingResults(
                layout_parsing_results=[],
                data_info=data_info(self._document, self._sizes),
                warnings=list(warnings) or None,
            ),
        )
        frame = answer.model_dump_json(by_alias=True, exclude_none=True).encode()
        return list(splice_json(frame, [("layoutParsingResults", self._results)]))


def _restructure(
    pages: Sequence[RecognizedPage], params: LayoutParsingRequest, options: OcrOptions
) -> list[RecognizedPage]:
    """As PaddleX does it: paragraphs that page breaks cut stay cut, so that each page's text is its own."""
    results = restructure_pages(
        [page.result for page in pages],
        options,
        merge_tables=params.merge_tables,
        relevel_titles=params.relevel_titles,
        join_paragraphs=False,
    )
    return [replace(page, result=result) for page, result in zip(pages, results, strict=True)]


def layout_parsing_result(
    page: RecognizedPage, params: LayoutParsingRequest, options: OcrOptions, pruned: dict[str, Any]
) -> LayoutParsingResult:
    views = encode_pictures({**page.views, **_draw_spotting_view(page)})
    input_image = views.pop(INPUT_IMAGE, None)
    return LayoutParsingResult(
        pruned_result=pruned,
        markdown=Markdown(
            text=page.result.markdown, images=encode_pictures(page.images) if params.return_markdown_images else None
        ),
        output_images=views if params.is_drawn else None,
        input_image=input_image,
        exports=_exports(page, options) if params.output_formats else None,
    )


def _exports(page: RecognizedPage, options: OcrOptions) -> DocumentExports:
    from gateway.assembly.docx.writer import DocxPage

    result = page.result
    keys = picture_keys(result.page, result.blocks, options)
    return word_export(f"page_{result.page}", [DocxPage(result, options, keys)], page.images)


def _draw_spotting_view(page: RecognizedPage) -> dict[str, bytes]:
    spots = (spot for block in page.result.blocks for spot in block.spots or ())
    if INPUT_IMAGE not in page.views or not any(spot.polygon for spot in spots):
        return {}
    return {SPOTTING_IMAGE: draw_spotting(page.result, page.views[INPUT_IMAGE])}


def data_info(document: Document, sizes: Sequence[PageSize]) -> DataInfo:
    if _is_one_picture(document):
        return DataInfo(type="image", width=sizes[0].width, height=sizes[0].height)
    return DataInfo(type="pdf" if document.media_type == PDF else "tiff", num_pages=len(sizes), pages=list(sizes))


def page_size(page: PageResult) -> PageSize:
    """The page's size as it came."""
    lies = page.angle in (90, 270)
    return PageSize(width=page.height if lies else page.width, height=page.width if lies else page.height)


def _is_one_picture(document: Document) -> bool:
    return document.media_type != PDF and document.pages_total == 1
