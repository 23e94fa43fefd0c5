"""What stands on the pages of the example documents, as typed data.

Coordinates are pixels of the page image (for a PDF: of the image that fills the page, at the page's `dpi`), origin top
left, boxes `(x1, y1, x2, y2)` with `x2`, `y2` exclusive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

OMITTED_LABELS = frozenset({"header", "footer", "number", "image", "chart"})
"""Labels whose text the service's Markdown leaves out by default: page furniture, and words inside pictures."""

BBox = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class TableCell:
    """A cell's top left place in the grid, counted from 0, and its size in rows and columns."""

    row: int
    col: int
    rowspan: int
    colspan: int
    text: str


@dataclass(frozen=True, slots=True)
class TruthBlock:
    """A part of a page. `label` is PaddleOCR-VL's; `text` has no line breaks inside a paragraph.

    A table has its `cells` in row order and the same as `html`; its `text` is one line a row. A chart's `text` is one
    line a bar, `name | value`. `checked` is set for the text beside a check box.
    """

    label: str
    bbox: BBox
    text: str
    cells: tuple[TableCell, ...] = ()
    html: str = ""
    checked: bool | None = None


@dataclass(frozen=True, slots=True)
class TruthPage:
    """One page, its blocks in reading order. `language` is `en`, `ru` or `zh`."""

    page: int
    width: int
    height: int
    dpi: int
    language: str
    blocks: tuple[TruthBlock, ...]

    def text(self, omitted: frozenset[str] = OMITTED_LABELS) -> str:
        """The page's text in reading order, one block a paragraph, without blocks of the `omitted` labels."""
        return "\n\n".join(block.text for block in self.blocks if block.text and block.label not in omitted)


@dataclass(frozen=True, slots=True)
class TruthFile:
    """One example file and its pages."""

    name: str
    media_type: str
    pages: tuple[TruthPage, ...]

    @property
    def path(self) -> Path:
        return EXAMPLES / self.name


_FILES = TypeAdapter(dict[str, TruthFile])


def load_truth() -> dict[str, TruthFile]:
    """The truth of every example, by file name."""
    return _FILES.validate_json((EXAMPLES / "truth.json").read_bytes())
