"""Tables as OTSL, the token language in which PaddleOCR-VL writes them.

`<fcel>` opens a cell with text, `<ecel>` is an empty one, `<lcel>`, `<ucel>` and `<xcel>` belong to the cell on their
left, above, or both; `<nl>` ends a row. Rules drawn in the picture make the grid; where there are none, white space
does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box
from textlines.detection import Pixels, TextLine
from textlines.paragraphs import rows
from vlm_backend.embedded.reader import ReadLine, joined, markup
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.rulings import Rulings, find_rulings

_TAG = re.compile(r"<(?:[felux]cel|nl)>")

GUTTER_ROWS = 0.3  # share of the rows whose text may cross a column's edge: headings span columns
DRAWN = 0.4  # share of an edge that must be ruled for its gaps to mean joined cells
BAND_ROWS = 3  # a ruled band is split into so many rows or more ...
BAND_FILL = 0.8  # ... if each of them fills this share of the columns
CELLS_A_LINE, LEAST_CELLS = 10, 200  # a grid has at most so many cells for each line of text, and so many besides
CROSSING = 0.5  # a line spans a column's edge if it reaches this many line heights over it on both sides


Cell = tuple[int, int]
"""Row and column, from 0."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Edges of rows (`ys`) and columns (`xs`) in pixels, ascending, n + 1 of them; `rulings` tell which are drawn."""

    xs: tuple[int, ...]
    ys: tuple[int, ...]
    rulings: Rulings
    ruled_columns: bool
    ruled_rows: bool

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.ys) - 1, len(self.xs) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `top` to `bottom` and columns `left` to `right`, ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    def joined(self, other: Span) -> Span:
        return Span(
            min(self.top, other.top),
            min(self.left, other.left),
            max(self.bottom, other.bottom),
            max(self.right, other.right),
        )

    def meets(self, other: Span) -> bool:
        return (
            self.top < other.bottom and other.top < self.bottom and self.left < other.right and other.left < self.right
        )


def find_grid(pixels: Pixels, lines: Sequence[TextLine]) -> Grid:
    """Grid of the table in an RGB crop, given its text lines (at least one)."""
    boxes = [line.box for line in lines]
    rulings = find_rulings(pixels)
    xs, ys = rulings.positions(vertical=True), rulings.positions(vertical=False)
    ruled_columns, ruled_rows = len(xs) >= 3, len(ys) >= 3 and len(xs) >= 2
    if ruled_columns and (len(xs) - 1) * (len(ys) - 1) > CELLS_A_LINE * len(lines) + LEAST_CELLS:
        ruled_columns = ruled_rows = False  # graph paper or hatching, not a table's rules
    if not ruled_columns:
        xs = _column_edges(boxes, rulings.line_height)
    ys = _split_bands(ys, xs, boxes) if ruled_rows else _row_edges(boxes)
    return Grid(
        _closed(xs, [b[0] for b in boxes], [b[2] for b in boxes], rulings.line_height),
        _closed(ys, [b[1] for b in boxes], [b[3] for b in boxes], rulings.line_height),
        rulings,
        ruled_columns,
        ruled_rows,
    )


def split_at_rules(lines: Sequence[TextLine], grid: Grid) -> list[TextLine]:
    """Lines cut where a drawn rule crosses them: detectors join the texts of neighbouring cells."""
    if not grid.ruled_columns:
        return list(lines)
    return [piece for line in lines for piece in _split(line, grid)]


def spans(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
    """Cells of the grid: single ones, and those joined where no rule stands between them or a text crosses the edge."""
    height, width = grid.shape
    cells = [Span(r, c, r + 1, c + 1) for r in range(height) for c in range(width)]
    for common in {*_unwalled(grid, boxes), *(_place(box, grid) for box in boxes)}:
        if common.bottom - common.top > 1 or common.right - common.left > 1:
            touched = [cell for cell in cells if cell.meets(common)]
            if len(touched) > 1:
                cells = _merged(cells, touched)
    return cells


def otsl(grid: Grid, cells: Sequence[Span], lines: Sequence[ReadLine]) -> list[LineText]:
    """OTSL of the grid in pieces; a piece without confidences is markup.

    Each line goes into the cell that holds its centre; rows of one cell are joined by line breaks.
    """
    owners = _owners(grid.shape, cells)
    held: dict[int, list[ReadLine]] = {}
    for line in lines:
        place = _centre(line.box, grid)
        held.setdefault(int(owners[place.top, place.left]), []).append(line)
    pieces: list[LineText] = []
    for row, column in np.ndindex(*grid.shape):
        index = int(owners[row, column])
        pieces.extend(_cell(row, column, cells[index], held.get(index, [])))
        if column + 1 == grid.shape[1]:
            pieces.append(markup("<nl>"))
    return pieces


def _owners(shape: tuple[int, int], cells: Sequence[Span]) -> NDArray[np.intp]:
    """Index of the cell at each place of the grid."""
    owners = np.zeros(shape, dtype=np.intp)
    for index, cell in enumerate(cells):
        owners[cell.top : cell.bottom, cell.left : cell.right] = index
    return owners


def _cell(row: int, column: int, cell: Span, lines: list[ReadLine]) -> list[LineText]:
    if (row, column) == (cell.top, cell.left):
        return [markup("<fcel>"), *_in_cell(lines)] if lines else [markup("<ecel>")]
    if row == cell.top:
        return [markup("<lcel>")]
    return [markup("<ucel>" if column == cell.left else "<xcel>")]


def _in_cell(lines: list[ReadLine]) -> list[LineText]:
    pieces = joined([[lines[i] for i in row] for row in rows([line.box for line in lines])])
    return [_kept_apart(piece) for piece in pieces]


def _kept_apart(piece: LineText) -> LineText:
    """Text that shows one of OTSL's tags gets a word joiner into it, which the gateway takes out again."""
    text, confidences = piece.text, list(piece.confidences)
    for tag in reversed(list(_TAG.finditer(text))):
        at = tag.start() + 1
        text = f"{text[:at]}\u2060{text[at:]}"
        confidences[at:at] = confidences[at - 1 : at]
    return LineText(text, tuple(confidences))


def _merged(cells: list[Span], touched: list[Span]) -> list[Span]:
    """Joins the touched cells, and whatever their common rectangle reaches into, so that cells never overlap."""
    whole = touched[0]
    while True:
        for cell in touched:
            whole = whole.joined(cell)
        grown = [cell for cell in cells if cell.meets(whole)]
        if len(grown) == len(touched):
            return [cell for cell in cells if cell not in touched] + [whole]
        touched = grown


def _unwalled(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
    """Pairs of neighbouring cells with no rule between them, where the table draws its rules.

    An edge that is drawn nowhere came from white space: there only an empty cell belongs to its neighbour.
    """
    filled = {(place.top, place.left) for place in (_centre(box, grid) for box in boxes)}
    height, width = grid.shape
    result = []
    if grid.ruled_columns:
        for column in range(1, width):
            walls = [grid.rulings.wall(True, grid.xs[column], *grid.ys[row : row + 2]) for row in range(height)]
            pairs = [((row, column - 1), (row, column)) for row in range(height)]
            result.extend(_joined_pairs(walls, pairs, filled))
    if grid.ruled_rows:
        for row in range(1, height):
            walls = [grid.rulings.wall(False, grid.ys[row], *grid.xs[column : column + 2]) for column in range(width)]
            pairs = [((row - 1, column), (row, column)) for column in range(width)]
            result.extend(_joined_pairs(walls, pairs, filled))
    return result


def _joined_pairs(walls: list[bool], pairs: list[tuple[Cell, Cell]], filled: set[Cell]) -> list[Span]:
    drawn = sum(walls) >= DRAWN * len(walls)
    return [
        Span(*first, second[0] + 1, second[1] + 1)
        for wall, (first, second) in zip(walls, pairs, strict=True)
        if not wall and (drawn or not {first, second} <= filled)
    ]


def _place(box: Box, grid: Grid) -> Span:
    """Cells that a text covers: its row, and the columns into which it reaches far enough."""
    reach = CROSSING * grid.rulings.line_height
    centre = _centre(box, grid)
    columns = [
        column
        for column, (left, right) in enumerate(pairwise(grid.xs))
        if min(box[2], right) - max(box[0], left) > min(reach, (box[2] - box[0]) / 2)
    ]
    return Span(centre.top, min([*columns, centre.left]), centre.bottom, max([*columns, centre.left]) + 1)


def _centre(box: Box, grid: Grid) -> Span:
    height, width = grid.shape
    column = min(max(int(np.searchsorted(grid.xs, (box[0] + box[2]) / 2, "right")) - 1, 0), width - 1)
    row = min(max(int(np.searchsorted(grid.ys, (box[1] + box[3]) / 2, "right")) - 1, 0), height - 1)
    return Span(row, column, row + 1, column + 1)


def _column_edges(boxes: Sequence[Box], line_height: float) -> list[int]:
    """Middles of the white strips that (nearly) no row's text crosses."""
    table = rows(boxes)
    start, end = min(box[0] for box in boxes), max(box[2] for box in boxes)
    crossed = np.zeros(end - start, dtype=np.int64)
    for row in table:
        covered = np.zeros(end - start, dtype=np.bool_)
        for index in row:
            covered[boxes[index][0] - start : boxes[index][2] - start] = True
        crossed += covered
    white = np.flatnonzero(crossed <= GUTTER_ROWS * len(table))
    strips = np.split(white, np.flatnonzero(np.diff(white) > 1) + 1)
    return [start + round(float(strip.mean())) for strip in strips if len(strip) >= max(2.0, 0.3 * line_height)]


def _row_edges(boxes: Sequence[Box]) -> list[int]:
    """Middles between printed rows."""
    extents = [(min(boxes[i][1] for i in row), max(boxes[i][3] for i in row)) for row in rows(boxes)]
    return [(above[1] + below[0]) // 2 for above, below in pairwise(extents)]


def _split_bands(ys: list[int], xs: Sequence[int], boxes: Sequence[Box]) -> list[int]:
    """Adds edges inside a ruled band that holds several rows of cells: some tables rule off groups of rows only.

    Wrapped text looks alike, but its rows leave columns empty here and there.
    """
    result = list(ys)
    for top, bottom in pairwise(ys):
        inside = [box for box in boxes if top <= (box[1] + box[3]) / 2 < bottom]
        table = rows(inside)
        if len(table) >= BAND_ROWS and all(len(row) >= BAND_FILL * (len(xs) - 1) for row in table):
            result.extend(_row_edges(inside))
    return sorted(result)


def _closed(edges: Sequence[int], starts: Sequence[int], ends: Sequence[int], line_height: float) -> tuple[int, ...]:
    """Edges with an outer one added on each side where text stands outside of them."""
    first, last = min(starts), max(ends)
    inner = sorted(set(edges)) or [first]
    if inner[0] - first > line_height / 2:
        inner.insert(0, first)
    if last - inner[-1] > line_height / 2 or len(inner) == 1:
        inner.append(max(last, inner[-1] + 1))
    return tuple(inner)


def _split(line: TextLine, grid: Grid) -> list[TextLine]:
    x1, y1, x2, y2 = line.box
    margin = CROSSING * grid.rulings.line_height
    cuts = [x for x in grid.xs if x1 + margin < x < x2 - margin and grid.rulings.wall(True, x, y1, y2)]
    edges = [x1, *cuts, x2]
    return [line] if not cuts else [_upright(left, y1, right, y2, line.score) for left, right in pairwise(edges)]


def _upright(x1: int, y1: int, x2: int, y2: int, score: float) -> TextLine:
    return TextLine(np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], dtype=np.float32), score)
