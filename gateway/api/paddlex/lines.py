"""PaddleX's general OCR, `POST /ocr` with a body of its own: text lines with their places, and no layout.

The path is `POST /ocr`'s too, which knows such a body by `file` where its own have `source`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import Field, Strict

from gateway.api.admission import Admission
from gateway.api.chunked_response import ChunkedResponse, append, splice_json
from gateway.api.paddlex.errors import DIALECT
from gateway.api.paddlex.response import DataInfo, PageSize, data_info, page_size
from gateway.api.paddlex.schema import Camel, parse_request, read_log_id
from gateway.api.paddlex.to_paddlex import in_paddlex_units, told_dpi
from gateway.api.paddlex.visualize import INPUT_IMAGE, page_pictures
from gateway.api.problems import ERROR_DIALECT, request_id
from gateway.conversion.conversion_pool import SplitBody
from gateway.errors import ServiceError
from gateway.model import Block, Document, PageResult
from gateway.reading_options import NAMELESS, OcrOptions
from gateway.recognized_page import PageView, RecognizedPage, encode_pictures
from gateway.service import Service
from gateway.session import DocumentSource, open_session

_DRAWN = "layout_det_res"
_HEADERS = {"Content-Type": "application/json"}


class LinesRequest(Camel):
    """Fields that have an effect; the text detector's thresholds are its own here, and unknown fields ignored."""

    file: str = Field(description="Base64 or a URL")
    file_type: Literal[0, 1] | None = Field(None, description="0 PDF, 1 image; the bytes decide")
    use_doc_orientation_classify: bool | None = None
    text_rec_score_thresh: Annotated[float, Strict(), Field(ge=0, le=1)] | None = Field(
        None, description="Lines with a lower score are left out"
    )
    visualize: bool | None = Field(None, description="`false`: no pictures in the answer")


class LinesResult(Camel):
    pruned_result: dict[str, Any]
    ocr_image: str | None = Field(None, description="The page with its lines, base64 JPEG")
    input_image: str | None = None


class LinesResults(Camel):
    ocr_results: list[LinesResult] = Field(default_factory=list)
    data_info: DataInfo
    warnings: list[str] | None = Field(None, description="What is missing")


class LinesAnswer(Camel):
    log_id: str
    result: LinesResults
    error_code: Literal[0] = 0
    error_msg: Literal["Success"] = "Success"


def fails_for_lines(error: ServiceError) -> bool:
    """Whether it is about the document of such a request, whose body could not be taken apart."""
    return error.param == "file"


def asks_for_lines(body: Mapping[str, Any]) -> bool:
    return "file" in body and body.get("source") is None


async def read_lines(request: Request, service: Service, sent: SplitBody, admission: Admission) -> ChunkedResponse:
    """The answer; failures from here on are PaddleX's too.

    Raises as `parse_request`, `open_session` and `ReadingStats.require_read`, and ServiceError 400 `empty_document`.
    """
    request.scope[ERROR_DIALECT] = DIALECT
    request.scope["log_id"] = log_id = read_log_id(sent.rest, request_id(request.scope))
    params = parse_request(LinesRequest, sent.rest)
    source = DocumentSource(sent.document, url=params.file or None)
    if not params.file and (sent.document is None or not sent.document.size):
        raise ServiceError(400, "empty_document", "`file` is empty.")
    return await _read(service, source, params, log_id, admission)


def prune_lines(page: PageResult, min_score: float = 0) -> dict[str, Any]:
    """Lines that were read, with their boxes and what the engine thinks of them (1 where it does not say)."""
    lines = [block for block in page.blocks if block.content and _score(block) >= min_score]
    return {
        "rec_texts": [" ".join(block.content.split()) for block in lines],
        "rec_scores": [_score(block) for block in lines],
        "rec_boxes": [list(block.bbox) for block in lines],
        "rec_polys": [_corners(block) for block in lines],
        "dt_polys": [_corners(block) for block in page.blocks],
        "width": page.width,
        "height": page.height,
    }


async def _read(
    service: Service, source: DocumentSource, params: LinesRequest, log_id: str, admission: Admission
) -> ChunkedResponse:
    orientation = bool(params.use_doc_orientation_classify)
    options = OcrOptions(task="lines", names=NAMELESS, images="none", orientation=orientation)
    results, sizes = bytearray(), list[PageSize]()
    view = None if params.visualize is False else _view
    async with open_session(service, source, options, admission.deadline, flow=admission.flow, view=view) as session:
        is_scaled = bool(told_dpi(session.document))
        async for page in session.pages():
            shown = in_paddlex_units(page) if is_scaled else page
            sizes.append(page_size(shown.result))
            append(results, await asyncio.to_thread(_encode_page, shown, params), b",")
        session.finish()
        session.stats.require_read()
        frame = _frame(log_id, session.document, sizes, session.stats.warnings)
    return ChunkedResponse(list(splice_json(frame, [("ocrResults", results)])), _HEADERS)


def _view(document: Document) -> PageView:
    return partial(page_pictures, dpi=told_dpi(document))


def _encode_page(page: RecognizedPage, params: LinesRequest) -> bytes:
    views = encode_pictures(page.views)
    pruned = prune_lines(page.result, params.text_rec_score_thresh or 0)
    result = LinesResult(pruned_result=pruned, ocr_image=views.get(_DRAWN), input_image=views.get(INPUT_IMAGE))
    return result.model_dump_json(by_alias=True, exclude_none=True).encode()


def _frame(log_id: str, document: Document, sizes: Sequence[PageSize], warnings: Sequence[str]) -> bytes:
    results = LinesResults(data_info=data_info(document, sizes), warnings=list(warnings) or None)
    return LinesAnswer(log_id=log_id, result=results).model_dump_json(by_alias=True, exclude_none=True).encode()


def _score(block: Block) -> float:
    return 1.0 if block.confidence is None else block.confidence


def _corners(block: Block) -> list[list[int]]:
    left, top, right, bottom = block.bbox
    return [[left, top], [right, top], [right, bottom], [left, bottom]]
