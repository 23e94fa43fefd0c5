"""Requests and answers of PaddleOCR's hosted service.

Fields and states as `paddleocr` 3.7 sends and reads them (`paddleocr/_api_client`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.alias_generators import to_camel

from gateway.api.forms import parse_json_field
from gateway.api.paddlex.pipeline_options import ocr_options
from gateway.api.paddlex.schema import LayoutParsingRequest
from gateway.jobs.catalog import Job
from gateway.reading_options import OcrOptions, OptionNames

LAYOUT_MODELS = frozenset({"PaddleOCR-VL", "PaddleOCR-VL-1.5", "PaddleOCR-VL-1.6", "PP-StructureV3"})
_NAMES = OptionNames(pages="pageRanges", password=None)
LINE_MODELS = frozenset({"PP-OCRv5", "PP-OCRv5-latin", "PP-OCRv6"})
"""Models that give text lines with their places, whatever engine reads them here."""


class _Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Submission(_Camel):
    """What is asked for, without the document. Fields that the service does not know are ignored."""

    model: str = Field(description="Which kind of result; the engine of this service reads", examples=["PaddleOCR-VL"])
    file_url: str | None = Field(None, description="Where the document is fetched, unless it comes as the part `file`")
    optional_payload: dict[str, Any] = Field(
        default_factory=dict, description="Fields of `POST /layout-parsing`; in a form as JSON text"
    )
    page_ranges: str | None = Field(None, max_length=1000, description="Pages to read, from 1", examples=["1-2,5"])
    batch_id: str | None = Field(None, min_length=1, max_length=128, description="A name of yours for several jobs")

    @field_validator("optional_payload", mode="before")
    @classmethod
    def _parse_text(cls, value: object) -> object:
        return parse_json_field(value or "{}") if isinstance(value, str) else value

    @field_validator("model")
    @classmethod
    def _require_known(cls, value: str) -> str:
        if value not in LAYOUT_MODELS | LINE_MODELS:
            raise ValueError(f"there is no model {value[:60]!r}; models are {', '.join(MODELS)}")
        return value

    @field_validator("page_ranges", "batch_id", mode="before")
    @classmethod
    def _drop_empty(cls, value: object) -> object:
        return value or None

    @property
    def params(self) -> LayoutParsingRequest:
        return LayoutParsingRequest.model_validate({**self.optional_payload, "file": ""})

    def for_pipeline(self) -> OcrOptions:
        options = replace(ocr_options(self.params), pages=self.page_ranges, names=_NAMES)
        return replace(options, task="lines", images="none") if self.has_lines else options

    @property
    def has_lines(self) -> bool:
        return self.model in LINE_MODELS


MODELS = sorted(LAYOUT_MODELS | LINE_MODELS)


class SubmittedJob(_Camel):
    job_id: str


class ExtractProgress(_Camel):
    total_pages: int
    extracted_pages: int
    start_time: str
    end_time: str | None = None


class ResultUrl(_Camel):
    json_url: str = Field(description="JSON lines, one page each; good without a key, for as long as the job is kept")


class JobData(_Camel):
    job_id: str
    state: Literal["pending", "running", "done", "failed"]
    extract_progress: ExtractProgress | None = None
    result_url: ResultUrl | None = None
    error_msg: str | None = None


class BatchData(_Camel):
    batch_id: str
    extract_result: list[JobData]


class Success(_Camel):
    """The envelope of every answer that is no failure."""

    code: Literal[0] = 0
    msg: Literal["success"] = "success"
    trace_id: str
    data: SubmittedJob | JobData | BatchData


def describe_job(job: Job, result_url: str | None) -> JobData:
    """`result_url`: of a job that is done."""
    error = job.end.detail if job.end and job.end.state == "failed" else "The job was cancelled or failed."
    state = _STATES[job.state]
    return JobData(
        job_id=job.record.id,
        state=state,
        extract_progress=_progress(job),
        result_url=ResultUrl(json_url=result_url) if result_url and state == "done" else None,
        error_msg=error if state == "failed" else None,
    )


_STATES: dict[str, Literal["pending", "running", "done", "failed"]] = {
    "queued": "pending",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "failed",
}


def _progress(job: Job) -> ExtractProgress | None:
    if job.plan is None:
        return None
    return ExtractProgress(
        total_pages=len(job.plan.pages),
        extracted_pages=job.pages_done,
        start_time=_time(job.plan.started),
        end_time=_time(job.end.ended) if job.end else None,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
