"""The text layer of one document on its way through the pipeline: what its pages offer, and what is proved of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import structlog

from common.geometry import Boxes, clip_nonempty, union
from gateway.model import BBox, PageImage, PageLayout, Pixels, Reading, Region
from gateway.text_layer.characters import TextLayer
from gateway.text_layer.drawings import DrawingIndex
from gateway.text_layer.font_evidence import FontEvidence
from gateway.text_layer.region_text import (
    RegionText,
    find_page_lines,
    find_page_print,
    find_region_texts,
    join_readings,
    make_reading,
    mark_words,
)
from gateway.text_layer.rows import Row, line_box
from gateway.text_layer.tables import CellText, correct_cells, find_cell_texts, find_table_words
from gateway.text_layer.words import Glyph, Visibility, Word, find_unclaimed, find_visible, find_words

ROW_MARGIN, ROW_SPACE = 2, 0.35
"""Around a line that is read for its fonts: pixels of the page that stay; white space, in ems."""
LOOKS = 2
"""So often a page's lines are read for their fonts, at most: beside a letter that is misread others prove nothing."""
SCAN = 0.9
"""Share of a layer's characters from which hidden ones are the layer of a scan."""
NOT_PROVED = "The page's text layer has no text for it that can be trusted, and `text_layer=only` asks for no other."

log = structlog.get_logger(__name__)

ReadLines = Callable[[Pixels, Sequence[BBox]], Awaitable[Reading]]
"""Reads a picture of lines whose boxes are told."""


@dataclass(frozen=True, slots=True)
class SeenLayer:
    """What people see of a page's layer. `glyphs`: boxes of all print on the page, of the layer or not.
    `lines`: as in `PageImage`; `texts`: those of them that are text. `warnings`: clauses on what nobody sees."""

    words: Sequence[Word] = ()
    glyphs: Boxes = field(default_factory=lambda: np.empty((0, 4)))
    lines: Sequence[BBox] | None = None
    texts: Sequence[BBox] | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PageText:
    """What the text layer of one page offers. `texts`: by the region's `order`, those without a flaw. `tables`: by the
    same, the words in tables. `rows`: lines that would prove the texts, and `cuts` their pictures; none where nothing
    is left to be proved, or nobody asked."""

    texts: Mapping[int, RegionText] = field(default_factory=dict)
    tables: Mapping[int, Sequence[Word]] = field(default_factory=dict)
    rows: Sequence[Row] = ()
    cuts: Sequence[Pixels] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """The text of a region, or of several that are read as one, and their labels."""

    texts: tuple[RegionText, ...]
    labels: tuple[str, ...]

    @property
    def reading(self) -> Reading:
        return join_readings([make_reading(*pair) for pair in zip(self.texts, self.labels, strict=True)])


class DocumentText:
    """The evidence for a document's fonts, which its pages gather in turn."""

    def __init__(self) -> None:
        self._evidence = FontEvidence()
        self._turn = asyncio.Lock()

    def examine(self, page: PageImage, layout: PageLayout, seen: SeenLayer, *, has_sample: bool) -> PageText:
        """Blocks, some 0.1 s of CPU. `has_sample`: whether lines are to be cut for `prove`."""
        found = find_region_texts(layout, seen.words, seen.glyphs)
        pairs = zip(layout.regions, found, strict=True)
        texts = {region.order: text for region, text in pairs if text.flaw is None}
        rows = self._evidence.choose_rows(texts.values(), looks=LOOKS) if has_sample else []
        tables = find_table_words(layout, seen.words)
        return PageText(texts, tables, rows, [_cut_row(page.pixels, row) for row in rows])

    async def prove(self, text: PageText, read: ReadLines) -> list[Reading]:
        """Reads those of the page's lines that others' have not proved meanwhile; their readings, if any are left."""
        readings: list[Reading] = []
        seen: list[Row] = []
        async with self._turn:
            for _ in range(LOOKS):
                rows, sample = await asyncio.to_thread(self._choose_sample, text, seen)
                if sample is None:
                    break
                reading = await read(*sample)
                readings.append(reading)
                if reading.status != "ok" and not reading.is_refused:  # what it could not read proves nothing
                    break
                await self._add(rows, reading.text)
                seen += rows
        return readings

    def _choose_sample(
        self, text: PageText, seen: Sequence[Row]
    ) -> tuple[Sequence[Row], tuple[Pixels, Sequence[BBox]] | None]:
        """Of the page's lines those that are still needed, none of those `seen`, and their picture with their boxes;
        None where there are none."""
        try:
            rows = self._evidence.choose_rows(text.texts.values(), [row for row in text.rows if row not in seen])
            cuts = [cut for row, cut in zip(text.rows, text.cuts, strict=True) if row in rows]
            return rows, _stack(cuts, [row.size for row in rows]) if rows else None
        except Exception:
            log.exception("font_sample_failed")
            return (), None

    async def correct_table(self, reading: Reading, words: Sequence[Word]) -> Reading:
        """The reading of a table with the texts of `words` in the cells on which both agree."""
        async with self._turn:
            texts = await asyncio.to_thread(find_cell_texts, reading, words)
            self._evidence.add(await asyncio.to_thread(self._compare_cells, list(texts.values())))
            return await asyncio.to_thread(correct_cells, reading, texts, self._evidence.is_proved)

    def _compare_cells(self, texts: Sequence[CellText]) -> list[tuple[Glyph, bool]]:
        return [verdict for one in texts for verdict in self._evidence.compare(one.layer.rows, one.read)]

    async def _add(self, rows: Sequence[Row], read: str) -> None:
        try:
            self._evidence.add(await asyncio.to_thread(self._evidence.compare, rows, read))
        except Exception:
            log.exception("font_evidence_failed")

    def is_proved(self, offer: Offer) -> bool:
        return all(map(self._evidence.is_proved, offer.texts))


def look_at_layer(page: PageImage, index: DrawingIndex | None = None) -> SeenLayer:
    """Blocks, some 0.1 s of CPU. `index`: of the drawings on the document's pages; its own for a page alone."""
    if page.layer is None:
        return SeenLayer()
    layer, visibility = page.layer, find_visible(page.layer)
    warnings = _explain_hidden(layer, visibility)
    words = find_words(layer, visibility.is_seen, page.pixels, index or DrawingIndex())
    if not words:
        return SeenLayer(warnings=warnings)
    words += find_unclaimed(layer, visibility)
    held = mark_words(words, (0, 0, page.width, page.height))
    glyphs = find_page_print(page.pixels, layer, words, held, has_hidden=bool(visibility.is_hidden.any()))
    lines = find_page_lines(page.pixels, layer, words, glyphs, held)
    if lines is None:
        return SeenLayer(words, glyphs, warnings=warnings)
    return SeenLayer(
        words, glyphs, [line.box for line in lines], [line.box for line in lines if line.is_text], warnings
    )


def find_offer(text: PageText, region: Region, partners: Sequence[Region]) -> Offer | None:
    """What the layer has for a region and those that are read with it, if it has all of it."""
    together = [region, *partners] if region.group is not None else [region]
    found = [text.texts.get(one.order) for one in together]
    texts = tuple(one for one in found if one is not None)
    return Offer(texts, tuple(one.label for one in together)) if len(texts) == len(together) else None


def _cut_row(pixels: Pixels, row: Row) -> Pixels:
    """A copy: the page's pixels are not kept for it."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = union([row.box, line_box(row.words)])
    left, top, right, bottom = clip_nonempty(
        (int(x1) - ROW_MARGIN, int(y1) - ROW_MARGIN, int(x2) + 1 + ROW_MARGIN, int(y2) + 1 + ROW_MARGIN),
        width,
        height,
    )
    return pixels[top:bottom, left:right].copy()


def _stack(cuts: Sequence[Pixels], sizes: Sequence[float]) -> tuple[Pixels, list[BBox]]:
    """Lines below each other on white, and the boxes that hold them with the white space around. `sizes`: their ems in
    pixels."""
    spaces = [max(ROW_MARGIN, round(ROW_SPACE * size)) for size in sizes]
    boxes: list[BBox] = []
    top = 0
    for cut, space in zip(cuts, spaces, strict=True):
        boxes.append((0, top, cut.shape[1] + 2 * space, top + cut.shape[0] + 2 * space))
        top = boxes[-1][3]
    canvas = np.full((top, max(box[2] for box in boxes), 3), 255, np.uint8)
    for cut, space, (left, upper, right, lower) in zip(cuts, spaces, boxes, strict=True):
        canvas[upper + space : lower - space, left + space : right - space] = cut
    return canvas, boxes


def _explain_hidden(layer: TextLayer, visibility: Visibility) -> tuple[str, ...]:
    hidden, seen = int(visibility.is_hidden.sum()), int(visibility.is_seen.sum())
    if not hidden:
        return ()
    if hidden >= SCAN * (hidden + seen):
        reason = f"{hidden} of its characters can't be seen, as in the layer of a scan"
        return (f"its text layer was not used: {reason}",)
    records, (height, width) = layer.characters[visibility.is_hidden], layer.ink.shape
    limits = records["x1"].min(), records["y1"].min(), records["x2"].max(), records["y2"].max()
    box = ", ".join(str(round(float(limit))) for limit in limits)
    noun = "1 character" if hidden == 1 else f"{hidden} characters"
    return (f"its text layer holds {noun} that can't be seen, in ({box}) of {width}x{height}; they were left out",)
