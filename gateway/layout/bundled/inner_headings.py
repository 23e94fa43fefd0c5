"""Headings within a text that a model took for one block: bold or coloured rows above its paragraphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np

from common.geometry import union
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import BOLDER, TEXT, TITLE, find_lines, measure_stroke
from gateway.model import BBox, Pixels
from textlines.paragraphs import rows

TEXTS = frozenset({TEXT, "reference_content"})
MIN_ROWS, MIN_WIDTH = 5, 20.0
"""Rows of such a text at least, and its width in line heights."""
SHORT, FULL = 0.6, 0.8
"""Share of its width that a heading takes at most, and that the row below it takes at least: a paragraph begins there,
or another heading stands there."""
FLUSH = 0.6
"""How far a heading may begin from the text's left edge, in line heights."""
SPACE = 1.15
"""Pitch above a heading beside the usual one of the text."""
MAX_SHARE = 0.34
"""Of the rows that are headings: a list whose entries are bold has more."""
DARKER, THICKER = 1.25, 1.08
"""How much more ink a bold row has for its width, and how much thicker its strokes are at least: those of small print
are hardly more than a pixel."""
COLOURED = 60
"""Levels by which the colour of print differs from black or grey."""


def part_headings(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, texts parted at their headings. `lines`: the page's."""
    return [part for detection in detections for part in _part(detection, lines, pixels)]


def _part(detection: Detection, lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    if detection.label not in TEXTS:
        return [detection]
    own = find_lines(lines, detection)
    table = [[own[at] for at in row] for row in rows(own)]
    if len(table) < MIN_ROWS:
        return [detection]
    headings = _find_headings(table, pixels)
    if not headings or len(headings) > MAX_SHARE * len(table):
        return [detection]
    return _cut(detection, [union(row) for row in table], headings)


def _find_headings(table: Sequence[Sequence[BBox]], pixels: Pixels) -> set[int]:
    """Indices of the rows that are headings."""
    boxes = [union(row) for row in table]
    left, _, right, _ = union(boxes)
    height = float(np.median([y2 - y1 for _, y1, _, y2 in boxes]))
    full = [at for at, box in enumerate(boxes) if box[2] - box[0] >= FULL * (right - left)]
    if right - left < MIN_WIDTH * height or 2 * len(full) < len(boxes):
        return set()
    stroke = float(np.median([measure_stroke(boxes[at], pixels) * (boxes[at][3] - boxes[at][1]) for at in full]))
    ink = float(np.median([_measure_ink(boxes[at], pixels) for at in full]))
    colour = float(np.median([_measure_colour(boxes[at], pixels) for at in full]))
    middles = [(y1 + y2) / 2 for _, y1, _, y2 in boxes]
    pitches = [below - above for above, below in pairwise(middles)]
    usual = float(np.quantile(pitches, 0.25))

    def is_heading(at: int) -> bool:
        box = boxes[at]
        is_short = len(table[at]) == 1 and box[2] - box[0] <= SHORT * (right - left) and at + 1 < len(boxes)
        is_apart = at == 0 or pitches[at - 1] >= SPACE * usual
        if not is_short or not is_apart or box[0] - left > FLUSH * height:
            return False
        thickness = measure_stroke(box, pixels) * (box[3] - box[1])
        is_dark = _measure_ink(box, pixels) > DARKER * ink and thickness > THICKER * stroke
        return is_dark or thickness > BOLDER * stroke or _measure_colour(box, pixels) > colour + COLOURED

    found: set[int] = set()
    for at in reversed(range(len(boxes))):
        if is_heading(at) and (at + 1 in found or at + 1 in full):
            found.add(at)
    return found


def _cut(detection: Detection, boxes: Sequence[BBox], headings: set[int]) -> list[Detection]:
    """The parts from the top: each heading alone, and the texts between them."""
    x1, top, x2, bottom = detection.box
    edges = [top, *((above[3] + below[1]) / 2 for above, below in pairwise(boxes)), bottom]
    parts: list[Detection] = []
    start = 0
    for end in range(1, len(boxes) + 1):
        if end == len(boxes) or end in headings or end - 1 in headings:
            label = TITLE if start in headings else detection.label
            parts.append(replace(detection, label=label, box=(x1, edges[start], x2, edges[end])))
            start = end
    return parts


def _measure_ink(line: BBox, pixels: Pixels) -> float:
    """Darkness of a line's print for each pixel of its width."""
    part = _cut_out(line, pixels)
    if not part.size:
        return 0.0
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    paper = float(np.median(grey))
    return float(np.clip(paper - grey.astype(np.float64), 0, None).sum()) / len(part[0])


def _cut_out(line: BBox, pixels: Pixels) -> Pixels:
    x1, y1, x2, y2 = line
    return np.ascontiguousarray(pixels[max(y1, 0) : y2, max(x1, 0) : x2])


def _measure_colour(line: BBox, pixels: Pixels) -> float:
    """How far the print is from black or grey, in levels: what its darkest tenth has."""
    part = _cut_out(line, pixels)
    if not part.size:
        return 0.0
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    ink = part[grey <= np.quantile(grey, 0.1)].astype(np.int16)
    return float(np.median(np.ptp(ink, axis=1)))
