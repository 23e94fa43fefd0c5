"""Requests and answers of Document Intelligence, as its APIs 2024-11-30 and 2023-07-31 and their clients send and read
them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from gateway.api.azure.errors import AzureError, make_error
from gateway.errors import ServiceError
from gateway.jobs.catalog import Job
from gateway.reading_options import OcrOptions, OptionNames

API_VERSION, FORM_API_VERSION = "2024-11-30", "2023-07-31"
_NAMES = OptionNames(password=None)
READ, LAYOUT, DOCUMENT = "prebuilt-read", "prebuilt-layout", "prebuilt-document"
StringIndexType = Literal["textElements", "unicodeCodePoint", "utf16CodeUnit"]
Status = Literal["notStarted", "running", "succeeded", "failed", "canceled"]
_RANGE = r"\s*\d{1,9}\s*(-\s*\d{0,9}\s*)?"
T = TypeVar("T")


def _split_commas(value: Any) -> Any:  # noqa: ANN401 - whatever a query can hold
    """Lists stand in one value, with commas between, or in several."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return [part for part in chain.from_iterable(one.split(",") for one in value) if part]
    return value


CommaList = Annotated[list[T], BeforeValidator(_split_commas)]


class AnalyzeOptions(BaseModel):
    """Of the query, what has an effect. Other parameters are Azure's own, and are ignored."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    pages: str | None = Field(
        None, max_length=1000, pattern=f"^{_RANGE}(,{_RANGE})*$", description="Pages to analyze: `1-3,7`"
    )
    string_index_type: StringIndexType = Field("textElements", description="What offsets and lengths count")
    output_content_format: Literal["text", "markdown"] = Field("text", description="Of `content`")
    output: CommaList[Literal["pdf", "figures"]] = Field([], description="What can be fetched besides")
    features: CommaList[Literal["formulas", "ocrHighResolution", "styleFont"]] = Field(
        [], description="`formulas`: each page lists its own; the others have no effect"
    )
    query_fields: list[str] = Field([], max_length=0, description="None can be asked for")

    def for_pipeline(self) -> OcrOptions:
        images: Literal["inline", "none"] = "inline" if "figures" in self.output else "none"
        return OcrOptions(images=images, pages=self.pages, names=_NAMES, lines=True, words=True, cells="all")


class AnalyzeRequest(BaseModel):
    """One of both."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    url_source: str | None = Field(None, min_length=1, description="Where the document is, by the rules of `URL_FETCH`")
    base64_source: str | None = Field(None, alias="base64Source", description="The document's bytes")


class AnalyzeOperation(BaseModel):
    """An analysis, and what it found once it has succeeded."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    status: Status
    created_date_time: str
    last_updated_date_time: str
    error: AzureError | None = None
    analyze_result: dict[str, Any] | None = Field(
        None,
        description="`content`, and in it the places of `pages` with lines and words, of `paragraphs`, `tables` and "
        "`figures`; polygons in inches of a PDF's page, in pixels of an image",
    )


_STATES: dict[str, Status] = {
    # Some clients take Azure's `notStarted` for a failure.
    "queued": "running",
    "running": "running",
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}


def describe_operation(job: Job, failure: ServiceError | None = None) -> AnalyzeOperation:
    """`failure`: why the analysis has failed, although the job has not."""
    status, end = _STATES[job.state], job.end
    if end is not None and status == "failed":
        failure = ServiceError(end.status or 500, end.code or "internal_error", end.detail)
    started = job.plan.started if job.plan else job.record.created
    return AnalyzeOperation(
        status="failed" if failure else status,
        created_date_time=_time(job.record.created),
        last_updated_date_time=_time(end.ended if end else started),
        error=make_error(failure) if failure else None,
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
