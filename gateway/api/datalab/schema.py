"""Requests and answers of Datalab's Marker, as its clients send and read them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from gateway.reading_options import OcrOptions, OptionNames

OutputFormat = Literal["markdown", "html", "json"]
_NAMES = OptionNames(pages="page_range", password=None, first_page=0)
_RANGE = r"\s*\d{1,6}\s*(-\s*\d{1,6}\s*)?"


def _check_bool(value: object) -> object:
    """Forms have both words in any case; pydantic would take numbers too."""
    if isinstance(value, str) and value.lower() not in ("true", "false"):
        raise ValueError("must be `true` or `false`")
    return value


FormBool = Annotated[bool, BeforeValidator(_check_bool)]


class MarkerOptions(BaseModel):
    """Fields of the form that have an effect; those of Marker's own models are taken and ignored."""

    output_format: OutputFormat = "markdown"
    paginate: FormBool = Field(
        False,
        validation_alias=AliasChoices("paginate", "paginate_output"),
        description="Markdown names each page before its text",
    )
    disable_image_extraction: FormBool = False
    page_range: str | None = Field(
        None, max_length=1000, pattern=f"^({_RANGE}(,{_RANGE})*)?$", description="Pages from 0: `0,2-4`"
    )
    max_pages: int | None = Field(None, ge=1, le=999_999, description="So many from the first")

    @model_validator(mode="after")
    def _require_one_choice(self) -> MarkerOptions:
        if self.page_range and self.max_pages is not None:
            raise ValueError("`page_range` and `max_pages` don't go together")
        return self

    def for_pipeline(self) -> OcrOptions:
        images: Literal["none", "inline"] = "none" if self.disable_image_extraction else "inline"
        return OcrOptions(images=images, pages=self._pages(), names=_NAMES, text_files=True)

    def _pages(self) -> str | None:
        if not self.page_range:
            return None if self.max_pages is None else f"1-{self.max_pages}"
        ranges = ([int(number) + 1 for number in part.split("-")] for part in self.page_range.split(","))
        return ",".join("-".join(map(str, numbers)) for numbers in ranges)


class Submitted(BaseModel):
    success: Literal[True] = True
    error: None = None
    request_id: str
    request_check_url: str


class ParsedDocument(BaseModel):
    """Of a request that is polled. One of `markdown`, `html` and `json` has the document."""

    model_config = ConfigDict(populate_by_name=True)

    status: Literal["processing", "complete", "failed"]
    success: bool | None = None
    error: str | None = None
    output_format: OutputFormat
    markdown: str | None = None
    html: str | None = None
    tree: dict[str, Any] | None = Field(None, alias="json", description="Pages and their blocks, each with its HTML")
    images: dict[str, str] = Field(default_factory=dict, description="Base64 JPEG by the names in the document")
    metadata: dict[str, Any] = Field(default_factory=dict)
    page_count: int = 0


class DirectAnswer(BaseModel):
    """Of a Marker that answers at once."""

    success: bool
    error: str | None = None
    format: OutputFormat = "markdown"
    output: str | dict[str, Any] = ""
    images: dict[str, str] = Field(default_factory=dict)
    metadata: dict[str, Any] = Field(default_factory=dict)
    page_count: int = 0


def form_schema() -> dict[str, Any]:
    file = {"type": "string", "format": "binary", "description": "The document"}
    return {"file": file, **MarkerOptions.model_json_schema()["properties"]}
