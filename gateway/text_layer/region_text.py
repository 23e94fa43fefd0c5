"""What the text layer says of a region, if its words make lines there and are all that is printed in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from common.geometry import Box, Boxes, Rectangle, area, clip, intersection_area, union
from gateway.imaging.crops import outline_mask
from gateway.labels import LABELS, PICTURE_LABELS, is_formula
from gateway.model import BBox, PageLayout, Pixels, Reading, Region, TextLine
from gateway.model import Word as PlacedWord
from gateway.text_layer.characters import TextLayer
from gateway.text_layer.listing_columns import ListingColumns, find_listing_columns
from gateway.text_layer.rows import ASCENT, DESCENT, WIDE_GAP, Row, has_script, line_box, make_rows, round_box
from gateway.text_layer.words import Glyph, Word
from textlines.glyphs import ALIKE, DARK, NEIGHBOURHOOD, find_ink, is_inverted
from textlines.paragraphs import split_paragraphs

TEXT_LABELS = frozenset(
    label for label in LABELS - PICTURE_LABELS - {"table", "algorithm", "vertical_text"} if not is_formula(label)
)
"""Regions of running text and the like, whose characters in their order are all there is to say."""
ROW_LABELS = frozenset({"content", "header", "footer", "number", "footnote"})
"""Those in which a row may have wide gaps without being one of two columns."""
LISTING = "algorithm"
"""In typewriter print its characters and their columns are all there is to say; in other print it may hold formulas."""
BLANK_ROW = 1.6
"""Pitch of two rows of a listing with a blank one between them, in usual ones."""
CROWDED = 0.4
"""Part of an em by which words of a row may overlap, at most."""
MIN_PITCH = 0.6
"""Of baselines of neighbouring rows, in ems; closer ones lie over each other."""
INITIAL = 1.8
"""A word so many times as large as the region's others is an initial that reaches over several rows."""
GUTTER, GUTTER_ROWS = 3.0, 3
"""White space in so many rows, in ems, from which they are rows of two columns."""
GLYPH = 0.7
"""Height of a usual letter, in ems."""
REACH = 0.12
"""Ink lies beside a word's box by that part of its em at most."""
UNHELD = 0.5
"""Share of a text line without its margins that rows have to hold."""
SHORT_ROWS = 3
"""So many rows of one character each stand above each other: a text that runs down the page."""
COLUMN_SIGNS, ALONE = 6, 0.8
"""So many Chinese or Japanese signs, that share of which are words of their own, stand in columns that run down."""
INSIDE = 0.5
"""Share of a text line, or of a word, in a region from which on it is the region's."""
LEADER = "..."
"""Dots that lead to a page's number; only a detector of lines knows them."""
DETECTOR_MARGIN = 0.35
"""White space around a line in DB's boxes, in ems. Measured on pages of 9 to 18 points: less around larger print, but
that is DB's fault, and the heights of lines tell layout which are headings."""
RUNS_DOWN = 2.0
"""Height to width of a line's box from which it runs down the page: that of one letter is lower, with its margins."""
PAPER, MAX_OTHER_INK = 200, 0.01
"""Grey from which a pixel is paper, and the share of a page that may be darker outside of its words: rules."""
MAX_DRAWN, MAX_STRAY = 0.5, 3
"""Share of a page in which other things than text are drawn, from which on all of it is looked at, and pixels of the
text outside of its words' boxes, from which on: no letter has as few."""


class PageLine(NamedTuple):
    """A line of the page. `is_text`: it has letters, and is no row of dots."""

    box: BBox
    is_text: bool


@dataclass(frozen=True, slots=True)
class RegionText:
    """The rows of a region in reading order. `flaw`: why they are not to be taken; None: unless their fonts lie.
    `grid`: of a listing, the columns in which its words stand."""

    rows: tuple[Row, ...] = ()
    flaw: str | None = None
    grid: ListingColumns | None = None

    @property
    def glyphs(self) -> Iterator[Glyph]:
        return (glyph for row in self.rows for glyph in row.glyphs)

    @property
    def raised(self) -> Iterator[Glyph]:
        return (glyph for row in self.rows for glyph in row.raised)


def find_print(pixels: Pixels, words: Sequence[Word]) -> list[Rectangle]:
    """Boxes of what is print by its size, beside all that is connected on the page or beside its `words`: a form's
    frames are larger than its letters, and as many. Blocks, 10 to 20 ms of CPU."""
    ink = find_ink(pixels)
    _, _, width, height, _ = ink.components.T
    letter = GLYPH * float(np.median([word.size for word in words])) if words else ink.height
    is_print = np.zeros(len(ink.components), dtype=np.bool_)
    for usual in (ink.height, letter):
        is_print |= (height >= ALIKE[0] * usual) & (height <= ALIKE[1] * usual) & (width < 4 * usual)
    found = ink.components[is_print & (width >= 2)]
    return [(float(x), float(y), float(x + w), float(y + h)) for x, y, w, h, _ in found.tolist()]


def find_page_print(
    pixels: Pixels, layer: TextLayer, words: Sequence[Word], held: Pixels, *, has_hidden: bool
) -> Boxes:
    """Boxes of all print on the page, of the words or not, shape (n, 4). `held`: as `mark_words` gives it for the page;
    `has_hidden`: some of the layer's characters, which may be too faint for its ink, are none of the words'.

    Where nothing but the layer's text is drawn, its ink outside of the words tells without a look at what is connected:
    3 ms of CPU for a page of text alone.
    """
    height, width = held.shape
    parts = [(0, 0, width, height)] if has_hidden else _find_mixed(pixels, layer, held)
    others = [
        (x1 + left, y1 + top, x2 + left, y2 + top)
        for left, top, right, bottom in parts
        for x1, y1, x2, y2 in find_print(pixels[top:bottom, left:right], words)
    ]
    own = np.array([box for word in words for box in word.boxes], dtype=np.float64).reshape(-1, 4)
    sides = own[:, 2:] - own[:, :2]
    letter = GLYPH * float(np.median([word.size for word in words])) if words else 0.0
    is_print = (sides[:, 1] >= ALIKE[0] * letter) & (sides[:, 1] <= ALIKE[1] * letter) & (sides[:, 0] >= 2)
    return np.concatenate([own[is_print], np.array(others, dtype=np.float64).reshape(-1, 4)])


def _find_mixed(pixels: Pixels, layer: TextLayer, held: Pixels) -> list[Box]:
    """The parts of the page in which print may be none of the words'."""
    height, width = held.shape
    whole: list[Box] = [(0, 0, width, height)]
    if layer.paper is None or sum(map(area, layer.drawn)) > MAX_DRAWN * height * width:
        return whole
    if _count_stray(layer, held) > MAX_STRAY:
        return whole
    around = [
        (x1 - NEIGHBOURHOOD, y1 - NEIGHBOURHOOD, x2 + NEIGHBOURHOOD, y2 + NEIGHBOURHOOD)
        for x1, y1, x2, y2 in layer.drawn
    ]
    parts = [clip(box, width, height) for box in around]
    # In a dark part light print is looked for, and the dark one beside it is not.
    is_dark = min(layer.paper) < DARK
    return parts if all(is_inverted(pixels[y1:y2, x1:x2]) == is_dark for x1, y1, x2, y2 in parts) else whole


def _count_stray(layer: TextLayer, held: Pixels) -> int:
    """Pixels of the layer's ink outside of its words, where nothing else is drawn."""
    is_stray = layer.ink > held
    for left, top, right, bottom in layer.drawn:
        is_stray[top:bottom, left:right] = False
    return cv2.countNonZero(is_stray.view(np.uint8))


def find_region_texts(layout: PageLayout, words: Sequence[Word], glyphs: Boxes) -> list[RegionText]:
    """The text of each of the layout's regions. `glyphs`: what `find_page_print` gives for the page."""
    regions = layout.regions
    owners = _assign_words(words, regions)
    result = []
    for index, region in enumerate(regions):
        own = [word for word, owner in zip(words, owners, strict=True) if owner == index]
        result.append(_examine(region, own, glyphs, layout.lines or ()) if own else RegionText(flaw="no characters"))
    return result


def find_page_lines(
    pixels: Pixels, layer: TextLayer, words: Sequence[Word], glyphs: Boxes, held: Pixels
) -> list[PageLine] | None:
    """The page's text lines, parted at wide gaps; None where words are not all that is printed on the page, or
    do not stand in plain lines. `glyphs`: as for `find_region_texts`; `held`: as for `find_page_print`."""
    if not words or _run_down(words) or any(word.flaw or LEADER in word.text for word in words):
        return None
    if _measure_other_ink(pixels, layer, held) > MAX_OTHER_INK or _find_outside(glyphs, held, (0, 0)):
        return None
    return [
        PageLine(_detector_box(piece), _has_letters(piece)) for row in make_rows(words) for piece in _split_at_gaps(row)
    ]


def _measure_other_ink(pixels: Pixels, layer: TextLayer, held: Pixels) -> float:
    """Share of the page that is dark outside of words."""
    height, width = held.shape
    is_light = layer.paper is not None and min(layer.paper) >= PAPER
    parts: Sequence[Box] = layer.drawn if is_light else [(0, 0, width, height)]
    dark = _count_stray(layer, held) if is_light else 0
    for left, top, right, bottom in parts:
        grey = cv2.cvtColor(pixels[top:bottom, left:right], cv2.COLOR_RGB2GRAY)
        dark += cv2.countNonZero(((grey < PAPER) & (held[top:bottom, left:right] == 0)).view(np.uint8))
    return dark / held.size


def _has_letters(words: Sequence[Word]) -> bool:
    return any(character.isalnum() for word in words for character in word.text)


def _split_at_gaps(row: Row) -> Iterator[list[Word]]:
    piece = [row.words[0]]
    for left, right in pairwise(row.words):
        if right.box[0] - left.box[2] > WIDE_GAP * max(left.size, right.size):
            yield piece
            piece = []
        piece.append(right)
    yield piece


def make_reading(text: RegionText, label: str) -> Reading:
    """The text, of a region with this label, as an engine would have read it: paragraphs are parted by a blank line."""
    lines = tuple(
        TextLine(text=row.text, bbox=row.box, words=_place_words(row), source="text_layer") for row in text.rows
    )
    if text.grid:
        return Reading(text=_set_listing(text.rows, text.grid), source="text_layer", lines=lines)
    if label in ROW_LABELS:
        return Reading(text="\n".join(row.text for row in text.rows), source="text_layer", lines=lines)
    parts = split_paragraphs([round_box(line_box(row.words)) for row in text.rows])
    joined = "\n\n".join("\n".join(text.rows[at].text for at in part) for part in parts)
    return Reading(text=joined, source="text_layer", lines=lines)


def _set_listing(table: Sequence[Row], grid: ListingColumns) -> str:
    """The rows in their columns, with a blank line where there is room for one."""
    pitches = [below.words[0].baseline - above.words[0].baseline for above, below in pairwise(table)]
    usual = float(np.quantile(pitches, 0.25)) if pitches else 0.0
    breaks = ["\n\n" if pitch > BLANK_ROW * usual else "\n" for pitch in pitches]
    return "".join(end + grid.set_row(row.words, row.spaces) for end, row in zip(["", *breaks], table, strict=True))


def join_readings(readings: Sequence[Reading]) -> Reading:
    """Of regions that are read as one."""
    lines = tuple(line for reading in readings for line in reading.lines or ())
    return replace(readings[0], text="\n".join(reading.text for reading in readings), lines=lines)


def _place_words(row: Row) -> list[PlacedWord]:
    """Words as people divide them: by white space."""
    groups: list[list[Word]] = []
    for space, word in zip(row.spaces, row.words, strict=True):
        if space or not groups:
            groups.append([word])
        else:
            groups[-1].append(word)
    return [
        PlacedWord(text="".join(word.text for word in group), bbox=union([word.box for word in group]))
        for group in groups
    ]


def _assign_words(words: Sequence[Word], regions: Sequence[Region]) -> list[int | None]:
    """Place of the region that each word stands in, the smallest of several."""
    owners: list[int | None] = [None] * len(words)
    smallest_last = sorted(range(len(regions)), key=lambda index: -area(regions[index].bbox))
    for index in smallest_last:
        region = regions[index]
        mask = outline_mask(region.polygon, region.bbox) if region.polygon and len(region.polygon) > 2 else None
        for at, word in enumerate(words):
            if _holds(region.bbox, mask, word.box):
                owners[at] = index
    return owners


def _holds(bbox: BBox, mask: Pixels | None, box: Rectangle) -> bool:
    if intersection_area(bbox, box) < INSIDE * area(box):
        return False
    if mask is None:
        return True
    x, y = int((box[0] + box[2]) / 2) - bbox[0], int((box[1] + box[3]) / 2) - bbox[1]
    return bool(0 <= y < mask.shape[0] and 0 <= x < mask.shape[1] and mask[y, x])


def _examine(region: Region, words: Sequence[Word], glyphs: Boxes, lines: Sequence[BBox]) -> RegionText:
    grid = find_listing_columns(words) if region.label == LISTING else None
    if region.label not in TEXT_LABELS and grid is None:
        return RegionText(flaw="no region of running text")
    flaw = next((word.flaw for word in words if word.flaw), None)
    if flaw:
        return RegionText(flaw=flaw)
    table = make_rows(words)
    return RegionText(tuple(table), _find_flaw(region, table, words, glyphs, lines), grid)


def _find_flaw(
    region: Region,
    table: Sequence[Row],
    words: Sequence[Word],
    glyphs: Boxes,
    lines: Sequence[BBox],
) -> str | None:
    usual = float(np.median([word.size for word in words]))
    if any(map(_is_crowded, table)) or any(_are_crowded(*pair) for pair in pairwise(table)):
        return "characters that lie over each other"
    if any(word.size > INITIAL * usual for word in words) and len(table) > 1:
        return "an initial"
    if any(map(has_script, table)):
        return "raised or lowered characters"
    is_column = len(table) >= SHORT_ROWS and np.median([sum(map(_length, row.words)) for row in table]) <= 1
    if is_column or _run_down(words):
        return "characters above each other"
    if region.label not in ROW_LABELS | {LISTING} and sum(map(_has_gutter, table)) >= GUTTER_ROWS:
        return "rows of several columns"
    if _has_other_print(region, words, glyphs) or _has_other_lines(region, table, lines):
        return "print that is none of it"
    return None


def _run_down(words: Sequence[Word]) -> bool:
    """Whether the words are signs of columns from right to left, of which a row holds one each."""
    wide = [word for word in words if unicodedata.east_asian_width(word.text[:1] or " ") in ("W", "F")]
    alone = sum(_length(word) == 1 for word in wide)
    return alone >= max(COLUMN_SIGNS, ALONE * len(words))


def _length(word: Word) -> int:
    return len(word.glyphs)


def _is_crowded(row: Row) -> bool:
    return any(
        right.box[0] - left.box[2] < -CROWDED * max(left.size, right.size) for left, right in pairwise(row.words)
    )


def _are_crowded(above: Row, below: Row) -> bool:
    is_beside = above.box[2] < below.box[0] or below.box[2] < above.box[0]
    pitch = min(abs(a.baseline - b.baseline) for a in above.words for b in below.words)
    return not is_beside and pitch < MIN_PITCH * min(above.size, below.size)


def _has_gutter(row: Row) -> bool:
    return any(right.box[0] - left.box[2] > GUTTER * row.size for left, right in pairwise(row.words))


def _has_other_print(region: Region, words: Sequence[Word], glyphs: Boxes) -> bool:
    """Whether print stands in the region, and in none of its words."""
    held = mark_words(words, region.bbox)
    if region.polygon and len(region.polygon) > 2:
        held |= outline_mask(region.polygon, region.bbox) == 0
    return _find_outside(glyphs, held, region.bbox[:2])


def mark_words(words: Sequence[Word], bbox: BBox) -> Pixels:
    """Non-zero where words stand, in a part of the page."""
    x1, y1, x2, y2 = bbox
    held = np.zeros((y2 - y1, x2 - x1), np.uint8)
    for word in words:
        reach = REACH * word.size + 1
        left, top, right, bottom = word.box
        corners = (int(left - reach) - x1, int(top - reach) - y1), (int(right + reach) - x1, int(bottom + reach) - y1)
        cv2.rectangle(held, *corners, 1, cv2.FILLED)
    return held


def _find_outside(glyphs: Boxes, held: Pixels, corner: tuple[int, int]) -> bool:
    """Whether the middle of a glyph lies in the part of the page that `held` shows, and where that is zero."""
    columns, rows = ((glyphs[:, :2] + glyphs[:, 2:]) / 2).astype(np.int64).T - np.array(corner)[:, np.newaxis]
    is_inside = (rows >= 0) & (rows < held.shape[0]) & (columns >= 0) & (columns < held.shape[1])
    return bool((held[rows[is_inside], columns[is_inside]] == 0).any())


def _has_other_lines(region: Region, table: Sequence[Row], lines: Sequence[BBox]) -> bool:
    """Whether a text line of the page stands in the region and hardly in its rows."""
    boxes = [line_box(piece) for row in table for piece in _split_at_gaps(row)]
    own = [line for line in lines if intersection_area(line, region.bbox) > INSIDE * area(line)]
    return any(sum(intersection_area(line, box) for box in boxes) < UNHELD * area(line) for line in map(_trim, own))


def _trim(line: BBox) -> Rectangle:
    """Without the margins that `_detector_box` adds: they are most of the box of a page's number or of a bullet."""
    x1, y1, x2, y2 = line
    width, height = x2 - x1, y2 - y1
    thickness = width if height > RUNS_DOWN * width else height
    margin = DETECTOR_MARGIN / (ASCENT + DESCENT + 2 * DETECTOR_MARGIN) * thickness
    return x1 + margin, y1 + margin, x2 - margin, y2 - margin


def _detector_box(words: Sequence[Word]) -> BBox:
    """As the detector of text lines would have it, whose lines layout is used to."""
    x1, y1, x2, y2 = line_box(words)
    margin = DETECTOR_MARGIN * max(word.size for word in words)
    return round_box((x1 - margin, y1 - margin, x2 + margin, y2 + margin))
