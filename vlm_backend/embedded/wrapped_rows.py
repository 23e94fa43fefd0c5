"""Rows whose cells hold several lines, in tables without rules around each cell.

The table's model often takes each line of such cells for a row. What parts rows shows in the table itself: a rule or
another shade from row to row, white wider than between the lines of a cell, small letters that go on with a text, or
lines without values that are close to one with them.
Such bands of lines are rows only where all of the table bears it out: no column has two numbers in a band, each has its
text at one height (first line, last line, middle), and columns differ in how many lines they have. Else rows stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, union
from textlines.detection import Pixels
from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine, is_number
from vlm_backend.embedded.row_marks import FIRST_HAN, PrintedLines, find_full_rules, find_shade_edges
from vlm_backend.embedded.tables import Span, Table

SAME_PITCH = 1.15
"""Distances from line to line that differ by this factor at most are alike."""
LOOSE_PITCH = 1.3
"""So many times the usual distance there is no line missing between two of a cell."""
MIN_CONTRAST = 1.17
"""From the last line of a row to the next row's first, at least, in distances of lines in a cell."""
ALIGNED = 0.3
"""Distances of lines by which a text may stand off its usual height in a row."""
MIN_ROWS, MIN_UNEVEN, UNEVEN_SHARE = 3, 2, 0.6
"""Rows below the head, of which so many must have texts of one line beside some of several."""
MAX_WRONG = 0.2
"""Share of the bands of several lines that may be no row: a gap is missed at times."""
USUAL = 0.85
"""Share of a column's texts that stand at its usual height."""
FILLED, FULL_LINES = 0.95, 0.7
"""Of the width of its column a line and the next word fill so much where text is wrapped, and so do most lines."""
NUMERIC, MIN_NUMERIC = 0.6, 2
"""Share of numbers in a column of numbers, and so many such columns tell where a head ends."""
CENTRED = 0.1
"""Share of the width of columns by which a text over all of them may stand off their middle."""
FLUSH = 0.2
"""Of a line's height, by which texts that begin at one place may differ: boxes are not exact."""

Bounds = tuple[int, int]
"""First printed line of a band, and the one behind its last."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A text in columns `left` to `right`, in the printed line of that number."""

    left: int
    right: int
    line: int
    is_number: bool
    goes_on: bool
    """Whether it begins with a small letter."""
    width: float
    first_word: float
    """Width of its first word, pixels as `width`."""


@dataclass(frozen=True, slots=True)
class _Print:
    """What is printed in a table: its texts, and the baselines of its printed lines. `pitch`: from line to line of a
    cell, or of the closest rows."""

    texts: Sequence[_Text]
    lines: NDArray[np.float64]
    pitch: float


@dataclass(frozen=True, slots=True)
class _Band:
    """Lines that may be one row. `columns`: the printed lines in which each column has text."""

    bounds: Bounds
    columns: dict[int, list[int]]
    is_stacked: bool
    """Whether a text that spans columns stands above or below another one in them."""
    has_numbers: bool
    """Whether a column has two numbers."""

    @property
    def is_tall(self) -> bool:
        return any(len(lines) > 1 for lines in self.columns.values())

    @property
    def is_uneven(self) -> bool:
        return len({tuple(lines) for lines in self.columns.values()}) > 1

    @property
    def is_block(self) -> bool:
        """Whether several columns have lines beside each other throughout: rows of a group look so, too."""
        several = [tuple(lines) for lines in self.columns.values() if len(lines) > 1]
        return len(several) > 1 and len(set(several)) == 1


class _Placed:
    """The texts of a table with their cells and printed lines, from which it is built anew."""

    def __init__(self, table: Table, printed: PrintedLines) -> None:
        held = [(table.cells[index], line) for index, lines in table.held.items() for line in lines]
        self._table, self._baselines = table, printed.baselines
        self._placed = _refute_spans(held)
        self._numbers = [printed.number(line) for _, line in held]

    def measure(self) -> _Print | None:
        """None where too few texts stand above each other."""
        texts = [
            _make_text(cell, line, number) for (cell, line), number in zip(self._placed, self._numbers, strict=True)
        ]
        pitch = _find_pitch(texts, self._baselines)
        return None if pitch is None else _Print(texts, self._baselines, pitch)

    def build(self, bands: Sequence[_Band], joined: Sequence[bool]) -> Table:
        """The lines in the columns of their cells, and in a row for each band that is one; in others rows stay."""
        rows = self._find_rows(bands, joined)
        count, width = max(bottom for _, bottom in rows), self._table.shape[1]
        cells: list[Span] = []
        for (cell, _), (top, bottom) in zip(self._placed, rows, strict=True):
            cells = _add_cell(cells, Span(top, cell.left, bottom, cell.right))
        owners = np.full((count, width), -1)
        for index, cell in enumerate(cells):
            owners[cell.top : cell.bottom, cell.left : cell.right] = index
        held: dict[int, list[ReadLine]] = {}
        for (cell, line), (top, _) in zip(self._placed, rows, strict=True):
            held.setdefault(int(owners[top, cell.left]), []).append(line)
        cells += [Span(row, column, row + 1, column + 1) for row, column in np.argwhere(owners < 0).tolist()]
        lines = [line for _, line in self._placed]
        xs, ys = _column_edges(self._table), _row_edges(self._table, count, list(zip(rows, lines, strict=True)))
        boxes = [(xs[cell.left], ys[cell.top], xs[cell.right], ys[cell.bottom]) for cell in cells]
        return Table((count, width), cells, boxes, held)

    def _find_rows(self, bands: Sequence[_Band], joined: Sequence[bool]) -> list[Bounds]:
        """First row of each text and the one behind its last."""
        result: list[Bounds] = [(0, 0)] * len(self._placed)
        count = 0
        for band, is_row in zip(bands, joined, strict=True):
            own = [index for index, number in enumerate(self._numbers) if band.bounds[0] <= number < band.bounds[1]]
            rows = [(0, 1)] * len(own) if is_row else _keep_rows([self._placed[index][0] for index in own])
            for index, (top, bottom) in zip(own, rows, strict=True):
                result[index] = count + top, count + bottom
            count += max(bottom for _, bottom in rows)
        return result


def join_wrapped_rows(pixels: Pixels, rulings: Rulings, printed: PrintedLines, table: Table) -> Table | None:
    """The table, with one row for the lines of cells of several lines; None where it does not show that it has such."""
    placed = _Placed(table, printed)
    found = placed.measure()
    if found is None:
        return None
    ruled, shaded = (
        np.searchsorted(found.lines, edges).tolist()
        for edges in (find_full_rules(rulings, table), find_shade_edges(pixels, table, printed.height))
    )
    candidates = [ruled, shaded, *([*ruled, *find(found)] for find in (_find_gaps, _find_sentences, _find_value_rows))]
    for number, starts in enumerate(candidates):
        bands = _split(found, starts)
        joined = _judge(found, bands, needs_many=number > 1)
        if joined:
            return placed.build(bands, joined)
    return None


def join_head(rulings: Rulings, printed: PrintedLines, table: Table) -> Table | None:
    """The table, with one row for a head whose names have one to several lines; None where it shows no such head."""
    placed = _Placed(table, printed)
    found = placed.measure()
    if found is None:
        return None
    ruled = np.searchsorted(found.lines, find_full_rules(rulings, table)).tolist()
    bands = _split(found, [_find_head_end(found, ruled)])
    return placed.build(bands, [True, False]) if _is_head(found, bands) else None


def _refute_spans(placed: Sequence[tuple[Span, ReadLine]]) -> list[tuple[Span, ReadLine]]:
    """Texts that are said to span columns in the one in which they stand: neither in the middle of those columns nor
    where the first one begins, or flush with texts of that one."""
    extents: dict[int, Bounds] = {}
    for cell, line in placed:
        if cell.right - cell.left == 1:
            left, right = extents.get(cell.left, (line.box[0], line.box[2]))
            extents[cell.left] = min(left, line.box[0]), max(right, line.box[2])
    starts = {(cell.left, line.box[0]) for cell, line in placed if cell.right - cell.left == 1}
    return [(_narrow(cell, line.box, extents, starts), line) for cell, line in placed]


def _narrow(cell: Span, box: Box, extents: dict[int, Bounds], starts: set[tuple[int, int]]) -> Span:
    columns = [column for column in range(cell.left, cell.right) if column in extents]
    slack = FLUSH * (box[3] - box[1])
    over = [column for column in columns if min(extents[column][1], box[2]) - max(extents[column][0], box[0]) > slack]
    if cell.right - cell.left == 1 or len(over) != 1 or over[0] == cell.left:
        return cell
    is_flush = any(column == over[0] and abs(x - box[0]) <= slack for column, x in starts)
    middle = (extents[columns[0]][0] + extents[columns[-1]][1]) / 2
    is_centred = abs((box[0] + box[2]) / 2 - middle) < CENTRED * (extents[columns[-1]][1] - extents[columns[0]][0])
    return cell if is_centred and not is_flush else Span(cell.top, over[0], cell.bottom, over[0] + 1)


def _make_text(cell: Span, line: ReadLine, number: int) -> _Text:
    text, width = line.text.text, float(line.box[2] - line.box[0])
    first = 1 if text[:1] >= FIRST_HAN else len(text.split(maxsplit=1)[0]) if text.strip() else 0
    share = first / max(1, len(text))
    return _Text(cell.left, cell.right, number, is_number(text), text[:1].islower(), width, share * width)


def _find_pitch(texts: Sequence[_Text], lines: NDArray[np.float64]) -> float | None:
    """From a line to the next one in its column, where these are closest."""
    distances = sorted(
        float(lines[below] - lines[above]) for own in _lines_by_column(texts).values() for above, below in pairwise(own)
    )
    if len(distances) < 2:
        return None
    return float(np.median([one for one in distances if one <= SAME_PITCH * distances[1]]))


def _lines_by_column(texts: Sequence[_Text]) -> dict[int, list[int]]:
    """Of the texts that stand in one column alone."""
    columns: dict[int, set[int]] = {}
    for text in texts:
        if text.right - text.left == 1:
            columns.setdefault(text.left, set()).add(text.line)
    return {column: sorted(lines) for column, lines in columns.items()}


def _find_gaps(found: _Print) -> list[int]:
    """Printed lines above which the white is wider than between the lines of a cell; none unless clearly so."""
    distances = np.diff(found.lines)
    wide = distances > SAME_PITCH * found.pitch
    if not wide.any():
        return []
    close = max([found.pitch, *distances[~wide].tolist()])
    return (np.flatnonzero(wide) + 1).tolist() if distances[wide].min() >= MIN_CONTRAST * close else []


def _find_sentences(found: _Print) -> list[int]:
    """Printed lines that go on with no text of the line above."""
    going_on = {text.line for text in found.texts if text.goes_on}
    return [line for line in range(1, len(found.lines)) if line not in going_on]


def _find_value_rows(found: _Print) -> list[int]:
    """Printed lines with which rows begin that have values beside their first line, or beside their last one, where
    lines without values are usually closer to that line than rows are to each other; none where they are not."""
    columns = _lines_by_column([text for text in found.texts if text.is_number])
    values = {line for lines in columns.values() if len(lines) >= MIN_ROWS for line in lines}
    later = [line for line in range(1, len(found.lines)) if line - 1 in values]
    first = [line for line in range(1, len(found.lines)) if line in values]
    return next((starts for starts in (later, first) if _are_apart(found, starts)), [])


def _are_apart(found: _Print, starts: Sequence[int]) -> bool:
    """Whether the white above these printed lines is wider than that above the others but for a few: boxes and
    baselines of signs and of photographed lines are not exact."""
    distances = np.diff(found.lines)
    is_start = np.isin(np.arange(1, len(found.lines)), starts)
    if is_start.sum() < MIN_ROWS or (~is_start).sum() < MIN_UNEVEN:
        return False
    wide, close = np.median(distances[is_start]), np.median(distances[~is_start])
    middle = np.sqrt(wide * close)
    is_told = (distances[is_start] > middle).mean() >= USUAL and (distances[~is_start] < middle).mean() >= USUAL
    return bool(wide >= MIN_CONTRAST * close and is_told)


def _split(found: _Print, starts: Sequence[int]) -> list[_Band]:
    count = len(found.lines)
    edges = sorted({0, *(start for start in starts if 0 < start < count), count})
    return [_make_band(found, bounds) for bounds in pairwise(edges)]


def _make_band(found: _Print, bounds: Bounds) -> _Band:
    own = [text for text in found.texts if bounds[0] <= text.line < bounds[1]]
    wide = [text for text in own if text.right - text.left > 1]
    is_stacked = any(
        text.line != other.line and text.left < other.right and other.left < text.right
        for text in wide
        for other in own
    )
    numbers = _lines_by_column([text for text in own if text.is_number])
    return _Band(bounds, _lines_by_column(own), is_stacked, any(len(lines) > 1 for lines in numbers.values()))


def _judge(found: _Print, bands: Sequence[_Band], *, needs_many: bool) -> list[bool]:
    """Which bands of several lines are rows; none where the table does not show it. The first one may be its head."""
    body = bands[1:]
    tall = [band for band in body if band.is_tall]
    good = [band for band in tall if _may_be_row(found, band)]
    uneven = sum(band.is_uneven for band in good)
    if len(body) < MIN_ROWS or len(good) < (1 - MAX_WRONG) * len(tall):
        return []
    if uneven < max(MIN_UNEVEN if needs_many else 1, UNEVEN_SHARE * len(good)) or all(band.is_block for band in good):
        return []
    if not _are_aligned(found, good) or (needs_many and _are_headings(found, good)):
        return []
    return [not bands[0].is_stacked and not bands[0].has_numbers, *(band in good or not band.is_tall for band in body)]


def _are_headings(found: _Print, bands: Sequence[_Band]) -> bool:
    """Whether the first lines of the bands stand alone above a row, as headings of sections do, and would have had room
    for the next word, as lines of a wrapped name have not."""
    columns = {column for band in bands for column, lines in band.columns.items() if len(lines) > 1}
    is_led = all(lines[-1:] == [band.bounds[1] - 1] for band in bands for lines in band.columns.values())
    if len(columns) != 1 or not is_led:
        return False
    column = columns.pop()
    texts = {text.line: text for text in found.texts if (text.left, text.right) == (column, column + 1)}
    room = max(text.width for text in texts.values())
    pairs = [pair for band in bands for pair in pairwise(band.columns.get(column, []))]
    full = sum(texts[line].width + texts[after].first_word > FILLED * room for line, after in pairs)
    return full < FULL_LINES * len(pairs)


def _find_head_end(found: _Print, ruled: Sequence[int]) -> int:
    """The printed line with which the rows below a head begin: below a rule, or the first one with numbers in columns
    of numbers. 0 where nothing tells."""
    if starts := [start for start in ruled if 0 < start < len(found.lines)]:
        return min(starts)
    numbers = [text for text in found.texts if text.is_number]
    columns = _lines_by_column(found.texts)
    filled = {
        column: lines
        for column, lines in _lines_by_column(numbers).items()
        if len(lines) >= max(MIN_ROWS, NUMERIC * len(columns[column]))
    }
    return min((lines[0] for lines in filled.values()), default=0) if len(filled) >= MIN_NUMERIC else 0


def _is_head(found: _Print, bands: Sequence[_Band]) -> bool:
    """Whether the first of two bands is a head of one row: its columns have texts of one to several lines, all at the
    same height."""
    if len(bands) != 2 or bands[0].is_stacked or bands[0].is_block or not (bands[0].is_tall and bands[0].is_uneven):
        return False
    head = bands[0]
    top, bottom = found.lines[head.bounds[0]], found.lines[head.bounds[1] - 1]
    offsets = [(found.lines[own[0]] - top, bottom - found.lines[own[-1]]) for own in head.columns.values()]
    pitches = [found.lines[down] - found.lines[up] for own in head.columns.values() for up, down in pairwise(own)]
    return max(pitches) <= SAME_PITCH * min(pitches) and _is_aligned(np.array(offsets), ALIGNED * min(pitches), 1.0)


def _may_be_row(found: _Print, band: _Band) -> bool:
    is_close = all(
        found.lines[below] - found.lines[above] <= LOOSE_PITCH * found.pitch
        for lines in band.columns.values()
        for above, below in pairwise(lines)
    )
    return is_close and not band.is_stacked and not band.has_numbers


def _are_aligned(found: _Print, bands: Sequence[_Band]) -> bool:
    """Whether each column has its shorter texts at the same height of rows: above, below, or in the middle."""
    offsets: dict[int, list[tuple[float, float]]] = {}
    for band in bands:
        top, bottom = found.lines[band.bounds[0]], found.lines[band.bounds[1] - 1]
        for column, lines in band.columns.items():
            above, below = found.lines[lines[0]] - top, bottom - found.lines[lines[-1]]
            if above + below > ALIGNED * found.pitch:
                offsets.setdefault(column, []).append((above, below))
    return all(_is_aligned(np.array(own), ALIGNED * found.pitch) for own in offsets.values())


def _is_aligned(offsets: NDArray[np.float64], tolerance: float, share: float = USUAL) -> bool:
    above, below = offsets.T
    heights = (above, below, np.abs(above - below) / 2)
    return any(float((height <= tolerance).mean()) >= share for height in heights)


def _keep_rows(cells: Sequence[Span]) -> list[Bounds]:
    """The rows of the cells, counted from 0 without those that hold nothing of them."""
    edges = sorted({edge for cell in cells for edge in (cell.top, cell.bottom)})
    starts = [
        top for top, bottom in pairwise(edges) if any(cell.top <= top and bottom <= cell.bottom for cell in cells)
    ]
    return [(starts.index(cell.top), sum(top < cell.bottom for top in starts)) for cell in cells]


def _add_cell(cells: list[Span], cell: Span) -> list[Span]:
    """The cells with another one, joined with those that it meets."""
    while touched := [one for one in cells if one.meets(cell)]:
        cells = [one for one in cells if not one.meets(cell)]
        for one in touched:
            cell = cell.join(one)
    return [*cells, cell]


def _column_edges(table: Table) -> list[int]:
    """Where the cells that begin in each column do so, in the middle; and the table's right side."""
    left, _, right, _ = union(table.boxes)
    edges = [left]
    for column in range(1, table.shape[1]):
        starts = [box[0] for cell, box in zip(table.cells, table.boxes, strict=True) if cell.left == column]
        edges.append(max(edges[-1] + 1, round(float(np.median(starts))) if starts else edges[-1] + 1))
    return [*edges, max(right, edges[-1] + 1)]


def _row_edges(table: Table, count: int, placed: Sequence[tuple[Bounds, ReadLine]]) -> list[int]:
    """Middles between the texts of the rows, and the table's upper and lower side."""
    _, first, _, last = union(table.boxes)
    tops = [min([line.box[1] for (top, _), line in placed if top >= row], default=last) for row in range(count)]
    bottoms = [max(line.box[3] for (_, bottom), line in placed if bottom <= row) for row in range(1, count)]
    edges = [min(first, tops[0])]
    for above, below in zip(bottoms, tops[1:], strict=True):
        edges.append(max(edges[-1] + 1, (above + below) // 2))
    return [*edges, max(last, edges[-1] + 1)]
