"""The data that flows through the service, in the order it is made. No behaviour lives here.

Coordinates are pixels of the page image, origin top left, boxes are `(x1, y1, x2, y2)` with `x2`, `y2` exclusive.
The dataclasses stay inside the process; the pydantic models are also what clients see in JSON.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from gateway.errors import ServiceError
from gateway.text_layer.characters import TextLayer

if TYPE_CHECKING:  # processes that find no lines are spared OpenCV
    from textlines.detection import TextLine as DetectedLine

Pixels = NDArray[np.uint8]
"""RGB pixels, shape (height, width, 3), C-contiguous."""

BBox = tuple[int, int, int, int]
Box = tuple[float, float, float, float]
"""As `BBox`, of what is known more exactly than by pixels."""
Polygon = tuple[tuple[int, int], ...]
BlockStatus = Literal["ok", "truncated", "failed", "skipped"]
DocumentStatus = Literal["ok", "partial", "failed"]
TextSource = Literal["text_layer", "engine"]
LineSource = Literal["text_layer", "engine", "aligned"]
EngineKind = Literal["vllm", "embedded", "external"]


@dataclass(frozen=True, slots=True)
class PageImage:
    """One page's pixels. `number` counts from 1 in the document; `dpi` is None for an image that names none.

    `angle`: degrees that the page was turned clockwise before it was turned back; None where nobody looked.
    `warnings`: what a client is to know of this picture, a clause each; `is_partial`: it lacks some of the page's text.
    `text_angle`: degrees that the letters of a PDF's text are turned clockwise; None where that is not known.
    """

    number: int
    pixels: Pixels
    dpi: int | None = None
    angle: int | None = None
    warnings: tuple[str, ...] = ()
    is_partial: bool = False
    text_angle: int | None = None
    layer: TextLayer | None = None
    """The characters of a PDF's page, where somebody wants them."""
    lines: Sequence[BBox] | None = None
    """Where its text lines stand, if the file tells all of them; None: they have to be looked for."""

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


@dataclass(frozen=True, slots=True)
class TextPage:
    """A page that is text already, as a text file's only one is."""

    number: int
    text: str


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

    def pages(self) -> AsyncIterator[PageImage | PageFailure | TextPage]: ...

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
    `warning`: what a client is to know of this page's layout, one clause. `lines`: boxes of the page's text lines; None
    where the detector looks for none. `detected`: those lines with their corners, where they were seen in the pixels.
    """

    regions: Sequence[Region]
    detections: Sequence[Region]
    warning: str | None = None
    lines: Sequence[BBox] | None = None
    detected: Sequence[DetectedLine] | None = None


class InkedLine(NamedTuple):
    """A text line of a page, and how much ink it holds: pixels of the edges of its print, at half the page's size.

    `is_row`: no detector has seen it; it is a row of ink in a block that is read, which may be no line of text.
    """

    box: BBox
    ink: int
    is_row: bool = False


class Word(BaseModel):
    """A word of a line with its place."""

    text: str
    bbox: Box = Field(description="x1, y1, x2, y2 in pixels of the page image")
    confidence: float | None = Field(default=None, description="0 to 1; null where the reader gives none")


class TextLine(BaseModel):
    """A line of text with its place and its words, in reading order."""

    text: str
    bbox: Box = Field(description="x1, y1, x2, y2 in pixels of the page image")
    words: list[Word] = Field(default_factory=list)
    confidence: float | None = Field(default=None, description="0 to 1; null where the reader gives none")
    source: LineSource = Field(
        description="Who says where it stands: the PDF's `text_layer`, the `engine`, or, for an engine that tells text "
        "alone, its text `aligned` to the lines that were detected"
    )


class TableCell(BaseModel):
    """A cell of a table with its place. Rows and columns count from 0."""

    row: int
    column: int
    rows: int = Field(default=1, description="How many it covers")
    columns: int = 1
    text: str = ""
    bbox: Box | None = Field(
        default=None, description="x1, y1, x2, y2 in pixels of the page image; null where its place is unknown"
    )
    source: LineSource | None = Field(default=None, description="Who says where it stands, as for lines; null: nobody")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the VLM gave for one region. `confidence` is exp(mean token log probability), 0 to 1.

    `is_refused`: the engine said that it can't read the region, or a part of it; `error` has its reason.
    `source`: who gave the characters. `lines`: the text with its places; None where nobody knows them.
    """

    text: str = ""
    status: BlockStatus = "ok"
    confidence: float | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_s: float = 0.0
    """Its share of the engine's time."""
    error: str | None = None
    is_refused: bool = False
    busy: ServiceError | None = None
    """What to tell a client who got nothing because the engine took no more work."""
    source: TextSource = "engine"
    engine: EngineKind | None = None
    """Which engine gave the characters; None: none was asked."""
    line_reader_calls: int = 0
    """Calls to the embedded engine beside a VLM, whether their readings were taken or not."""
    least_confidences: tuple[float, ...] | None = None
    """Of a letter of each line; None where the engine does not tell."""
    noise: int = 0
    """Lines that the engine has found and read nothing in."""
    lines: tuple[TextLine, ...] | None = None
    look_alikes: tuple[str | None, ...] = ()
    """Of the first `lines`: what each is on a page of Cyrillic text, where its letters may be look-alikes."""
    cells: tuple[TableCell, ...] | None = None
    """Of a table, as its grid was seen on the page; None where nobody knows."""


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
    html: str | None = Field(
        default=None,
        description="The block as HTML that is safe to show, formulas as MathML, pictures by key, from `include`",
    )
    spots: list[Spot] | None = Field(default=None, description="Texts with their places, from the task `spotting`")
    lines: list[TextLine] | None = Field(
        default=None, description="Its lines of text, from `include`; null: not asked for, or their places are unknown"
    )
    cells: list[TableCell] | None = Field(
        default=None, description="The cells of a table, from `include`; null: not asked for, or it is no table"
    )
    confidence: float | None = Field(default=None, description="exp(mean token log probability) of the reading, 0 to 1")
    title_level: int | None = Field(
        default=None, description="Level of a heading, from 1, where titles were relevelled"
    )
    continues: str | None = Field(default=None, description="The block that took this one's content over; else null")
    status: BlockStatus = "ok"
    error: str | None = Field(default=None, description="Why the block failed or was skipped")
    source: TextSource = Field(
        default="engine", description="Who gave the characters: the PDF's `text_layer`, or the `engine`"
    )
    engine: EngineKind | None = Field(
        default=None,
        description="The engine that read it, with `recognition=hybrid` one of two; null where none was asked",
    )
    group_id: str | None = Field(
        default=None,
        description="Of blocks read in one call: the `id` of the first, whose `content` is all their text",
    )


class Usage(BaseModel):
    pages: int = 0
    regions: int = Field(default=0, description="Region calls made to the VLM")
    line_reader_calls: int = Field(
        default=0, description="Calls made to the embedded engine beside it, with `recognition=hybrid`"
    )
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_s: float = Field(
        default=0.0, description="Seconds of the engine: of calls that run at once each takes an equal part of the time"
    )
    cost: float | None = Field(
        default=None, description="What those cost by the operator's `PRICE_PER_GPU_HOUR`; null: there is no price"
    )
    ink: int = Field(
        default=0, description="Ink of the text lines that stand on the pages, in pixels of half their size"
    )
    ink_read: float | None = Field(
        default=None, description="Share of it that the text that was read claims, 0 to 1; null: it was not measured"
    )


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
    image: str | None = Field(
        default=None, description="Key in `images` of the picture of the page, from `include`; it may be scaled down"
    )
    markdown: str
    blocks: list[Block] = Field(default_factory=list)
    usage: Usage = Field(default_factory=Usage)
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
