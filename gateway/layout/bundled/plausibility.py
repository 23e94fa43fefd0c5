"""Whether a page's text lines bear out what the layout model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.geometry import Rectangle, area, intersection_area, union
from gateway.layout.base import Detection
from gateway.model import BBox
from textlines.paragraphs import paragraphs, rows

PICTURE, TABLE, FORMULA = "image", "table", "display_formula"
MARGIN_LABELS = {"header", "footer"}

PROSE_ROWS = 6  # a paragraph of at least so many rows ...
PROSE_FILL = 0.8  # ... most of which reach over this share of its width ...
PROSE_WIDTH = 8  # ... and that is at least so many line heights wide is prose
PROSE_SHARE = 0.5  # share of a box's lines that are prose from which it is neither a table nor a picture
PICTURE_TEXT_DENSITY = 0.2  # a picture whose text lines cover more of it than this is text
PICTURE_TEXT_LINES = 6
TABLE_ROWS_WITH_CELLS = 0.3  # share of a table's rows that hold two cells or more
FORMULA_LINES = 6
MARGIN = 0.1  # headers and footers stand in this outer share of the page's height
MARGIN_ROWS = 2
HEADING_SIZE = 1.3  # a "header" this much larger than the page's lines is a heading
CERTAIN = 0.8  # score from which a table or picture may hold some prose
INSIDE = 0.5  # a line belongs to the detection that holds this share of its area


def correct_label(detection: Detection, page_lines: Sequence[BBox]) -> Detection:
    """A running header is not set larger than the page's text: such a one is a heading, as on slides."""
    lines = find_lines(page_lines, detection)
    if detection.label != "header" or not lines:
        return detection
    larger = _typical_height(lines) > HEADING_SIZE * _typical_height(page_lines)
    return replace(detection, label="paragraph_title") if larger else detection


def is_plausible(detection: Detection, page_lines: Sequence[BBox], height: int) -> bool:
    """Whether a detection on a page of `height` pixels agrees with its lines: a picture full of prose does not."""
    lines = find_lines(page_lines, detection)
    prose = _prose_share(lines) if detection.label in {PICTURE, TABLE, FORMULA} else 0.0
    if prose > (PROSE_SHARE if detection.score >= CERTAIN else 0.0):
        return False
    if detection.label == PICTURE:
        return len(lines) < PICTURE_TEXT_LINES or _density(lines, detection.box) < PICTURE_TEXT_DENSITY
    if detection.label == TABLE:
        return _has_cells(lines)
    if detection.label == FORMULA:
        return len(lines) <= FORMULA_LINES
    if detection.label in MARGIN_LABELS:
        return _is_in_margin(detection, height) and len(rows(lines)) <= MARGIN_ROWS
    return True


def _prose_share(lines: list[BBox]) -> float:
    groups = [[lines[i] for i in group] for group in paragraphs(lines)]
    return sum(len(group) for group in groups if _is_paragraph(group)) / max(len(lines), 1)


def _is_paragraph(group: list[BBox]) -> bool:
    x1, _, x2, _ = union(group)
    text_widths = [sum(group[i][2] - group[i][0] for i in row) for row in rows(group)]
    line_height = _typical_height(group)
    filled = float(np.median(text_widths)) >= PROSE_FILL * (x2 - x1)
    return len(text_widths) >= PROSE_ROWS and filled and x2 - x1 >= PROSE_WIDTH * line_height


def _typical_height(lines: Sequence[BBox]) -> float:
    return float(np.median([line[3] - line[1] for line in lines]))


def _has_cells(lines: list[BBox]) -> bool:
    table = rows(lines)
    with_cells = sum(len(row) > 1 for row in table)
    return len(table) > 1 and with_cells >= TABLE_ROWS_WITH_CELLS * len(table)


def _is_in_margin(detection: Detection, height: int) -> bool:
    middle = (detection.box[1] + detection.box[3]) / 2 / height
    return middle < MARGIN if detection.label == "header" else middle > 1 - MARGIN


def _density(lines: list[BBox], box: Rectangle) -> float:
    return sum(area(line) for line in lines) / max(area(box), 1.0)


def find_lines(lines: Sequence[BBox], detection: Detection) -> list[BBox]:
    return [line for line in lines if contains_line(detection, line)]


def contains_line(detection: Detection, line: BBox) -> bool:
    x1, y1, x2, y2 = detection.box
    centred = x1 < (line[0] + line[2]) / 2 < x2 and y1 < (line[1] + line[3]) / 2 < y2
    return centred or intersection_area(line, detection.box) > INSIDE * area(line)
