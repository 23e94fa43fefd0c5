"""What tells of a table's rows beside its cells: printed lines, rules from side to side, shades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, union
from textlines.detection import Pixels
from vlm_backend.embedded.edges import Rulings
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.tables import Table

LEVEL = 0.2
"""Texts whose baselines differ by less than this share of a line's height stand in one printed line."""
DENSE, SPARSE = 0.5, 0.15
"""Share of the ink of a line's usual row of pixels that the row at its baseline has; those below hold descenders alone.
Chinese has none, but thin feet."""
FAINT = 0.05
"""Share of the ink of a line's fullest row that an empty one may have."""
FIRST_HAN = "\u2e80"
END_ROWS, MAX_INTRUSION = 3, 0.2
"""The top of the next line stands in a box's last rows of pixels, in such a share of its height at most."""
SMOOTH = 0.1
"""Of a line's height, over which rows of pixels are averaged: a row of thin strokes is no edge."""
FULL = 0.8
"""Share of the table's width that a rule between two rows covers."""
SHADE = 5.0
"""Levels of 255 by which a shaded row differs from the next one; noise of JPEG is less."""
MIN_SHADED = 0.5
"""Of a line's height: a strip of one shade that is less high is a rule or an edge."""


@dataclass(frozen=True, slots=True)
class PrintedLines:
    """The printed lines in which texts stand, from the top: their baselines, and the number of each text's line.
    `height`: of a text's box."""

    baselines: NDArray[np.float64]
    height: float
    _numbers: dict[int, int]

    def number(self, line: ReadLine) -> int:
        return self._numbers[id(line)]


def find_printed_lines(pixels: Pixels, lines: Sequence[ReadLine]) -> PrintedLines:
    """Of at least one text. What it returns serves as long as `lines` live."""
    height = float(np.median([line.box[3] - line.box[1] for line in lines]))
    baselines = [_find_baseline(pixels, line) for line in lines]
    numbers, groups = dict[int, int](), list[list[float]]()
    for index in np.argsort(baselines).tolist():
        if not groups or baselines[index] - float(np.mean(groups[-1])) > LEVEL * height:
            groups.append([])
        groups[-1].append(baselines[index])
        numbers[id(lines[index])] = len(groups) - 1
    return PrintedLines(np.array([np.mean(group) for group in groups]), height, numbers)


def _find_baseline(pixels: Pixels, line: ReadLine) -> float:
    """y of the line on which the letters of a text stand; boxes of detected lines are too loose to tell."""
    x1, y1, x2, y2 = line.box
    dense = SPARSE if any(character >= FIRST_HAN for character in line.text.text) else DENSE
    part = pixels[max(y1, 0) : y2, max(x1, 0) : x2].mean(axis=2, dtype=np.float32)
    if part.size == 0:
        return float(y2)
    ink = np.abs(part - np.median(part, axis=1, keepdims=True)).sum(axis=1)  # without rules and the edges of shades
    width = max(1, round(SMOOTH * (y2 - y1)))
    profile = np.convolve(ink, np.ones(width) / width, "same")
    if not profile.any():
        return float(y2)
    usual = float(np.median(profile[profile > FAINT * profile.max()]))
    filled = np.flatnonzero(profile >= dense * usual)
    runs = np.split(filled, np.flatnonzero(np.diff(filled) > 1) + 1)
    is_at_end = len(profile) - runs[-1][-1] <= END_ROWS and len(runs[-1]) <= MAX_INTRUSION * len(profile)
    last = runs[-2] if len(runs) > 1 and is_at_end else runs[-1]
    return float(max(y1, 0) + last[-1] + 1)


def find_full_rules(rulings: Rulings, table: Table) -> list[int]:
    """y of the rules that go from one side of the texts to the other."""
    x1, _, x2, _ = _text_box(table)
    found = []
    for y in rulings.positions(vertical=False):
        reach = max(2, round(rulings.line_height / 4))
        band = rulings.horizontal[max(0, y - reach) : y + reach + 1, x1:x2]
        if band.any(axis=0).mean() >= FULL:
            found.append(y)
    return found


def find_shade_edges(pixels: Pixels, table: Table, height: float) -> list[int]:
    """y where the paper's shade changes across the table, at least twice."""
    x1, y1, x2, y2 = _text_box(table)
    paper = np.median(pixels[y1:y2, x1:x2].astype(np.float32), axis=1)
    starts = [0, *(np.flatnonzero(np.abs(np.diff(paper, axis=0)).max(axis=1) > SHADE) + 1).tolist(), len(paper)]
    strips = [(start, end) for start, end in pairwise(starts) if end - start >= MIN_SHADED * height]
    shades = [np.median(paper[start:end], axis=0) for start, end in strips]
    return [
        y1 + (above[1] + below[0]) // 2
        for (above, below), (shade, other) in zip(pairwise(strips), pairwise(shades), strict=True)
        if np.abs(shade - other).max() > SHADE
    ]


def _text_box(table: Table) -> Box:
    x1, y1, x2, y2 = union([line.box for lines in table.held.values() for line in lines])
    return max(x1, 0), max(y1, 0), x2, y2
