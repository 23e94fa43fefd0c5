"""Text of an engine that tells no places, aligned to the text lines that were detected on the page.

Nothing is made up: where the text does not fit the lines that stand in a block, the block has no lines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.geometry import area, clip, intersection_area, union
from gateway.assembly.tables.cells import align_cells
from gateway.assembly.tables.html import table_to_html
from gateway.labels import is_formula, is_picture
from gateway.model import BBox, Box, Pixels, Reading, Region, TextLine, Word
from gateway.reading_options import OcrOptions
from textlines.paragraphs import rows
from textlines.words import SPACE, Mask, find_line_ink, place_words, text_width

INSIDE = 0.6
"""Share of a line inside a region from which on it is the region's."""
MIN_FIT, MAX_FIT = 0.6, 1.6
"""Printed width of a line's text beside what the block's other lines let expect, least and most."""
SHORT_LINE = 8
"""Letters of a line whose width says less: its fit may be ..."""
MIN_SHORT_FIT, MAX_SHORT_FIT = 0.35, 2.2
MAX_MISFIT, MAX_BROKEN_MISFIT = 0.42, 1.25
"""Letters by which the words of a block miss the ink that they were given, on average. In 70 drawn paragraphs of three
fonts it was at most 0.36, and at least 0.49 after a line of the text was taken away; text of even letters, as a
typewriter's, misses more, and gets no places. The second is for text whose own line breaks are the print's."""
BREAK_WORTH = 0.05
"""How much a line break of the text speaks for the end of a line."""
REACH = 4.0
"""Lines by which the text may run ahead of its lines' widths, or fall behind."""
_UNIT = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+")
"""What stays on one line: a word, or a character of a script without spaces."""
_COMMAND = re.compile(r"\\[a-zA-Z]+|[\\{}$^_]")
_UNALIGNED = frozenset({"table", "chart", "seal", "spotting"})


@dataclass(frozen=True, slots=True)
class LineInk:
    """A detected line of a page and its ink, which is kept when the page's pixels are gone."""

    box: BBox
    ink: Mask


def find_line_inks(pixels: Pixels, boxes: Sequence[BBox]) -> list[LineInk]:
    """Lines that run across the page; a few milliseconds for a page. Upright ones are not told apart."""
    clipped = [clip(box, pixels.shape[1], pixels.shape[0]) for box in boxes]
    return [
        LineInk(box, find_line_ink(np.ascontiguousarray(pixels[box[1] : box[3], box[0] : box[2]])))
        for box in clipped
        if box[2] > box[0] and box[3] > box[1]
    ]


def align_readings(
    regions: Sequence[Region], readings: Sequence[Reading], inks: Sequence[LineInk], options: OcrOptions
) -> list[Reading]:
    """The readings that tell no places with the lines that stand in their regions, or the cells of tables, where they
    fit."""
    own: dict[int, list[LineInk]] = {}
    for ink in inks:
        if (holder := _find_holder(ink.box, regions)) is not None:
            own.setdefault(holder.group or holder.order, []).append(ink)
    return [
        _align_reading(region, reading, own.get(region.order, []), options)
        for region, reading in zip(regions, readings, strict=True)
    ]


def _align_reading(region: Region, reading: Reading, inks: Sequence[LineInk], options: OcrOptions) -> Reading:
    if region.label == "table" and options.cells == "all" and reading.cells is None:
        content = table_to_html(reading.text) or reading.text
        return replace(reading, cells=align_cells(content, [ink.box for ink in inks]))
    if _is_alignable(region, reading, options):
        return replace(reading, lines=align_text(reading.text, inks))
    return reading


def align_text(text: str, inks: Sequence[LineInk]) -> tuple[TextLine, ...] | None:
    """The text on the lines, in their order; None where it does not fit them."""
    units = [(match.group(), match.start()) for match in _UNIT.finditer(text)]
    pieces = [inks[index] for row in rows([ink.box for ink in inks]) for index in row]
    if not pieces or len(units) < len(pieces):
        return None
    ends = _fit_lines(text, units, [piece.box[2] - piece.box[0] for piece in pieces])
    if ends is None:
        return None
    starts = [0, *ends[:-1]]
    parts = [_slice(text, units, start, end) for start, end in zip(starts, ends, strict=True)]
    placed = [place_words(piece.ink, part.split()) for piece, part in zip(pieces, parts, strict=True)]
    lines = [
        _make_line(part, piece.box, [(word.text, word.box) for word in words])
        for part, piece, words in zip(parts, pieces, placed, strict=True)
    ]
    is_broken_alike = [" ".join(line.split()) for line in text.splitlines() if line.strip()] == parts
    return tuple(lines) if _fits(lines, MAX_BROKEN_MISFIT if is_broken_alike else MAX_MISFIT) else None


def _find_holder(line: BBox, regions: Sequence[Region]) -> Region | None:
    holders = [region for region in regions if intersection_area(line, region.bbox) >= INSIDE * area(line)]
    return min(holders, key=lambda region: area(region.bbox), default=None)


def _is_alignable(region: Region, reading: Reading, options: OcrOptions) -> bool:
    if reading.lines is not None or not reading.text or region.group not in (None, region.order):
        return False
    return not (region.label in _UNALIGNED or is_formula(region.label) or is_picture(region.label, options))


def measure_text(text: str) -> float:
    """`text_width` of what LaTeX and Markdown in the text print."""
    return text_width(_COMMAND.sub(lambda match: "x" if len(match.group()) > 1 else "", text))


def _fit_lines(text: str, units: Sequence[tuple[str, int]], widths: Sequence[int]) -> list[int] | None:
    """The number of units up to the end of each line, so that all lines are filled alike; None where they can't be."""
    ends = [start + len(unit) for unit, start in units]
    spaces = [SPACE if text[end : end + 1].isspace() else 0.0 for end in ends]
    # Entry u: width of the first u units, with the white space behind them.
    grown = np.concatenate([[0.0], np.cumsum([measure_text(unit) for unit, _ in units] + np.array(spaces))])
    breaks = np.array(
        [True, *("\n" in text[end:start] for end, (_, start) in zip(ends, units[1:], strict=False)), True]
    )
    scale = grown[-1] / sum(widths)
    places, costs, done = np.array([0]), np.array([0.0]), 0.0
    choices: list[tuple[NDArray[np.intp], NDArray[np.intp]]] = []
    for width in widths:
        done += width
        is_last = len(choices) == len(widths) - 1
        following = np.array([len(units)]) if is_last else _reachable(grown, scale * done, REACH * scale * max(widths))
        if not len(following):
            return None
        filled = grown[following][np.newaxis, :] - grown[places][:, np.newaxis]
        weight = min(1.0, 2 * width / max(widths))
        fit = np.where(
            following[np.newaxis, :] > places[:, np.newaxis], weight * (filled / (scale * width) - 1) ** 2, np.inf
        )
        total = costs[:, np.newaxis] + fit - BREAK_WORTH * breaks[following][np.newaxis, :]
        choices.append((places, total.argmin(axis=0)))
        places, costs = following, total.min(axis=0)
    if not np.isfinite(costs[0]):
        return None
    return _trace(len(units), choices)


def _reachable(grown: NDArray[np.float64], expected: float, reach: float) -> NDArray[np.intp]:
    return np.flatnonzero(np.abs(grown - expected) <= reach)


def _trace(last: int, choices: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]) -> list[int]:
    ends, at = [last], 0
    for places, choice in reversed(choices):
        at = int(choice[at])
        ends.append(int(places[at]))
    return ends[::-1][1:]


def _slice(text: str, units: Sequence[tuple[str, int]], start: int, end: int) -> str:
    last, at = units[end - 1]
    return " ".join(text[units[start][1] : at + len(last)].split())


def _make_line(text: str, box: BBox, words: Sequence[tuple[str, Box]]) -> TextLine:
    x, y = box[0], box[1]
    placed = [
        Word(text=word, bbox=(x + left, y + top, x + right, y + bottom)) for word, (left, top, right, bottom) in words
    ]
    return TextLine(text=text, bbox=union([word.bbox for word in placed]), words=placed, source="aligned")


def _fits(lines: Sequence[TextLine], max_misfit: float) -> bool:
    """Whether all lines are about as full as their neighbours, and their words as wide as their ink."""
    widths = np.array([measure_text(line.text) for line in lines])
    unit = np.median([(line.bbox[2] - line.bbox[0]) / width for line, width in zip(lines, widths, strict=True)])
    fit = np.array([line.bbox[2] - line.bbox[0] for line in lines]) / (unit * widths)
    is_short = widths < SHORT_LINE
    if ((fit < MIN_FIT) | (fit > MAX_FIT))[~is_short].any():
        return False
    if ((fit < MIN_SHORT_FIT) | (fit > MAX_SHORT_FIT)).any():
        return False
    misses = [
        abs((word.bbox[2] - word.bbox[0]) / unit - measure_text(word.text)) for line in lines for word in line.words
    ]
    return float(np.mean(misses)) <= max_misfit
