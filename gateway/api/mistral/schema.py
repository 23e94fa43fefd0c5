"""Requests and answers of Mistral's OCR, as `mistralai` 3.x sends and reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from gateway.reading_options import OcrOptions, OptionNames
from gateway.storage.files import StoredFile

TableFormat = Literal["markdown", "html"]
_PAGE = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")
_MAX_PARTS = 1000
_NAMES = OptionNames(password=None, first_page=0)


class ImageUrl(BaseModel):
    url: str


class DocumentChunk(BaseModel):
    """The document: exactly one of the three. `type` repeats which, and may be left out."""

    type: str | None = Field(None, max_length=40)
    document_url: str | None = Field(None, description="An http(s) URL, a `data:` URL, or the URL of an uploaded file")
    document_name: str | None = Field(None, max_length=1000)
    image_url: str | ImageUrl | None = Field(None, description="The same, of an image")
    file_id: str | None = Field(None, max_length=100, description="Of an uploaded file")

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if len([value for value in (self.document_url, self.image_url, self.file_id) if value is not None]) != 1:
            raise ValueError("holds one of `document_url`, `image_url` and `file_id`")
        return self

    @property
    def url(self) -> str:
        image = self.image_url.url if isinstance(self.image_url, ImageUrl) else self.image_url
        return self.document_url or image or ""


class OcrRequest(BaseModel):
    """Fields that the service does not know are ignored."""

    model: str | None = Field(None, max_length=256, description="Any name; the engine of this service reads")
    document: DocumentChunk
    pages: list[int] | str | None = Field(None, description="Pages to read, from 0; in text ranges too: `0,2-4`")
    include_image_base64: bool | None = Field(None, description="Fill `images[].image_base64`")
    image_limit: int | None = Field(None, ge=0, description="Most pictures of the document")
    image_min_size: int | None = Field(None, ge=0, description="Least width and height of a picture, in pixels")
    table_format: TableFormat | None = Field(
        None, description="Tables apart, in `tables`; null: in the Markdown, as HTML"
    )
    extract_header: bool | None = Field(None, description="Running heads apart, in `header`")
    extract_footer: bool | None = Field(None, description="Feet and page numbers apart, in `footer`")
    include_blocks: bool | None = Field(None, description="Fill `blocks`")
    confidence_scores_granularity: Literal["word", "page", "block"] | None = Field(
        None, description="Whose scores are told; of single words none are known"
    )
    bbox_annotation_format: None = Field(None, description="Not served: must be null")
    document_annotation_format: None = Field(None, description="Not served: must be null")
    document_annotation_prompt: None = Field(None, description="Not served: must be null")

    @field_validator("pages")
    @classmethod
    def _check_pages(cls, value: list[int] | str | None) -> list[int] | str | None:
        parts: Sequence[object] = value.split(",") if isinstance(value, str) else value or ()
        if len(parts) > _MAX_PARTS or not all(_PAGE.fullmatch(str(part).strip()) for part in parts):
            raise ValueError("are numbers from 0, or in text ranges of them, at most 1000")
        return value

    @property
    def selection(self) -> str | None:
        """The pages in our own words, from 1."""
        parts = self.pages.split(",") if isinstance(self.pages, str) else map(str, self.pages or ())
        return ",".join(map(_one_based, parts)) or None

    def for_pipeline(self) -> OcrOptions:
        """All labels are shown: running heads and feet stay in the Markdown unless they are asked for apart."""
        wants_pictures = self.include_image_base64 and self.image_limit != 0
        return OcrOptions(
            images="inline" if wants_pictures else "none",
            ignore_labels=frozenset(),
            pages=self.selection,
            names=_NAMES,
            pretty=False,
            text_files=True,
        )


def _one_based(part: str) -> str:
    first, _, last = part.strip().partition("-")
    return f"{int(first) + 1}-{int(last) + 1}" if last else f"{int(first) + 1}"


class PageDimensions(BaseModel):
    dpi: int
    height: int
    width: int


class Corners(BaseModel):
    """Pixels of `dimensions`; null for a picture whose place is not known."""

    top_left_x: int | None = None
    top_left_y: int | None = None
    bottom_right_x: int | None = None
    bottom_right_y: int | None = None


class Image(Corners):
    id: str = Field(examples=["img-0.jpeg"])
    image_base64: str | None = Field(None, description="A `data:` URL")
    image_annotation: str | None = None


class Table(BaseModel):
    id: str = Field(examples=["tbl-0.html"])
    content: str
    format: TableFormat


class BlockScores(BaseModel):
    average_content_confidence_score: float | None
    minimum_content_confidence_score: float | None


class Block(Corners):
    type: str = Field(examples=["text"])
    content: str
    image_id: str | None = None
    table_id: str | None = None
    confidence_scores: BlockScores | None = None


class PageScores(BaseModel):
    average_page_confidence_score: float
    minimum_page_confidence_score: float
    word_confidence_scores: list[Any] | None = None


class Page(BaseModel):
    index: int = Field(description="From 0, in the document")
    markdown: str
    images: list[Image] = Field(default_factory=list)
    dimensions: PageDimensions | None = None
    tables: list[Table] = Field(default_factory=list)
    hyperlinks: list[str] = Field(default_factory=list)
    header: str | None = None
    footer: str | None = None
    confidence_scores: PageScores | None = None
    blocks: list[Block] | None = None


class UsageInfo(BaseModel):
    pages_processed: int
    doc_size_bytes: int | None = None


class OcrAnswer(BaseModel):
    pages: list[Page] = Field(default_factory=list)
    model: str
    usage_info: UsageInfo
    document_annotation: None = None


class FileInfo(BaseModel):
    """Times are seconds since 1970."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    sample_type: Literal["ocr_input"] = "ocr_input"
    source: Literal["upload"] = "upload"
    num_lines: None = None
    mimetype: str | None = None
    signature: None = None
    expires_at: int
    deleted: bool = False


class FileList(BaseModel):
    object: Literal["list"] = "list"
    data: list[FileInfo]
    total: int


class FileUrl(BaseModel):
    url: str = Field(description="Absolute, and good without a key until its time is over")


class DeletedFile(BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def describe_file(file: StoredFile) -> FileInfo:
    return FileInfo(
        id=file.id,
        bytes=file.size,
        created_at=int(file.created),
        filename=file.name,
        purpose=file.purpose,
        mimetype=file.media_type,
        expires_at=int(file.expires),
    )
