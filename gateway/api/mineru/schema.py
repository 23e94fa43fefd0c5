"""Requests and answers of MinerU's own server, as `mineru` 3.x and its clients send and read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from gateway.api.jobs.dialect_tasks import failure_message
from gateway.jobs.catalog import Job
from gateway.reading_options import OcrOptions, OptionNames

BACKEND = "vlm"
"""What the answers call the way in which a document was read; a folder in zips has this name."""
_LAST_PAGE = 99_999
_NAMES = OptionNames(pages="start_page_id", password=None, first_page=0)


class ParseOptions(BaseModel):
    """Fields of the form that have an effect; MinerU's own models' are taken and ignored."""

    return_md: bool = True
    return_content_list: bool = Field(False, description="Blocks in reading order, as JSON in a string")
    return_images: bool = Field(False, description="Pictures, as `data:` URLs, or as files of the zip")
    response_format_zip: bool = Field(False, description="A zip instead of JSON")
    start_page_id: int = Field(0, ge=0, description="First page, from 0")
    end_page_id: int = Field(_LAST_PAGE, description="Last page, from 0; below 0: the document's last one")

    @field_validator("end_page_id")
    @classmethod
    def _check_end(cls, value: int, info: ValidationInfo) -> int:
        if 0 <= value < info.data.get("start_page_id", 0):
            raise ValueError("is before `start_page_id`")
        return value

    def for_pipeline(self) -> OcrOptions:
        has_end = 0 <= self.end_page_id < _LAST_PAGE
        last = self.end_page_id + 1 if has_end else ""
        pages = f"{self.start_page_id + 1}-{last}" if self.start_page_id or has_end else None
        images: Literal["inline", "none"] = "inline" if self.return_images else "none"
        return OcrOptions(images=images, pages=pages, names=_NAMES, text_files=True)


class Task(BaseModel):
    task_id: str
    status: Literal["pending", "processing", "completed", "failed"]
    backend: str = BACKEND
    file_names: list[str]
    created_at: str
    started_at: str | None = None
    completed_at: str | None = None
    error: str | None = None
    status_url: str
    result_url: str
    queued_ahead: int = 0
    message: str = ""


class FileResult(BaseModel):
    md_content: str | None = None
    content_list: str | None = Field(None, description="JSON in a string")
    images: dict[str, str] | None = Field(None, description="`data:` URLs by name")


class ParseAnswer(BaseModel):
    backend: str = BACKEND
    version: str
    results: dict[str, FileResult] = Field(description="By the file's name without its ending")


_STATES: dict[str, Literal["pending", "processing", "completed", "failed"]] = {
    "queued": "pending",
    "running": "processing",
    "done": "completed",
    "failed": "failed",
    "cancelled": "failed",
}


def describe_task(job: Job, base_url: str) -> Task:
    """`base_url`: at which the client reaches the service, without a slash at its end."""
    url, end = f"{base_url}/tasks/{job.record.id}", job.end
    return Task(
        task_id=job.record.id,
        status=_STATES[job.state],
        file_names=[job.record.name],
        created_at=_time(job.record.created),
        started_at=_time(job.plan.started) if job.plan else None,
        completed_at=_time(end.ended) if end else None,
        error=failure_message(job) if _STATES[job.state] == "failed" else None,
        status_url=url,
        result_url=f"{url}/result",
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def parse_schema() -> dict[str, Any]:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 1, "description": "One file"}
    return {"files": files, **ParseOptions.model_json_schema()["properties"]}
