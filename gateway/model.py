"""The data that flows through the service, in the order it is made. No behaviour lives here.

Coordinates are pixels of the page image, origin top left, boxes are `(x1, y1, x2, y2)` with `x2`, `y2` exclusive.
The dataclasses stay inside the process; the pydantic models are also what clients see in JSON.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

Pixels = NDArray[np.uint8]
"""RGB pixels, shape (height, width, 3), C-contiguous."""

BBox = tuple[int, int, int, int]
Polygon = tuple[tuple[int, int], ...]
BlockStatus = Literal["ok", "truncated", "failed", "skipped"]
DocumentStatus = Literal["ok", "partial", "failed"]
EngineKind = Literal["vllm", "embedded", "external"]
MergeMode = Literal["large", "small", "union"]
ShapeMode = Literal["rect", "quad", "poly", "auto"]
Stretch = tuple[float, float]
"""Factors of a box's width and height around its middle."""


@dataclass(frozen=True, slots=True)
class PageImage:
    """One page's pixels. `number` counts from 1 in the document; `dpi` is None for an image that names none.

    `angle`: degrees that the page was turned clockwise before it was turned back; None where nobody looked.
    """

    number: int
    pixels: Pixels
    dpi: int | None = None
    angle: int | None = None

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, slots=True)
class PageFailure:
    """A page that could not be made into pixels; the rest of its document goes on. `code` is a stable error code."""

    number: int
    code: str
    detail: str


class Document(Protocol):
    """A named source of pages. Pages come one at a time, in order, when asked for."""

    @property
    def name(self) -> str: ...

    @property
    def media_type(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    @property
    def pages_total(self) -> int:
        """All pages of the file, selected or not."""

    @property
    def selected(self) -> tuple[int, ...]:
        """Numbers of the pages that `pages()` will give, ascending, from 1."""

    def pages(self) -> AsyncIterator[PageImage | PageFailure]: ...

    async def close(self) -> None:
        """Frees what the document holds (bytes, worker). Safe to call twice."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a page with one kind of content. `label` is one of PaddleOCR-VL's 25 layout labels.

    `order` counts from 1 in reading order over all regions of the page. `score` is the detector's, 0 to 1; None where
    no detector saw the region (text lines that the layout missed).

    For engines that read as PaddleOCR-VL does: `parent_table` is the `order` of the table that a picture stands in,
    `tag` the text painted over it there; `group` the `order` of the first of the regions that are read in one call.
    """

    label: str
    bbox: BBox
    order: int
    score: float | None = None
    polygon: Polygon | None = None
    parent_table: int | None = None
    tag: str | None = None
    group: int | None = None


@dataclass(frozen=True, slots=True)
class PageLayout:
    """What a layout detector found on one page, both in reading order.

    `detections` are its boxes as PaddleX shows them; `regions` are what is to be read: no two show the same thing.
    `warning`: what a client is to know of this page's layout, one clause.
    """

    regions: Sequence[Region]
    detections: Sequence[Region]
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What the VLM gave for one region. `confidence` is exp(mean token log probability), 0 to 1.

    `is_refused`: the engine said that it can't read the region, or a part of it; `error` has its reason.
    """

    text: str = ""
    status: BlockStatus = "ok"
    confidence: float | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    error: str | None = None
    is_refused: bool = False


class Spot(BaseModel):
    """A text that the task `spotting` found."""

    text: str
    polygon: Polygon | None = Field(default=None, description="Four corners in pixels; null where the VLM gave none")


class Block(BaseModel):
    """A region with its reading."""

    id: str = Field(description="Unique in the document: p<page>-b<number>", examples=["p1-b1"])
    label: str = Field(description="PaddleOCR-VL's layout label", examples=["doc_title"])
    bbox: BBox = Field(description="x1, y1, x2, y2 in pixels of the page image", examples=[(90, 80, 1100, 140)])
    polygon: Polygon | None = Field(default=None, description="Outline in pixels of the page image, if one is known")
    order: int = Field(description="Place in the page's reading order, from 1")
    content: str = Field(description="Text, HTML table or LaTeX formula, as the label says; empty for pictures")
    spots: list[Spot] | None = Field(default=None, description="Texts with their places, from the task `spotting`")
    confidence: float | None = Field(default=None, description="exp(mean token log probability) of the reading, 0 to 1")
    title_level: int | None = Field(
        default=None, description="Level of a heading, from 1, where titles were relevelled"
    )
    continues: str | None = Field(default=None, description="The block that took this one's content over; else null")
    status: BlockStatus = "ok"
    error: str | None = Field(default=None, description="Why the block failed or was skipped")
    group_id: str | None = Field(
        default=None,
        description="Of blocks read in one call: the `id` of the first, whose `content` is all their text",
    )


class Usage(BaseModel):
    pages: int = 0
    regions: int = Field(default=0, description="Region calls made to the VLM")
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Timings(BaseModel):
    """Milliseconds. Stages overlap, so they need not add up to the total."""

    total_ms: int = 0
    intake_ms: int = 0
    layout_ms: int = 0
    recognition_ms: int = 0


class PageResult(BaseModel):
    page: int = Field(description="Number in the document, from 1")
    width: int = Field(description="Pixels of the page image that the boxes refer to")
    height: int
    dpi: int | None = None
    angle: int | None = Field(
        default=None,
        description="Degrees clockwise that the page was turned, which the page image is not; null: nobody looked",
    )
    status: DocumentStatus = "ok"
    markdown: str
    blocks: list[Block] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class DocumentInfo(BaseModel):
    name: str
    media_type: str
    pages_total: int
    sha256: str


class DocumentResult(BaseModel):
    """The answer of `POST /ocr`."""

    id: str
    status: DocumentStatus
    model: str = Field(description="Model that read the regions")
    engine: str = Field(description="vllm, embedded or external")
    document: DocumentInfo
    pages: list[PageResult]
    markdown: str
    images: dict[str, str] = Field(default_factory=dict, description="Key in the Markdown to base64 JPEG or URL")
    usage: Usage
    timings: Timings
    warnings: list[str] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """How a detector's boxes become regions; None: as PaddleOCR-VL's pipeline has it for the model.

    A mapping's keys are labels. A label that it lacks has the threshold 0.5, its boxes are not stretched, and they take
    nothing in.

    - `threshold`: boxes with a score above it are believed.
    - `nms`: whether boxes that are nearly equal become one.
    - `merge`: of a box within another, `large` keeps the outer, `small` the inner, `union` both.
    - `shape`: outlines; `rect`: none, `quad`: four corners, `poly`: as the model saw it, `auto`: as few as will do.
    """

    threshold: float | Mapping[str, float] | None = None
    nms: bool = True
    stretch: Stretch | Mapping[str, Stretch] | None = None
    merge: MergeMode | Mapping[str, MergeMode] | None = None
    shape: ShapeMode = "auto"


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """What a client may ask of one document, already validated. Meanings: `docs/api.md`."""

    pages: str | None = None
    task: str = "document"
    images: Literal["inline", "stored", "none"] = "inline"
    chart: bool = False
    seal: bool = False
    image_text: bool = False
    dpi: int | None = None
    orientation: bool = False
    """Whether pages that lie on a side or stand on their head are turned upright."""
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_tokens: int | None = None
    task_pixels: Mapping[str, tuple[int | None, int | None]] = field(default_factory=dict)
    """Fewest and most pixels of one prompt's crops (`ocr`, `table`, `chart`, `formula`, `seal`), before those above."""
    temperature: float | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    min_confidence: float | None = None
    ignore_labels: frozenset[str] = field(
        default_factory=lambda: frozenset(
            {"number", "footnote", "header", "header_image", "footer", "footer_image", "aside_text"}
        )
    )
    merge_blocks: bool = True
    pretty: bool = True
    formula_numbers: bool = True
    read_ignored: bool = True
    """Whether blocks with `ignore_labels` are read too: only the JSON shows their text."""
    layout: LayoutOptions = LayoutOptions()
