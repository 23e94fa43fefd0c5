"""Typewriter print on a page, where spaces carry meaning: listings, what terminals show, tables set with spaces.

All its letters are as wide, so their middles stand on one grid, across wide gaps and from row to row.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, clip, intersection_area, union
from textlines.glyphs import Pixels
from textlines.paragraphs import rows
from textlines.words import find_line_ink

NARROWEST, WIDEST, STEPS = 0.3, 0.58, 80
"""Width of a letter as a share of its line's height, in DB's loose boxes; Chinese print is wider. So many are tried."""
UPRIGHT = 0.6
"""Width of a line, in its height, below which it may run up the page: a bracket alone in its row is wider."""
MIN_TO_MEASURE, MIN_LINES = 10, 3
"""Letters of a line that tells the width, and so many such lines at least."""
SURE, FITTING = 0.85, 0.7
"""How well middles stand on a grid, 1 for all of them: in a line that tells the width, and in any other."""
UNFIT, MIN_UNFIT = 0.45, 5
"""How well the middles in a line of other print do at most, and how many such a line has at least."""
LETTERS = 0.3
"""Share of neighbours that are one letter apart: of wider signs none are."""
SAME_WIDTH, SAME_PHASE = 0.02, 0.22
"""Difference of two lines' widths of a letter, as a share, and of their grids, in letters."""
BLANK_ROW = 2.6
"""Pitch of two rows with a blank one between them, in line heights."""
MIN_ROWS, LAID_OUT = 3, 0.3
"""Rows of a listing, and the share of them that are indented or parted by a wide gap: a typed letter has fewer."""
INDENT, GAP = 1.5, 1.5
"""White space before a row and within one that tells so, in letters."""
LOW, STOP_GAP = 0.42, 2.5
"""Top of a full stop, as a share of the ink's height from below; white space that typists leave behind one, in letters,
at most."""
SHARED, SAME_COLUMN = 1.25, 0.5
"""White space that gaps of rows below each other have in common, and the distance of indents of one column, in letters:
gaps in prose stand anywhere."""
NEAR, FLUSH = 3, 0.75
"""So many rows above and below may have a gap in common with a row; distance of rows' ends at one edge, in letters."""
PROSE_WIDTH, FULL, DEEP = 40, 0.85, 0.45
"""Letters of a row of prose, at least; share of the text's width that an indented row of it reaches, and from which on
an indent is that of an address or of a title."""
PROSE_BLANKS, MAX_GAPS, MIN_BESIDE = 3, 2, 5
"""Single spaces in a row of prose on each side of a gutter, at least; gaps of such a row, at most; and so many such
rows, at least."""
FAR = 20
"""White space within a row, in letters."""
BESIDE = 0.15
"""Lines in other print that may stand in the rows of a listing, for each of its lines."""
MAX_LINES = 400


Gap = tuple[float, float]
"""Start and end of white space within a row."""


class _Letters(NamedTuple):
    """Connected columns of a line's ink: their middles, in pixels of the page, and whether they may be full stops."""

    middles: NDArray[np.float64]
    is_low: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Line:
    """`phase`: where the grid of its letters stands, 0 to 1 of a letter."""

    box: Box
    phase: float
    letters: _Letters


@dataclass(frozen=True, slots=True)
class _Row:
    """`left` and `right`: middles of its first and last letter. `blanks`: places of single spaces."""

    left: float
    right: float
    gaps: tuple[Gap, ...]
    blanks: NDArray[np.float64]


def find_typewriter(pixels: Pixels, lines: Sequence[Box]) -> list[Box]:
    """Boxes around typewriter print whose spaces or lines mean something, of an RGB page with these text lines."""
    letters = [_find_letters(pixels, line) for line in lines[:MAX_LINES]]
    measured = _measure_widths(letters, lines)
    if len(measured) < MIN_LINES:
        return []
    width = float(np.median(measured))
    if sum(abs(one - width) <= SAME_WIDTH * width for one in measured) < max(MIN_LINES, len(measured) / 2):
        return []
    placed = [
        (_Line(line, phase, one), fit, len(one.middles))
        for line, one in zip(lines, letters, strict=False)
        for phase, fit in (_find_phase(one.middles, width),)
    ]
    fitting = [line for line, fit, _ in placed if fit >= FITTING]
    others = [line.box for line, fit, count in placed if fit < UNFIT and count >= MIN_UNFIT]
    is_rare = 2 * sum(line.box[2] - line.box[0] for line in fitting) < sum(line[2] - line[0] for line in lines)
    groups = [group for group in _group(fitting) if _is_laid_out(group, width, is_rare=is_rare)]
    likely = [line for line in lines[:MAX_LINES] if line not in others]
    enclosed = [(group, _enclose(group, likely, width)) for group in groups]
    boxes = [box for group, box in enclosed if _count_beside(box, others, width) <= BESIDE * len(group)]
    # Two grids in one place are a photo of print that is no plane.
    return [box for box in boxes if not any(other is not box and intersection_area(box, other) for other in boxes)]


def _find_letters(pixels: Pixels, line: Box) -> _Letters:
    """Of a level line; none of any other."""
    x1, y1, x2, y2 = clip(line, pixels.shape[1], pixels.shape[0])
    nothing = _Letters(np.empty(0), np.empty(0, dtype=np.bool_))
    if x2 - x1 < UPRIGHT * (y2 - y1) or y2 <= y1:
        return nothing
    ink = find_line_ink(np.ascontiguousarray(pixels[y1:y2, x1:x2]))
    has_ink, inked = ink.any(axis=0), np.flatnonzero(ink.any(axis=1))
    if not len(inked):
        return nothing
    edges = np.flatnonzero(np.diff(np.concatenate([[False], has_ink, [False]]).astype(np.int8)))
    tops = np.minimum.reduceat(np.where(has_ink, ink.argmax(axis=0), len(ink)), edges[::2])
    return _Letters(x1 + (edges[::2] + edges[1::2]) / 2, tops > inked[-1] - LOW * (inked[-1] - inked[0]))


def _measure_widths(letters: Sequence[_Letters], lines: Sequence[Box]) -> list[float]:
    """Width of a letter, of each line that tells it, and of rows whose pieces do so together only."""
    pairs = zip(letters, lines, strict=False)
    found = [_measure_width(one.middles, line) for one, line in pairs]
    result = [width for width in found if width]
    for row in rows(lines[: len(letters)]):
        if len(row) > 1 and not any(found[index] for index in row):
            middles = np.concatenate([letters[index].middles for index in row])
            height = round(float(np.median([lines[index][3] - lines[index][1] for index in row])))
            if width := _measure_width(middles, (0, 0, 0, height)):
                result.append(width)
    return result


def _measure_width(middles: NDArray[np.float64], line: Box) -> float | None:
    """Width of a letter, of a line that is surely typewriter print."""
    if len(middles) < MIN_TO_MEASURE:
        return None
    height = line[3] - line[1]
    widths = np.linspace(NARROWEST, WIDEST, STEPS) * height
    # A long line tells small differences: around the best width others are tried.
    for _ in range(2):
        fits = _measure_fits(middles, widths)
        best = float(widths[int(fits.argmax())])
        step = float(widths[1] - widths[0])
        widths = np.linspace(best - step, best + step, STEPS)
    steps = np.diff(middles) / best
    has_letters = float(np.mean(np.abs(steps - 1) < SAME_PHASE)) >= LETTERS
    return best if float(fits.max()) >= SURE and has_letters else None


def _measure_fits(middles: NDArray[np.float64], widths: NDArray[np.float64]) -> NDArray[np.float32]:
    """How well the middles stand on grids of these widths, 0 to 1.

    Numpy takes a tenth of the time for sines of 32 bits, which parts of a turn are small enough for.
    """
    turns = middles[:, np.newaxis] / widths
    angles = (2 * math.pi * (turns - np.floor(turns))).astype(np.float32)
    result: NDArray[np.float32] = np.hypot(np.cos(angles).mean(axis=0), np.sin(angles).mean(axis=0))
    return result


def _find_phase(middles: NDArray[np.float64], width: float) -> tuple[float, float]:
    """Where the grid stands on which the middles do, 0 to 1, and how well they do."""
    mean = complex(np.exp(2j * math.pi * middles / width).mean()) if len(middles) else 0j
    return (math.atan2(mean.imag, mean.real) / (2 * math.pi)) % 1, abs(mean)


def _group(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Lines below each other that stand on one grid."""
    groups: list[list[_Line]] = []
    for line in sorted(lines, key=lambda one: one.box[1]):
        for group in groups:
            last = group[-1]
            pitch = (line.box[1] + line.box[3] - last.box[1] - last.box[3]) / 2
            is_near = pitch <= BLANK_ROW * (last.box[3] - last.box[1])
            if is_near and abs((line.phase - last.phase + 0.5) % 1 - 0.5) <= SAME_PHASE:
                group.append(line)
                break
        else:
            groups.append([line])
    return groups


def _enclose(group: Sequence[_Line], likely: Sequence[Box], width: float) -> Box:
    """Around the group and the ends of its rows: far from their beginnings the grid is off by a part of a letter."""
    box = union([line.box for line in group])
    level = [line for line in likely if box[1] < (line[1] + line[3]) / 2 < box[3]]
    for one in sorted(level):
        if one[0] - box[2] <= FAR * width and box[0] - one[2] <= FAR * width:
            box = union([box, one])
    return box


def _count_beside(box: Box, others: Sequence[Box], width: float) -> int:
    """How many lines in other print stand in the rows of a text, near to it: labels, say, of values in a form."""
    reach = FAR * width
    level = [other for other in others if box[1] < (other[1] + other[3]) / 2 < box[3]]
    return sum(other[0] <= box[2] + reach and box[0] - reach <= other[2] for other in level)


def _is_laid_out(group: Sequence[_Line], width: float, *, is_rare: bool) -> bool:
    """`is_rare`: whether most of the page is in other print, beside which typewriter print is a listing in any case."""
    table = [_make_row([group[index] for index in row], width) for row in rows([line.box for line in group])]
    if sum(map(_is_prose_beside, table)) >= max(MIN_BESIDE, len(table) / 2):
        return False
    has_columns = _find_columns(table, width)
    is_indented = _find_indents(table, width)
    special = sum(map(operator.or_, has_columns, is_indented))
    is_long = sum(line.box[2] - line.box[0] >= MIN_TO_MEASURE * width for line in group) >= MIN_LINES
    return len(table) >= MIN_ROWS and (special >= LAID_OUT * len(table) or (is_rare and is_long))


def _make_row(lines: Sequence[_Line], width: float) -> _Row:
    """Of the pieces of one row from left to right."""
    middles = np.concatenate([line.letters.middles for line in lines])
    is_low = np.concatenate([line.letters.is_low for line in lines])
    steps = np.diff(middles) / width
    is_gap = (steps > 1 + GAP) & ~(is_low[:-1] & (steps <= 1 + STOP_GAP))
    gaps = [(float(middles[at]), float(middles[at + 1])) for at in np.flatnonzero(is_gap)]
    inner = tuple((start + width / 2, end - width / 2) for start, end in gaps)
    is_blank = (steps > 1.5) & (steps <= 1 + GAP)
    return _Row(float(middles[0]), float(middles[-1]), inner, middles[:-1][is_blank])


def _is_prose_beside(row: _Row) -> bool:
    """Whether rows of words stand on both sides of a gap; letters that touch look like a second one."""
    if not 0 < len(row.gaps) <= MAX_GAPS:
        return False
    start, end = max(row.gaps, key=lambda gap: gap[1] - gap[0])
    return bool(min((row.blanks < start).sum(), (row.blanks > end).sum()) >= PROSE_BLANKS)


def _find_columns(table: Sequence[_Row], width: float) -> list[bool]:
    """Whether each row has a gap that goes on through `MIN_ROWS` rows, or that others near it have where the rows do
    not end at one edge: to set them flush a machine widens gaps anywhere."""
    edge = max(row.right for row in table) - FLUSH * width
    if 2 * sum(row.right >= edge for row in table) < len(table):
        return [_has_common(table, at, width) for at in range(len(table))]
    result = [False] * len(table)
    for first in range(len(table) - MIN_ROWS + 1):
        common: Sequence[Gap] = table[first].gaps
        for row in table[first + 1 : first + MIN_ROWS]:
            common = _find_common(common, row.gaps, width)
        if common:
            result[first : first + MIN_ROWS] = [True] * MIN_ROWS
    return result


def _has_common(table: Sequence[_Row], at: int, width: float) -> bool:
    near = [*table[max(0, at - NEAR) : at], *table[at + 1 : at + 1 + NEAR]]
    return any(
        sum(bool(_find_common([gap], row.gaps, width)) for row in near) >= MIN_ROWS - 1 for gap in table[at].gaps
    )


def _find_common(gaps: Sequence[Gap], others: Sequence[Gap], width: float) -> list[Gap]:
    shared = [(max(one[0], other[0]), min(one[1], other[1])) for one in gaps for other in others]
    return [(start, end) for start, end in shared if end - start >= SHARED * width]


def _find_indents(table: Sequence[_Row], width: float) -> list[bool]:
    """Whether each row is indented as another one is, and is none of prose: those are full but for the last ones."""
    left, right = min(row.left for row in table), max(row.right for row in table)
    starts = np.array([row.left for row in table])
    is_repeated = (np.abs(starts[:, None] - starts) < SAME_COLUMN * width).sum(axis=1) > 1
    is_indented = (starts >= left + INDENT * width) & (starts < left + DEEP * (right - left))
    is_full = np.array([row.right - left >= max(FULL * (right - left), FULL * PROSE_WIDTH * width) for row in table])
    is_last = np.append(False, is_full[:-1] & (np.abs(np.diff(starts)) < SAME_COLUMN * width))
    result: list[bool] = (is_repeated & is_indented & ~is_full & ~is_last).tolist()
    return result
