"""Pages of a job as PaddleOCR's hosted service gives them: kept when they are read, made JSON lines on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pydantic_core

from gateway.api.paddleocr.schema import Submission
from gateway.api.paddlex.answer import LayoutParsingResult
from gateway.api.paddlex.lines import prune_lines
from gateway.api.paddlex.pipeline_options import model_settings
from gateway.api.paddlex.response import layout_parsing_result
from gateway.api.paddlex.schema import LayoutParsingRequest, RestructurePagesRequest
from gateway.api.paddlex.to_paddlex import in_paddlex_units, pruned_result, told_dpi
from gateway.api.paddlex.visualize import INPUT_IMAGE, page_picture, page_pictures
from gateway.errors import ServiceError
from gateway.intake.sniff import PDF
from gateway.jobs.catalog import Job
from gateway.jobs.store import JobPlan, JobRecord, JobStore
from gateway.model import Document
from gateway.recognized_page import PageView, RecognizedPage

Link = Callable[[str], str]
"""A picture's key to its URL."""
_VIEWS = "views/"


class PaddleOcrEncoder:
    """`PageEncoder` of this dialect. Pictures are files, which the page names by their keys."""

    def view(self, record: JobRecord, document: Document) -> PageView | None:
        submission = submission_of(record)
        if not submission.params.is_drawn:
            return None
        has_regions = submission.params.has_layout and not submission.has_lines
        return partial(page_pictures if has_regions else page_picture, dpi=told_dpi(document))

    def encode(self, record: JobRecord, document: Document, page: RecognizedPage) -> tuple[bytes, Mapping[str, bytes]]:
        submission = submission_of(record)
        page = in_paddlex_units(page) if told_dpi(document) else page
        views = {name: f"{_VIEWS}p{page.result.page}_{name}.jpg" for name in page.views}
        if submission.has_lines:
            content = _lines_result(page, views)
        else:
            content = _layout_result(record, submission.params, document, page, views)
        pictures = {key: page.views[name] for name, key in views.items()}
        return pydantic_core.to_json(content), {**page.images, **pictures}


def submission_of(record: JobRecord) -> Submission:
    return Submission.model_validate(record.submission)


class JobLines:
    """A job's pages on their way into JSON lines. All functions block. ServiceError 404 `not_found` where the job was
    deleted meanwhile."""

    def __init__(self, store: JobStore, job: Job, plan: JobPlan, link: Link) -> None:
        self._job = job
        self._plan = plan
        self._submission = submission_of(job.record)
        self._pages = [_load_page(store, job, number, link) for number in plan.pages]

    @property
    def is_restructured(self) -> bool:
        return self._submission.params.restructure_pages and not self._submission.has_lines

    def restructuring_request(self) -> bytes:
        """The body of `/restructure-pages` that makes one document of the pages."""
        pages = [
            {"prunedResult": page["prunedResult"], "markdownImages": page["markdown"].get("images")}
            for page in self._pages
        ]
        options = self._submission.params.model_dump(
            by_alias=True,
            include={*RestructurePagesRequest.model_fields}
            - {"pages", "output_formats", "log_id", "concatenate_pages"},
        )
        return pydantic_core.to_json({"pages": pages, **options})

    def take_restructured(self, answer: bytes) -> None:
        """`answer`: to that request."""
        results = pydantic_core.from_json(answer)["result"]["layoutParsingResults"]
        self._pages = [page | result for page, result in zip(self._pages, results, strict=True)]

    def render(self) -> bytes:
        """One line a page."""
        kind = "ocrResults" if self._submission.has_lines else "layoutParsingResults"
        info = _data_info(self._plan, self._pages)
        return b"".join(self._render_line({kind: [page], "dataInfo": info}) for page in self._pages)

    def _render_line(self, result: dict[str, Any]) -> bytes:
        line = {"logId": self._job.record.id, "errorCode": 0, "errorMsg": "Success", "result": result}
        return pydantic_core.to_json(line) + b"\n"


def _layout_result(
    record: JobRecord, params: LayoutParsingRequest, document: Document, page: RecognizedPage, views: Mapping[str, str]
) -> dict[str, Any]:
    options = record.options
    count = document.pages_total if document.media_type == PDF or document.pages_total > 1 else None
    pruned = pruned_result(page, options, model_settings(params, options), count)
    result: LayoutParsingResult = layout_parsing_result(page, params, options, pruned)
    content = result.model_dump(by_alias=True, exclude_none=True, exclude={"output_images", "input_image"})
    if params.return_markdown_images:
        content["markdown"]["images"] = {key: key for key in page.images}
    return content | _views(views)


def _lines_result(page: RecognizedPage, views: Mapping[str, str]) -> dict[str, Any]:
    shown = {name: key for name, key in _views(views).items() if name == "inputImage"}
    return {"prunedResult": prune_lines(page.result)} | shown


def _views(views: Mapping[str, str]) -> dict[str, Any]:
    """`views`: name of each drawn picture to its key."""
    drawn = {name: key for name, key in views.items() if name != INPUT_IMAGE}
    given = {"outputImages": drawn or None, "inputImage": views.get(INPUT_IMAGE)}
    return {name: value for name, value in given.items() if value is not None}


def _load_page(store: JobStore, job: Job, number: int, link: Link) -> dict[str, Any]:
    encoded = store.load_encoded_page(job.record.id, number)
    if encoded is None:
        raise ServiceError(404, "not_found", "There is no such job; it was deleted.")
    page: dict[str, Any] = pydantic_core.from_json(encoded)
    for group in (page.get("markdown", {}).get("images") or {}, page.get("outputImages") or {}):
        group.update({name: link(key) for name, key in group.items()})
    if "inputImage" in page:
        page["inputImage"] = link(page["inputImage"])
    return page


def _data_info(plan: JobPlan, pages: list[dict[str, Any]]) -> dict[str, Any]:
    sizes = [{"width": page["prunedResult"]["width"], "height": page["prunedResult"]["height"]} for page in pages]
    media_type = plan.document.media_type
    if media_type != PDF and plan.document.pages_total == 1:
        return {"type": "image", **sizes[0]}
    return {"type": "pdf" if media_type == PDF else "tiff", "numPages": len(pages), "pages": sizes}
