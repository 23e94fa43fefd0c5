"""Slanted heads of a table's columns, which stand in its grid where their feet do: their boxes reach over others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from common.geometry import Box
from textlines.detection import Pixels, TextLine
from textlines.frame import find_foot, find_frame, find_slanted
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.tables import Table


def part_heads(lines: Sequence[TextLine], pixels: Pixels) -> tuple[list[TextLine], list[TextLine]]:
    """The slanted lines of a crop, and the others; none are heads where no line runs level."""
    slanted = find_slanted(lines, find_frame(lines, pixels.shape[1], pixels.shape[0]))
    heads = [line for index, line in enumerate(lines) if index in slanted]
    level = [line for index, line in enumerate(lines) if index not in slanted]
    return (heads, level) if level else ([], heads)


def find_feet(heads: Sequence[TextLine]) -> list[Box]:
    """Where the heads stand; those of a row, whose ends are found a little higher or lower, level."""
    feet = [find_foot(head) for head in heads]
    return [_set_level(foot, [other for other in feet if _are_level(foot, other)]) for foot in feet]


def stand_at_feet(lines: Sequence[ReadLine], heads: Sequence[TextLine], feet: Sequence[Box]) -> list[ReadLine]:
    """The lines, the heads among them with their feet for boxes."""
    return [_set_box(line, heads, feet) for line in lines]


def lift_heads(table: Table, heads: Sequence[TextLine]) -> Table:
    """The table, its heads' lines with their own boxes again."""
    if not heads:
        return table
    boxes = [head.box for head in heads]
    held = {cell: [_set_box(line, heads, boxes) for line in lines] for cell, lines in table.held.items()}
    return replace(table, held=held)


def _set_box(line: ReadLine, heads: Sequence[TextLine], boxes: Sequence[Box]) -> ReadLine:
    at = next((at for at, head in enumerate(heads) if line.place is head), None)
    return line if at is None else replace(line, box=boxes[at])


def _are_level(foot: Box, other: Box) -> bool:
    return abs(foot[3] - other[3]) <= foot[3] - foot[1]


def _set_level(foot: Box, row: Sequence[Box]) -> Box:
    top, bottom = (round(median(other[side] for other in row)) for side in (1, 3))
    return foot[0], top, foot[2], bottom
