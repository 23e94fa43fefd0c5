"""Groups of rows with a name, in tables without rules around each cell.

The model sees that a name has several rows, and often mistakes which: names stand in the middles of their rows, or
rules between rows leave them out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, union
from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine, is_number
from vlm_backend.embedded.tables import Span, Table

RULED = 0.6
"""Share of the edges between rows that have rules where rows are ruled."""
NAME_PITCH = 0.85
"""Distance of two lines of a name at most, in that of two rows."""
GROUP_TOLERANCE = 0.3
"""Rows by which a name may stand off the middle of the rows that it names."""


def group_rows(table: Table) -> Table:
    """The table, with the rows of each column in the groups whose names stand in their middles."""
    middles = _row_middles(table)
    if middles is None:
        return table
    cells, boxes, held = list(table.cells), list(table.boxes), dict(table.held)
    for column in range(table.shape[1]):
        own = [index for index, cell in enumerate(table.cells) if cell.left <= column < cell.right]
        names = _find_names(table, own, middles)
        is_of_names = all(cells[index].right - cells[index].left == 1 for index in own) and not _has_numbers(names)
        if not is_of_names or not _is_misplaced(table, own, names, middles):
            continue
        groups = _partition_rows([_middle(lines) for lines in names], middles)
        if groups is None:
            continue
        left, _, right, _ = union([table.boxes[index] for index in own])
        for index in own:
            cells[index] = Span(0, column, 0, column)  # its rows belong to the names now
            held.pop(index, None)
        for lines, (top, bottom) in zip(names, groups, strict=True):
            held[len(cells)] = lines
            cells.append(Span(top, column, bottom, column + 1))
            beside = [
                box
                for cell, box in zip(table.cells, table.boxes, strict=True)
                if top <= cell.top and cell.bottom <= bottom
            ]
            boxes.append((left, min(box[1] for box in beside), right, max(box[3] for box in beside)))
    return _drop_cells(table.shape, cells, boxes, held)


def group_ruled_rows(rulings: Rulings, table: Table) -> Table:
    """The table, with one cell where rules part nearly all rows and leave a column out."""
    middles = _row_middles(table)
    if middles is None:
        return table
    columns = _column_boxes(table)

    def parts_rows(y: int) -> bool:
        """Whether a rule leaves one column out at most: a line to write on stands below one field."""
        return sum(rulings.wall(False, y, left, right) for left, _, right, _ in columns) >= max(len(columns) - 1, 1)

    rules = list(filter(parts_rows, rulings.positions(vertical=False)))
    edges = [next((y for y in rules if above < y < below), None) for above, below in pairwise(middles)]
    if len(edges) - edges.count(None) < RULED * len(edges):
        return table
    cells, boxes, held = list(table.cells), list(table.boxes), dict(table.held)
    for column in range(table.shape[1]):
        own = sorted((index for index, cell in enumerate(cells) if cell.left == column), key=lambda i: cells[i].top)
        if any(cells[index].right - cells[index].left > 1 or cells[index].top == cells[index].bottom for index in own):
            continue
        left, _, right, _ = union([boxes[index] for index in own])
        for above, below in pairwise(own):
            y = edges[cells[below].top - 1] if cells[above].bottom == cells[below].top else None
            if y is None or {above, below} <= held.keys() or rulings.wall(False, y, left, right):
                continue
            cells[below], boxes[below] = cells[above].join(cells[below]), union([boxes[above], boxes[below]])
            cells[above] = Span(0, column, 0, column)
            if lines := [*held.pop(above, []), *held.pop(below, [])]:
                held[below] = lines
    return _drop_cells(table.shape, cells, boxes, held)


def _column_boxes(table: Table) -> list[Box]:
    """Of the columns that have cells of their own."""
    boxes: dict[int, list[Box]] = {}
    for cell, box in zip(table.cells, table.boxes, strict=True):
        if cell.right - cell.left == 1:
            boxes.setdefault(cell.left, []).append(box)
    return [union(own) for own in boxes.values()]


def _drop_cells(shape: tuple[int, int], cells: list[Span], boxes: list[Box], held: dict[int, list[ReadLine]]) -> Table:
    """The table without the cells that have no rows."""
    kept = [index for index, cell in enumerate(cells) if cell.top < cell.bottom]
    numbers = {index: number for number, index in enumerate(kept)}
    lines = {numbers[index]: own_lines for index, own_lines in held.items()}
    return Table(shape, [cells[index] for index in kept], [boxes[index] for index in kept], lines)


def _find_names(table: Table, own: Sequence[int], middles: NDArray[np.float64]) -> list[list[ReadLine]]:
    """The lines of a column's names, which are closer to each other than rows are."""
    pitch = float(np.median(np.diff(middles)))
    names: list[list[ReadLine]] = []
    for line in sorted((line for index in own for line in table.held.get(index, [])), key=lambda one: _middle([one])):
        if names and _middle([line]) - _middle([names[-1][-1]]) < NAME_PITCH * pitch:
            names[-1].append(line)
        else:
            names.append([line])
    return names


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


def _has_numbers(names: Sequence[Sequence[ReadLine]]) -> bool:
    """Whether a name would hold several numbers."""
    return any(sum(is_number(line.text.text) for line in lines) > 1 for lines in names)


def _is_misplaced(
    table: Table, own: Sequence[int], names: Sequence[Sequence[ReadLine]], middles: NDArray[np.float64]
) -> bool:
    """Whether a name stands neither in the middle of its rows nor at the first one, as names of groups do; or names of
    several rows stand beside rows without one, or a name in two cells."""
    pitch = float(np.diff(middles).mean())
    large = [index for index in own if table.cells[index].bottom - table.cells[index].top > 1]
    for index in own:
        cell = table.cells[index]
        usual = (middles[cell.top], (middles[cell.top] + middles[cell.bottom - 1]) / 2)
        place = _middle(table.held[index]) if index in table.held else math.inf if index in large else usual[0]
        if min(abs(place - other) for other in usual) > GROUP_TOLERANCE * pitch:
            return True
    has_bare_rows = len(set(own) & set(table.held)) < len(own)
    owners = {id(line): index for index in own for line in table.held.get(index, [])}
    is_torn = any(len({owners[id(line)] for line in lines}) > 1 for lines in names)
    return bool(large) and (has_bare_rows or is_torn)


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


def _middle(lines: Sequence[ReadLine]) -> float:
    _, top, _, bottom = union([line.box for line in lines])
    return (top + bottom) / 2
