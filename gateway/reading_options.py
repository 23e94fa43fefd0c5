"""What a caller may ask of the reading of one document, already validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

TextLayerMode = Literal["auto", "never", "only"]
RecognitionMode = Literal["vlm", "hybrid"]
CellMode = Literal["none", "known", "all"]
MergeMode = Literal["large", "small", "union"]
ShapeMode = Literal["rect", "quad", "poly", "auto"]
Stretch = tuple[float, float]
"""Factors of a box's width and height around its middle."""


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
class OptionNames:
    """What the client's API calls the options that a refusal has to name; None: it has no such option.

    `first_page`: the number that the API gives to a document's first page.
    """

    pages: str | None = "pages"
    password: str | None = "password"
    first_page: int = 1


OWN_NAMES = OptionNames()
NAMELESS = OptionNames(pages=None, password=None)


@dataclass(frozen=True, slots=True)
class OcrOptions:
    """What a client may ask of one document, already validated. Meanings: `docs/api.md`."""

    pages: str | None = None
    names: OptionNames = OWN_NAMES
    model: str | None = None
    """One of `VLM_MODELS`; None: the first."""
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
    text_layer: TextLayerMode = "auto"
    """Whether a PDF's own characters are taken where they are proved; `only`: nothing else, and no engine."""
    recognition: RecognitionMode = "vlm"
    """Whether the embedded engine beside a VLM reads the text that proves easy (`hybrid`)."""
    lines: bool = False
    words: bool = False
    """Whether blocks have lines, and the lines words, with their places."""
    html: bool = False
    """Whether blocks have their HTML, which is made when a page is delivered."""
    page_image: bool = False
    """Whether a picture of each page is among its pictures."""
    cells: CellMode = "none"
    """Whether tables have cells with their places: where their reader tells them, or aligned to lines too (`all`)."""
    read_ignored: bool = True
    """Whether blocks with `ignore_labels` are read too: only the JSON shows their text."""
    layout: LayoutOptions = LayoutOptions()
    text_files: bool = False
    """Whether text files are taken too, and come back as they are."""
