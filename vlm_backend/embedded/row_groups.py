"""Groups of rows in tables without rules: the model sees that a name has several rows, and often mistakes which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from common.geometry import union
from vlm_backend.embedded.reader import ReadLine
from vlm_backend.embedded.tables import Span, Table

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


def _middle(lines: Sequence[ReadLine]) -> float:
    _, top, _, bottom = union([line.box for line in lines])
    return (top + bottom) / 2
