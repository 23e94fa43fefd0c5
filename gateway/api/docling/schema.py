"""Requests and answers of docling-serve, as its releases 1.x and the clients of `docling` 2.x send and read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator

from gateway.api.forms import parse_json_field
from gateway.api.jobs.dialect_tasks import failure_message
from gateway.jobs.catalog import Job
from gateway.reading_options import OcrOptions, OptionNames

OutputFormat = Literal["md", "json", "html", "text", "doctags"]
Target = Literal["inbody", "zip"]
ImageMode = Literal["placeholder", "embedded", "referenced"]
_MAX_PAGE = 999_999_999
"""Clients say "to the end" by a number beyond all pages."""
_NAMES = OptionNames(pages="page_range", password=None)


def _make_list(value: Any) -> Any:  # noqa: ANN401 - whatever JSON or a form can hold
    """Forms repeat a field, hold a list as JSON text, or one value by itself."""
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
        value = value[0]
    if isinstance(value, str) and value.lstrip().startswith("["):
        return parse_json_field(value)
    return [value] if isinstance(value, str) else value


class ConvertOptions(BaseModel):
    """Options that have an effect; those of docling's models are taken and ignored."""

    to_formats: Annotated[
        list[OutputFormat], BeforeValidator(_make_list, json_schema_input_type=list[OutputFormat])
    ] = Field(["md"], min_length=1, max_length=10, description="What the answer holds")
    image_export_mode: ImageMode = Field(
        "placeholder",
        description="Pictures left out, as `data:` URLs, or as a zip's files (in a body as `data:` URLs)",
    )
    include_images: bool = Field(True, description="`false`: as `placeholder`")
    md_page_break_placeholder: str = Field("", max_length=1000, description="What stands between pages in Markdown")
    page_range: Annotated[list[int], BeforeValidator(_make_list, json_schema_input_type=list[int])] | None = Field(
        None, min_length=2, max_length=2, description="First and last page, from 1"
    )

    @field_validator("page_range")
    @classmethod
    def _check_range(cls, value: list[int] | None) -> list[int] | None:
        """As docling-serve has it, whatever the document holds."""
        if value is not None and not 1 <= value[0] <= value[1]:
            raise ValueError("the first page is at least 1, and the last one not before it")
        return value

    @property
    def shows_images(self) -> bool:
        return self.include_images and self.image_export_mode != "placeholder"

    def for_pipeline(self) -> OcrOptions:
        images: Literal["inline", "none"] = "inline" if self.shows_images else "none"
        return OcrOptions(images=images, pages=self._pages(), names=_NAMES, text_files=True)

    def _pages(self) -> str | None:
        if self.page_range is None:
            return None
        first, last = (min(number, _MAX_PAGE) for number in self.page_range)
        return f"{first}-{last}"


class TargetKind(BaseModel):
    kind: str = Field("inbody", max_length=40, description="`inbody` or `zip`")


class HttpSource(BaseModel):
    kind: Literal["http"]
    url: str
    headers: dict[str, Any] = Field(default_factory=dict, max_length=0, description="None can be sent")


class FileSource(BaseModel):
    kind: Literal["file"]
    filename: str = "document"
    base64_string: str = Field(description="The document's bytes")


Source = Annotated[HttpSource | FileSource, Field(discriminator="kind")]


class ConvertRequest(BaseModel):
    """Fields that docling-serve knows and this service does not are ignored."""

    options: ConvertOptions = ConvertOptions()
    sources: list[Source] = Field(min_length=1, max_length=1, description="One document")
    target: TargetKind = TargetKind()
    callbacks: list[Any] = Field(default_factory=list, max_length=0, description="None are called")


class ConvertedDocument(BaseModel):
    filename: str
    md_content: str | None = None
    json_content: dict[str, Any] | None = Field(None, description="A `DoclingDocument`")
    html_content: str | None = None
    text_content: str | None = None
    doctags_content: str | None = None


class ErrorItem(BaseModel):
    component_type: Literal["user_input", "model", "document_backend"]
    module_name: str
    error_message: str
    page_no: int | None = None


class ConvertAnswer(BaseModel):
    document: ConvertedDocument
    status: Literal["success", "partial_success", "failure"]
    errors: list[ErrorItem] = Field(default_factory=list)
    processing_time: float = Field(0, description="Seconds")
    timings: dict[str, Any] = Field(default_factory=dict)


class TaskFailure(BaseModel):
    category: Literal["unknown"] = "unknown"
    message: str
    retryable: bool = False
    phase: Literal["execution"] = "execution"


class FailedTask(BaseModel):
    kind: Literal["TaskFailureResult"] = "TaskFailureResult"
    failure: TaskFailure


class Task(BaseModel):
    task_id: str
    task_type: Literal["convert"] = "convert"
    task_status: Literal["pending", "started", "success", "failure"]
    task_position: int | None = None
    task_meta: None = None
    error_message: str | None = None
    failure: TaskFailure | None = None


_STATES: dict[str, Literal["pending", "started", "success", "failure"]] = {
    "queued": "pending",
    "running": "started",
    "done": "success",
    "failed": "failure",
    "cancelled": "failure",
}


def describe_task(job: Job) -> Task:
    state = _STATES[job.state]
    failure = describe_failure(job) if state == "failure" else None
    return Task(
        task_id=job.record.id,
        task_status=state,
        error_message=failure.message if failure else None,
        failure=failure,
    )


def describe_failure(job: Job) -> TaskFailure:
    return TaskFailure(message=failure_message(job))
