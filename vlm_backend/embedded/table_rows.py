"""Rows of tables without rules, by where their texts stand.

The table's model sees columns and spans well, but is often wrong about which rows a name between them belongs to, and
takes each line of cells of several lines for a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import union
from vlm_backend.embedded.reader import ReadLine
from vlm_backend.embedded.tables import Span, Table

GROUP_TOLERANCE = 0.3
"""Rows by which a name may stand off the middle of the rows that it names."""
CORE = 0.6
"""Share of a line's height that holds its print whatever the detector adds."""
ROW_GAP = 1.4
"""White between two rows, in that between two lines of a cell."""
LOOSE = 1.3
"""Distance of two lines of one cell at most, in that of the closest ones."""
BETWEEN = 0.35
"""A line stands between those of another cell if it is so many of their distances away from each: half of one, as both
cells are centred; what is less may be the slant of a photo."""


def group_rows(table: Table) -> Table:
    """The table, with the rows of each column in the groups whose names stand in their middles."""
    middles = _row_middles(table)
    if middles is None:
        return table
    cells, boxes, held = list(table.cells), list(table.boxes), dict(table.held)
    for column in range(table.shape[1]):
        own = [index for index, cell in enumerate(table.cells) if cell.left <= column < cell.right]
        names = sorted((index for index in own if index in held), key=lambda index: cells[index].top)
        if any(cells[index].right - cells[index].left > 1 for index in own) or not _is_misplaced(table, names, middles):
            continue
        groups = _partition_rows([_middle(held[index]) for index in names], middles)
        if groups is None:
            continue
        for index in set(own) - set(names):
            cells[index] = Span(0, column, 0, column)  # its rows belong to the names now
        for index, (top, bottom) in zip(names, groups, strict=True):
            cells[index] = Span(top, column, bottom, column + 1)
            left, _, right, _ = union([table.boxes[index] for index in own])
            beside = [
                box
                for cell, box in zip(table.cells, table.boxes, strict=True)
                if top <= cell.top and cell.bottom <= bottom
            ]
            boxes[index] = (left, min(box[1] for box in beside), right, max(box[3] for box in beside))
    kept = [index for index, cell in enumerate(cells) if cell.top < cell.bottom]
    numbers = {index: number for number, index in enumerate(kept)}
    lines = {numbers[index]: own_lines for index, own_lines in held.items()}
    return Table(table.shape, [cells[index] for index in kept], [boxes[index] for index in kept], lines)


def _row_middles(table: Table) -> NDArray[np.float64] | None:
    """Of the texts that stand in one row alone, by row; None where a row has no such text, or the rows are not in
    order."""
    texts: list[list[float]] = [[] for _ in range(table.shape[0])]
    for index, lines in table.held.items():
        if table.cells[index].bottom - table.cells[index].top == 1:
            texts[table.cells[index].top].append(_middle(lines))
    if len(texts) < 2 or not all(texts):
        return None
    middles = np.array([np.median(row) for row in texts])
    return middles if (np.diff(middles) > 0).all() else None


def _is_misplaced(table: Table, names: Sequence[int], middles: NDArray[np.float64]) -> bool:
    """Whether a name of several rows stands neither in their middle nor at the first one, as names of groups do."""
    pitch = float(np.diff(middles).mean())
    for index in names:
        cell, place = table.cells[index], _middle(table.held[index])
        usual = (middles[cell.top], (middles[cell.top] + middles[cell.bottom - 1]) / 2)
        if cell.bottom - cell.top > 1 and min(abs(place - other) for other in usual) > GROUP_TOLERANCE * pitch:
            return True
    return False


def _partition_rows(places: Sequence[float], middles: NDArray[np.float64]) -> list[tuple[int, int]] | None:
    """All rows in groups one after the other, each in the middle of its rows; None where there are none such."""
    pitch = float(np.diff(middles).mean())
    groups: list[tuple[int, int]] = []
    top = 0
    for place in places:
        if top == len(middles):
            return None
        bottom = top + 1 + int(abs((middles[top] + middles[top:]) / 2 - place).argmin())
        if abs((middles[top] + middles[bottom - 1]) / 2 - place) > GROUP_TOLERANCE * pitch:
            return None
        groups.append((top, bottom))
        top = bottom
    return groups if top == len(middles) else None


def join_wrapped_rows(table: Table) -> Table:
    """The table, with one row for the lines of cells that are wrapped. White wider than between these parts rows; that
    they are wrapped is sure where lines of two cells stand between each other, as those of rows never do."""
    columns: dict[int, list[ReadLine]] = {}
    for index, lines in table.held.items():
        columns.setdefault(table.cells[index].left, []).extend(lines)
    distances = [
        below - above
        for lines in columns.values()
        for above, below in pairwise(sorted(_middle([line]) for line in lines))
    ]
    every = [line for lines in columns.values() for line in lines]
    height = float(np.median([_height(line) for line in every]))
    pitch = min((distance for distance in distances if distance > CORE * height), default=0.0)
    edges = _find_row_edges(every, ROW_GAP * (pitch - CORE * height))
    if not edges or len(edges) + 1 >= table.shape[0] or not _are_wrapped(list(columns.values()), edges, pitch):
        return table
    return _build_rows(table, edges)


def _find_row_edges(lines: Sequence[ReadLine], least: float) -> list[float]:
    """Middles of the white that is wider than `least`."""
    cores = sorted(
        (_middle([line]) - CORE * _height(line) / 2, _middle([line]) + CORE * _height(line) / 2) for line in lines
    )
    edges, bottom = [], cores[0][1]
    for top, end in cores:
        if top - bottom > least:
            edges.append((top + bottom) / 2)
        bottom = max(bottom, end)
    return edges


def _are_wrapped(columns: Sequence[Sequence[ReadLine]], edges: Sequence[float], pitch: float) -> bool:
    """Whether each cell's lines are close together, and those of some stand between those of another."""
    rows: dict[int, list[list[float]]] = {}
    for lines in columns:
        own: dict[int, list[float]] = {}
        for place in sorted(_middle([line]) for line in lines):
            own.setdefault(int(np.searchsorted(edges, place)), []).append(place)
        for row, places in own.items():
            if any(below - above > LOOSE * pitch for above, below in pairwise(places)):
                return False
            rows.setdefault(row, []).append(places)
    return any(
        _stand_between(places, others, pitch)
        for cells in rows.values()
        for places in cells
        for others in cells
        if len(places) > 1 and len(others) > 1
    )


def _stand_between(places: Sequence[float], others: Sequence[float], pitch: float) -> bool:
    if len(places) % 2 == len(others) % 2:
        return False  # centred, their lines stand beside each other
    inside = [place for place in places if others[0] < place < others[-1]]
    return any(min(abs(place - other) for other in others) > BETWEEN * pitch for place in inside)


def _build_rows(table: Table, edges: Sequence[float]) -> Table:
    """The lines in the columns of their cells, and in the rows between the edges."""
    rows, width = len(edges) + 1, table.shape[1]
    owners: dict[tuple[int, int], Span] = {}
    placed = [(table.cells[index], line) for index, lines in table.held.items() for line in lines]
    for cell, line in placed:
        row = int(np.searchsorted(edges, _middle([line])))
        joined = Span(row, cell.left, row + 1, cell.right)
        for column in range(cell.left, cell.right):
            joined = joined.join(owners.get((row, column), joined))
        for column in range(joined.left, joined.right):
            owners[row, column] = joined
    for row, column in np.ndindex(rows, width):
        owners.setdefault((row, column), Span(row, column, row + 1, column + 1))
    cells = sorted(set(owners.values()), key=lambda cell: (cell.top, cell.left))
    numbers = {cell: number for number, cell in enumerate(cells)}
    held: dict[int, list[ReadLine]] = {}
    for cell, line in placed:
        row = int(np.searchsorted(edges, _middle([line])))
        held.setdefault(numbers[owners[row, cell.left]], []).append(line)
    x1, y1, x2, y2 = union(table.boxes)
    xs = _column_edges(table, x1, x2)
    ys = [y1, *(round(edge) for edge in edges), y2]
    boxes = [(xs[cell.left], ys[cell.top], xs[cell.right], ys[cell.bottom]) for cell in cells]
    return Table((rows, width), cells, boxes, held)


def _column_edges(table: Table, left: int, right: int) -> list[int]:
    """Where the cells that begin in each column do so, in the middle; and the table's right side."""
    edges = [left]
    for column in range(1, table.shape[1]):
        starts = [box[0] for cell, box in zip(table.cells, table.boxes, strict=True) if cell.left == column]
        edges.append(max(edges[-1] + 1, round(float(np.median(starts))) if starts else edges[-1] + 1))
    return [*edges, max(right, edges[-1] + 1)]


def _middle(lines: Sequence[ReadLine]) -> float:
    _, top, _, bottom = union([line.box for line in lines])
    return (top + bottom) / 2


def _height(line: ReadLine) -> int:
    return line.box[3] - line.box[1]
