"""How much ink the text lines of a page hold, and where lines stand in regions whose lines no detector has told.

Ink is measured on the edges of the page at half its size: they are as long as the strokes of the print, whatever its
paper, and the even parts of pictures have none. Lines are parted by what differs from the paper, whose white space
between them is not narrowed by the edges' width.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.model import BBox, InkedLine, PageLayout, Pixels
from gateway.tasks import OCR_PROMPT, RegionTask
from textlines.glyphs import StrayInk

MIN_EDGE, MIN_CONTRAST = 40, 40
"""Grey levels between neighbours, and between ink and paper, from which on there is a stroke."""
PAPER_STEP = 4
"""Every so many pixels tell the paper of a region."""
BETWEEN_LINES = 0.05
"""Share of a full row's ink that the rows between two lines have at most."""
FULL_ROW = 0.9
"""Quantile of a region's rows that is a full row."""
MIN_ROWS, LOW = 4, 0.5
"""Of half the page's size, and share of the height of a region's other lines; what is lower is a rule, or dots."""
GAP = 1.5
"""White space, in heights of a row, that divides cells and columns."""
RULED, RULE_ASPECT = 0.85, 12
"""Share of a region's width that a rule across it fills, and width to height of any rule."""
MAX_LINES = 2000
"""Of a page; a file may name any number, each of which is compared with all that were read."""
Columns = NDArray[np.intp]


def measure_lines(stray: StrayInk, lines: Sequence[BBox], *, are_rows: bool = False) -> list[InkedLine]:
    """The lines, or what `find_region_lines` takes for such, with their ink; of more than `MAX_LINES` every so many.

    Some 1 ms of CPU for a page.
    """
    if not lines:
        return []
    lines = lines[:: -(-len(lines) // MAX_LINES)]
    sums = cv2.integral(_strokes(stray.edges))
    height, width = stray.edges.shape
    boxes = np.array(lines, dtype=np.int64)
    x1, x2 = (np.clip(boxes[:, side] // 2, 0, width) for side in (0, 2))
    y1, y2 = (np.clip(boxes[:, side] // 2, 0, height) for side in (1, 3))
    ink = sums[y2, x2] - sums[y1, x2] - sums[y2, x1] + sums[y1, x1]
    return [InkedLine(line, max(int(amount), 0), are_rows) for line, amount in zip(lines, ink, strict=True)]


def find_region_lines(stray: StrayInk, layout: PageLayout, tasks: Sequence[RegionTask | None]) -> list[BBox]:
    """Boxes of the lines in the regions of text that are read, where the layout tells no lines: rows of ink between
    rows without. `tasks`: of the regions. Lines that stand upright, or touch, are one; tables, which have rules, have
    none."""
    if layout.lines is not None:
        return []
    pairs = zip(layout.regions, tasks, strict=True)
    read = [region.bbox for region, task in pairs if task and task.prompt == OCR_PROMPT]
    return [line for bbox in read for line in _find_rows(stray.half, bbox)]


def _find_rows(half: Pixels, bbox: BBox) -> list[BBox]:
    left, top, right, bottom = (max(side // 2, 0) for side in bbox)
    if half[top:bottom, left:right].size == 0:
        return []
    part = _find_print(half[top:bottom, left:right])
    rows = cv2.reduce(part, 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0]
    rows[rows > RULED * part.shape[1]] = 0
    full = np.partition(rows, int(FULL_ROW * (len(rows) - 1)))[int(FULL_ROW * (len(rows) - 1))]
    is_inked = np.zeros(len(rows) + 2, dtype=np.bool_)
    is_inked[1:-1] = rows > BETWEEN_LINES * full
    ends = np.flatnonzero(is_inked[1:] != is_inked[:-1]).reshape(-1, 2)
    runs = [(first, last) for first, last in ends.tolist() if last - first >= MIN_ROWS]
    usual = sorted(last - first for first, last in runs)[len(runs) // 2] if runs else 0
    lines: list[BBox] = []
    for first, last in runs:
        columns = np.flatnonzero(cv2.reduce(part[first:last], 0, cv2.REDUCE_MAX)[0])
        if last - first < LOW * usual or not len(columns):
            continue
        for x1, x2 in _split_at_gaps(columns, GAP * (last - first)):
            if not _is_rule(columns, x1, x2, last - first):
                lines.append((2 * (left + x1), 2 * (top + first), 2 * (left + x2), 2 * (top + last)))
    return lines


def _split_at_gaps(columns: Columns, gap: float) -> list[tuple[int, int]]:
    """Where runs of columns begin and end that wide white space divides."""
    breaks = np.flatnonzero(columns[1:] - columns[:-1] > gap).tolist()
    starts, ends = [0, *(index + 1 for index in breaks)], [*breaks, len(columns) - 1]
    return [(int(columns[start]), int(columns[end]) + 1) for start, end in zip(starts, ends, strict=True)]


def _is_rule(columns: Columns, start: int, end: int, height: int) -> bool:
    """Whether ink runs on without any white space for longer than letters do."""
    inked = np.searchsorted(columns, end) - np.searchsorted(columns, start)
    return bool(end - start > RULE_ASPECT * height and inked == end - start)


def _find_print(pixels: Pixels) -> Pixels:
    """1 where an RGB picture differs from its paper, else 0."""
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    paper = np.full_like(gray, int(np.median(gray[::PAPER_STEP, ::PAPER_STEP])))
    return np.asarray(cv2.threshold(cv2.absdiff(gray, paper), MIN_CONTRAST, 1, cv2.THRESH_BINARY)[1], dtype=np.uint8)


def _strokes(edges: Pixels) -> Pixels:
    """1 where a stroke has its edge, else 0."""
    return np.asarray(cv2.threshold(edges, MIN_EDGE - 1, 1, cv2.THRESH_BINARY)[1], dtype=np.uint8)
