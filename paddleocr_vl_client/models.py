"""What the service answers, as typed values.

Coordinates are pixels of the page image, origin top left; boxes are `(x1, y1, x2, y2)`, the last two exclusive. Fields
that a newer service adds are ignored.
"""

from __future__ import annotations

from typing import Literal

import msgspec

DocumentStatus = Literal["ok", "partial", "failed"]
BlockStatus = Literal["ok", "truncated", "failed", "skipped"]
JobState = Literal["queued", "running", "done", "failed", "cancelled"]
BBox = tuple[int, int, int, int]
Box = tuple[float, float, float, float]
Polygon = tuple[tuple[int, int], ...]


class Word(msgspec.Struct, frozen=True):
    text: str
    bbox: Box
    confidence: float | None = None


class TextLine(msgspec.Struct, frozen=True):
    """A line of a block, from `include=lines`; it has `words` with `include=lines,words`."""

    text: str
    bbox: Box
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    source: str | None = None


class TableCell(msgspec.Struct, frozen=True):
    """A cell of a table, from `include=cells`. Rows and columns count from 0; `rows` and `columns` say how many it
    covers; `bbox` is None where its place is unknown."""

    row: int
    column: int
    rows: int = 1
    columns: int = 1
    text: str = ""
    bbox: Box | None = None
    source: str | None = None


class Spot(msgspec.Struct, frozen=True):
    """A text that the task `spotting` found."""

    text: str
    polygon: Polygon | None = None


class Block(msgspec.Struct, frozen=True):
    """A part of a page. `order` counts from 1 in reading order; `confidence` is 0 to 1; `html` from `include=html`."""

    id: str
    label: str
    bbox: BBox
    order: int
    content: str
    polygon: Polygon | None = None
    spots: tuple[Spot, ...] | None = None
    lines: tuple[TextLine, ...] | None = None
    cells: tuple[TableCell, ...] | None = None
    confidence: float | None = None
    title_level: int | None = None
    continues: str | None = None
    status: BlockStatus = "ok"
    error: str | None = None
    source: str = "engine"
    engine: str | None = None
    group_id: str | None = None
    html: str | None = None


class Usage(msgspec.Struct, frozen=True):
    """`regions` are calls to the VLM, `line_reader_calls` those to the embedded engine beside it
    (`recognition="hybrid"`). `engine_s` are seconds of the engine, `cost` what they cost, None without a price. `ink`
    is that of the text lines that stand on the pages, `ink_read` the share that was read, 0 to 1; None: it was not
    measured."""

    pages: int = 0
    regions: int = 0
    line_reader_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    engine_s: float = 0.0
    cost: float | None = None
    ink: int = 0
    ink_read: float | None = None


class Page(msgspec.Struct, frozen=True):
    """A page that was read. `page` is its number in the document, from 1; `angle` are degrees clockwise.

    `images` has the pictures of a page that came by itself, by their key in the Markdown: base64 JPEG, or a URL with
    `images="stored"`. Those of a whole document stand in `Document.images`. `image` is the key of the page's own
    picture, from `include=page_image`.
    """

    page: int
    width: int
    height: int
    markdown: str
    blocks: tuple[Block, ...] = ()
    dpi: int | None = None
    angle: int | None = None
    status: DocumentStatus = "ok"
    usage: Usage = Usage()
    warnings: tuple[str, ...] = ()
    image: str | None = None
    images: dict[str, str] = {}


class DocumentInfo(msgspec.Struct, frozen=True):
    """The file itself. `pages_total` counts all its pages, selected or not."""

    name: str
    media_type: str
    pages_total: int
    sha256: str


class Timings(msgspec.Struct, frozen=True):
    """Milliseconds. Stages overlap, so they need not add up to the total."""

    total_ms: int = 0
    intake_ms: int = 0
    layout_ms: int = 0
    recognition_ms: int = 0


class Document(msgspec.Struct, frozen=True):
    """A document that was read. `warnings` name what is missing or in doubt."""

    id: str
    status: DocumentStatus
    model: str
    engine: str
    document: DocumentInfo
    pages: tuple[Page, ...]
    markdown: str
    usage: Usage = Usage()
    timings: Timings = Timings()
    images: dict[str, str] = {}
    warnings: tuple[str, ...] = ()


class StreamStart(msgspec.Struct, frozen=True):
    """What is known of a stream before its first page. `pages` are the numbers of the pages to come."""

    id: str
    model: str
    engine: str
    document: DocumentInfo
    pages: tuple[int, ...]


class StreamEnd(msgspec.Struct, frozen=True):
    id: str
    status: DocumentStatus
    usage: Usage
    timings: Timings
    warnings: tuple[str, ...] = ()


class Conversion(msgspec.Struct, frozen=True):
    """A document in one of the formats besides JSON.

    `content` is None where the bytes went to a file. `warnings` is cut off after 2,000 characters, and empty where
    nothing is missing.
    """

    id: str
    status: DocumentStatus
    media_type: str
    warnings: str
    content: bytes | None = None


class JobProgress(msgspec.Struct, frozen=True):
    """Pages. `total` is None until the document was opened."""

    done: int
    total: int | None = None


class JobError(msgspec.Struct, frozen=True):
    status: int
    code: str
    detail: str


class Job(msgspec.Struct, frozen=True):
    """A document that is read in the background. Times are seconds since 1970."""

    id: str
    state: JobState
    name: str
    created: float
    progress: JobProgress
    batch: str | None = None
    started: float | None = None
    ended: float | None = None
    expires: float | None = None
    position: int | None = None
    attempts: int = 0
    warnings: tuple[str, ...] = ()
    document: DocumentInfo | None = None
    error: JobError | None = None
    links: dict[str, str] = {}

    @property
    def has_ended(self) -> bool:
        return self.state not in ("queued", "running")


class JobList(msgspec.Struct, frozen=True):
    """Some jobs; `next` is the path of the older ones, None at the end."""

    jobs: tuple[Job, ...]
    next: str | None = None
