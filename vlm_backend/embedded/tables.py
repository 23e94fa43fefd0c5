"""Tables as OTSL, the token language in which PaddleOCR-VL writes them.

`<fcel>` opens a cell with text, `<ecel>` is an empty one, `<lcel>`, `<ucel>` and `<xcel>` belong to the cell on their
left, above, or both; `<nl>` ends a row. Rules drawn in the picture make the grid; where there are none, white space
does.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, clip, union
from textlines.detection import Pixels, TextLine, upright_line
from textlines.glyphs import find_ink, find_stray_glyphs
from textlines.paragraphs import rows
from vlm_backend.embedded.edges import BAND_ROWS, Rulings, add_outer, column_edges, row_edges, split_bands, tighten
from vlm_backend.embedded.line_order import join_rows
from vlm_backend.embedded.read_lines import ReadLine, is_number, markup
from vlm_backend.embedded.recognizers import LineText

_TAG = re.compile(r"<(?=(?:[felux]cel|nl)>)")

DRAWN = 0.4  # share of an edge that must be ruled for its gaps to mean joined cells
CELLS_A_LINE, LEAST_CELLS = 10, 200  # a grid has at most so many cells for each line of text, and so many besides
MISSED_HEIGHT, MISSED_MARGIN = 1.6, 0.4  # height of a row of missed glyphs, and the paper around it, in glyph heights
HEAD_AND_BODY, MIN_ENTRY_COLUMNS, BEGUN = 2, 3, 0.95  # ruled bands; columns, and lines that begin an entry, of a body
CROSSING = 0.5  # a line spans a column's edge if it reaches this many line heights over it on both sides ...
CROSSING_SHARE = 0.3  # ... and so far over texts of the column, or with this share of its own length


Cell = tuple[int, int]
"""Row and column, from 0."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Edges of rows (`ys`) and columns (`xs`) in pixels, ascending, n + 1 of them; `rulings` tell which are drawn.
    `open_ys`: those between rows that stand in one ruled band."""

    xs: tuple[int, ...]
    ys: tuple[int, ...]
    rulings: Rulings
    ruled_columns: bool
    ruled_rows: bool
    open_ys: frozenset[int] = frozenset()

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.ys) - 1, len(self.xs) - 1

    def find_walls(self, box: Box) -> tuple[float, float]:
        """x of the drawn rules between which a box stands; infinite where there is none."""
        x1, y1, x2, y2 = box
        walls = [x for x in self.xs if self.ruled_columns and self.rulings.wall(True, x, y1, y2)]
        left = max((x for x in walls if 2 * x <= x1 + x2), default=-math.inf)
        return left, min((x for x in walls if 2 * x > x1 + x2), default=math.inf)


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `top` to `bottom` and columns `left` to `right`, ends exclusive."""

    top: int
    left: int
    bottom: int
    right: int

    def join(self, other: Span) -> Span:
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


@dataclass(frozen=True, slots=True)
class Table:
    """`cells` cover all rows and columns of `shape` and never overlap; `boxes`: their places in pixels of the crop;
    `held`: indexes of cells to the lines in them."""

    shape: tuple[int, int]
    cells: list[Span]
    boxes: list[Box]
    held: dict[int, list[ReadLine]]


@dataclass(frozen=True, slots=True)
class PlacedCell:
    """A cell of a table: where it stands in the grid, and between which edges in pixels of the crop."""

    span: Span
    box: Box


def find_grid(rulings: Rulings, lines: Sequence[TextLine]) -> Grid:
    """Grid of a table, given its rules and its text lines (at least one)."""
    boxes = [tighten(line.box, rulings.line_height) for line in lines]
    xs, ys = rulings.positions(vertical=True), rulings.positions(vertical=False)
    ruled_columns, ruled_rows = len(xs) >= 3, len(ys) >= 3 and len(xs) >= 2
    if ruled_columns and (len(xs) - 1) * (len(ys) - 1) > CELLS_A_LINE * len(lines) + LEAST_CELLS:
        ruled_columns = ruled_rows = False  # graph paper or hatching, not a table's rules
    if not ruled_columns:
        xs = column_edges(boxes, rulings.line_height)
    ys = split_bands(ys, xs, boxes) if ruled_rows else row_edges(boxes)
    return Grid(
        add_outer(xs, [b[0] for b in boxes], [b[2] for b in boxes], rulings.line_height),
        add_outer(ys, [b[1] for b in boxes], [b[3] for b in boxes], rulings.line_height),
        rulings,
        ruled_columns,
        ruled_rows,
    )


def open_bands(grid: Grid, lines: Sequence[ReadLine]) -> Grid:
    """The grid with the printed rows of each ruled band that has many numbers in a column, or of a body without rules
    that has many entries, and of a head whose upper row spans columns: some tables have rules between columns, but
    only few between rows."""
    if not grid.ruled_rows:
        return grid
    added: list[int] = []
    has_body = len(grid.rulings.positions(vertical=False)) - 1 <= HEAD_AND_BODY
    for band in range(len(grid.ys) - 1):
        own = [line for line in lines if _centre(line.box, grid).top == band]
        columns = Counter(_centre(line.box, grid).left for line in own if is_number(line.text.text))
        if max(columns.values(), default=0) >= BAND_ROWS or (has_body and _are_entries(own, grid)):
            added.extend(row_edges([line.box for line in own]))
        elif has_body and own:
            added.extend(_find_upper_row(grid, *grid.ys[band : band + 2]))
    return replace(grid, ys=tuple(sorted({*grid.ys, *added})), open_ys=frozenset(added) - set(grid.ys))


def _find_upper_row(grid: Grid, top: int, bottom: int) -> list[int]:
    """The lower edge of a head's upper row, below which rules begin between columns that it spans; none without one."""
    starts = [grid.rulings.find_start(x, top, bottom) for x in grid.xs[1:-1] if grid.ruled_columns]
    found = [start for start in starts if start is not None]
    return [round(float(np.median(found)))] if found else []


def _are_entries(lines: Sequence[ReadLine], grid: Grid) -> bool:
    """Whether lines below each other are entries of their own, in several columns: each begins with a capital or a
    figure, where wrapped text goes on with small letters."""
    columns = Counter(_centre(line.box, grid).left for line in lines)
    starts = [line.text.text.lstrip("(–-")[:1] for line in lines]
    begun = sum(start.isupper() or start.isdigit() for start in starts)
    return sum(count >= BAND_ROWS for count in columns.values()) >= MIN_ENTRY_COLUMNS and begun >= BEGUN * len(lines)


def split_at_rules(lines: Sequence[TextLine], grid: Grid) -> list[TextLine]:
    """Lines cut where a drawn rule crosses them: detectors join the texts of neighbouring cells."""
    if not grid.ruled_columns:
        return list(lines)
    return [piece for line in lines for piece in _split(line, grid)]


def find_missed(pixels: Pixels, grid: Grid, lines: Sequence[TextLine]) -> list[TextLine]:
    """Lines for cells with print and none of `lines`, in a crop without its rules: detectors miss single digits."""
    ink = find_ink(pixels)
    filled = {(place.top, place.left) for place in (_centre(line.box, grid) for line in lines)}
    held: dict[tuple[int, int], list[Box]] = {}
    for box in find_stray_glyphs(ink, [line.quad for line in lines]):
        place = _centre(box, grid)
        held.setdefault((place.top, place.left), []).append(box)
    margin = round(MISSED_MARGIN * ink.height)
    boxes = [union(glyphs) for cell, glyphs in held.items() if cell not in filled]
    height, width = pixels.shape[:2]
    return [
        upright_line(clip((x1 - margin, y1 - margin, x2 + margin, y2 + margin), width, height))
        for x1, y1, x2, y2 in boxes
        if y2 - y1 <= MISSED_HEIGHT * ink.height
    ]


def spans(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
    """Cells of the grid: single ones, and those joined where no rule stands between them or a text crosses the edge."""
    height, width = grid.shape
    cells = [Span(r, c, r + 1, c + 1) for r in range(height) for c in range(width)]
    for common in {*_find_open_pairs(grid, boxes), *_place_all(grid, boxes), *_find_spanners(grid, boxes)}:
        if common.bottom - common.top > 1 or common.right - common.left > 1:
            touched = [cell for cell in cells if cell.meets(common)]
            if len(touched) > 1:
                cells = _merge_cells(cells, touched)
    return cells


def fill_grid(grid: Grid, cells: Sequence[Span], lines: Sequence[ReadLine]) -> Table:
    """The table of a grid's cells, each with the lines whose middles lie in it."""
    owners = _owners(grid.shape, cells)
    held: dict[int, list[ReadLine]] = {}
    for line in lines:
        place = _centre(line.box, grid)
        held.setdefault(int(owners[place.top, place.left]), []).append(line)
    boxes = [(grid.xs[cell.left], grid.ys[cell.top], grid.xs[cell.right], grid.ys[cell.bottom]) for cell in cells]
    return Table(grid.shape, list(cells), boxes, held)


def otsl(table: Table) -> list[LineText]:
    """OTSL of the table in pieces; a piece without confidences is markup. Rows of one cell are joined by line
    breaks."""
    owners = _owners(table.shape, table.cells)
    pieces: list[LineText] = []
    for row, column in np.ndindex(*table.shape):
        index = int(owners[row, column])
        pieces.extend(_cell(row, column, table.cells[index], table.held.get(index, [])))
        if column + 1 == table.shape[1]:
            pieces.append(markup("<nl>"))
    return pieces


def place_cells(table: Table) -> list[PlacedCell]:
    """The cells, empty ones too, row by row."""
    placed = [PlacedCell(*cell) for cell in zip(table.cells, table.boxes, strict=True)]
    return sorted(placed, key=lambda cell: (cell.span.top, cell.span.left))


def order_by_cells(table: Table) -> list[ReadLine]:
    """The lines as `otsl` has them: row by row, cell by cell, from the top of each."""
    held, cells = table.held, table.cells
    owners = sorted(held, key=lambda index: (cells[index].top, cells[index].left))
    return [held[owner][index] for owner in owners for row in rows([line.box for line in held[owner]]) for index in row]


def _owners(shape: tuple[int, int], cells: Sequence[Span]) -> NDArray[np.intp]:
    """Index of the cell at each place of the grid."""
    owners = np.zeros(shape, dtype=np.intp)
    for index, cell in enumerate(cells):
        owners[cell.top : cell.bottom, cell.left : cell.right] = index
    return owners


def _cell(row: int, column: int, cell: Span, lines: list[ReadLine]) -> list[LineText]:
    if (row, column) == (cell.top, cell.left):
        return [markup("<fcel>"), *_cell_text(lines)] if lines else [markup("<ecel>")]
    if row == cell.top:
        return [markup("<lcel>")]
    return [markup("<ucel>" if column == cell.left else "<xcel>")]


def _cell_text(lines: list[ReadLine]) -> list[LineText]:
    pieces = join_rows([[lines[i] for i in row] for row in rows([line.box for line in lines])])
    return [_escape_tags(piece) for piece in pieces]


def _escape_tags(piece: LineText) -> LineText:
    """Text that shows one of OTSL's tags gets a word joiner into it, which the gateway takes out again."""
    starts = {tag.start() for tag in _TAG.finditer(piece.text)}
    if not starts:
        return piece
    confidences = ((one, one) if at in starts else (one,) for at, one in enumerate(piece.confidences))
    return LineText(_TAG.sub("<\u2060", piece.text), tuple(chain.from_iterable(confidences)))


def _merge_cells(cells: list[Span], touched: list[Span]) -> list[Span]:
    """Joins the touched cells, and whatever their common rectangle reaches into, so that cells never overlap."""
    whole = touched[0]
    while True:
        for cell in touched:
            whole = whole.join(cell)
        grown = [cell for cell in cells if cell.meets(whole)]
        if len(grown) == len(touched):
            return [cell for cell in cells if cell not in touched] + [whole]
        touched = grown


def _find_open_pairs(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
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
            result.extend(_join_pairs(walls, pairs, filled))
    if grid.ruled_rows:
        for row in (row for row in range(1, height) if grid.ys[row] not in grid.open_ys):
            walls = [grid.rulings.wall(False, grid.ys[row], *grid.xs[column : column + 2]) for column in range(width)]
            pairs = [((row - 1, column), (row, column)) for column in range(width)]
            result.extend(_join_pairs(walls, pairs, filled))
    return result


def _join_pairs(walls: list[bool], pairs: list[tuple[Cell, Cell]], filled: set[Cell]) -> list[Span]:
    drawn = sum(walls) >= DRAWN * len(walls)
    return [
        Span(*first, second[0] + 1, second[1] + 1)
        for wall, (first, second) in zip(walls, pairs, strict=True)
        if not wall and (drawn or not {first, second} <= filled)
    ]


def _place_all(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
    """Cells that the texts cover. Without drawn columns, none reaches into a cell that has a text of its own beside
    it: a loose box does."""
    extents = _column_extents(grid, boxes)
    spans = [_place(box, grid, extents) for box in boxes]
    if grid.ruled_columns:
        return spans
    homes: dict[Cell, list[int]] = {}
    for index, box in enumerate(boxes):
        home = _centre(box, grid)
        homes.setdefault((home.top, home.left), []).append(index)

    def is_free(index: int, column: int) -> bool:
        beside = homes.get((spans[index].top, column), [])
        return all(other == index or not _is_level(boxes[index], boxes[other]) for other in beside)

    return [_shrink(span, _centre(boxes[at], grid).left, partial(is_free, at)) for at, span in enumerate(spans)]


def _find_spanners(grid: Grid, boxes: Sequence[Box]) -> list[Span]:
    """Cells of texts that stand alone in the middle of a rule below them, which reaches over several columns but not
    over all: heads of groups of columns, where no columns are drawn."""
    if grid.ruled_columns:
        return []
    places = [_centre(box, grid) for box in boxes]
    found = []
    for box, place in zip(boxes, places, strict=True):
        left, right = _find_rule_below(box, grid, grid.ys[place.bottom])
        inside = [at for at, (x1, x2) in enumerate(pairwise(grid.xs)) if left < (x1 + x2) / 2 < right]
        is_whole = left - grid.xs[0] < grid.rulings.line_height and grid.xs[-1] - right < grid.rulings.line_height
        is_middle = abs(left + right - box[0] - box[2]) <= 2 * grid.rulings.line_height
        beside = [other for other in places if other.top == place.top and other.left in inside]
        if len(inside) > 1 and is_middle and not is_whole and len(beside) == 1:
            found.append(Span(place.top, inside[0], place.bottom, inside[-1] + 1))
    return found


def _find_rule_below(box: Box, grid: Grid, edge: int) -> tuple[int, int]:
    """Where the rule under a text's middle begins and ends, down to its row's lower edge; nowhere without one."""
    middle, reach = (box[0] + box[2]) // 2, round(grid.rulings.line_height / 2)
    mask = grid.rulings.horizontal[(box[1] + box[3]) // 2 : edge + reach]
    if not len(mask) or not mask[:, middle].any():
        return middle, middle
    gaps = np.flatnonzero(~mask[mask[:, middle]].any(axis=0))
    left, right = gaps[gaps < middle], gaps[gaps > middle]
    return int(left[-1]) + 1 if len(left) else 0, int(right[0]) if len(right) else mask.shape[1]


def _shrink(span: Span, home: int, is_free: Callable[[int], bool]) -> Span:
    """The part of the span around its home column whose other columns are free."""
    left = next((column + 1 for column in range(home - 1, span.left - 1, -1) if not is_free(column)), span.left)
    right = next((column for column in range(home + 1, span.right) if not is_free(column)), span.right)
    return Span(span.top, left, span.bottom, right)


def _is_level(box: Box, other: Box) -> bool:
    return abs(box[1] + box[3] - other[1] - other[3]) <= min(box[3] - box[1], other[3] - other[1])


def _column_extents(grid: Grid, boxes: Sequence[Box]) -> list[tuple[int, int]]:
    """From where to where the texts of each column stand that lie in it; its edges where there are none."""
    inside = [[box for box in boxes if left <= box[0] and box[2] <= right] for left, right in pairwise(grid.xs)]
    return [
        (min(box[0] for box in own), max(box[2] for box in own)) if own and not grid.ruled_columns else edges
        for own, edges in zip(inside, pairwise(grid.xs), strict=True)
    ]


def _place(box: Box, grid: Grid, extents: Sequence[tuple[int, int]]) -> Span:
    """Cells that a text covers: its row, and the columns into which it reaches far enough: over other texts, or with a
    good part of its own."""
    reach = CROSSING * grid.rulings.line_height
    centre = _centre(box, grid)
    columns = [
        column
        for column, edges in enumerate(pairwise(grid.xs))
        if _shared(box, edges) > min(reach, (box[2] - box[0]) / 2)
        and (_shared(box, extents[column]) > reach or _shared(box, edges) > CROSSING_SHARE * (box[2] - box[0]))
    ]
    return Span(centre.top, min([*columns, centre.left]), centre.bottom, max([*columns, centre.left]) + 1)


def _shared(box: Box, across: tuple[int, int]) -> int:
    return min(box[2], across[1]) - max(box[0], across[0])


def _centre(box: Box, grid: Grid) -> Span:
    height, width = grid.shape
    column = min(max(int(np.searchsorted(grid.xs, (box[0] + box[2]) / 2, "right")) - 1, 0), width - 1)
    row = min(max(int(np.searchsorted(grid.ys, (box[1] + box[3]) / 2, "right")) - 1, 0), height - 1)
    return Span(row, column, row + 1, column + 1)


def _split(line: TextLine, grid: Grid) -> list[TextLine]:
    x1, y1, x2, y2 = line.box
    margin = CROSSING * grid.rulings.line_height
    cuts = [x for x in grid.xs if x1 + margin < x < x2 - margin and grid.rulings.wall(True, x, y1, y2)]
    edges = [x1, *cuts, x2]
    return [line] if not cuts else [upright_line((left, y1, right, y2), line.score) for left, right in pairwise(edges)]
