"""Which way up a page stands, by its text lines: the way in which PP-OCR reads them best. Slow; a few words do."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np

from gateway.model import BBox, Pixels
from textlines.detection import LineDetector
from textlines.recognition import CtcReading, load_bundled_model
from textlines.vertical_text import set_as_row

MIN_ELONGATION = 1.5
"""Of a line's box: squarer ones tell nothing of its direction."""
MAX_LINES = 4
"""Of a page, read both ways: the longest ones."""
MAX_ELONGATION = 20
"""Of what is read of a line: some ten words tell as much as all. What looks like a line in noise is thinner than any,
and would be read for seconds."""
MIN_READING = 0.85
"""Confidence below which lines count as read in neither way. Scripts that the model can't read get 0.3 to 0.8, and more
on their head at times; print that it knows gets more than 0.9."""
MIN_LEAD = 0.08
"""Confidence by which the right way leads. Lines on their head get 0.1 to 0.5 less."""
_MARGIN = 2
"""Pixels around a line that its recogniser sees, too."""

MIN_SIGNS = 0.5
"""Signs of Chinese and Japanese that are read in a column, for each of its widths."""

Read = Callable[[Pixels], CtcReading]
"""What a picture is read as, taken for an upright line."""


class UnclearDirection(Exception):
    """There are lines, and none of two directions is clearly the better one."""


def read_direction(pixels: Pixels, turn: Callable[[Pixels, int], Pixels], known: Sequence[BBox] | None = None) -> int:
    """Degrees, a multiple of 90, that the page is turned clockwise; 0 where no lines are found.

    `turn` turns a picture counterclockwise by degrees. `known`: the page's text lines, where they were found before; to
    find them is nearly all of the work, half a second of a core. Raises UnclearDirection.
    """
    across, along = _split(known if known is not None else [line.box for line in _detector().look(pixels)])
    if not across and not along:
        return 0
    is_sideways = _length(along) > _length(across)
    boxes, angles = (along, (90, 270)) if is_sideways else (across, (0, 180))
    lines = [_cut(pixels, box) for box in sorted(boxes, key=_long_side, reverse=True)[:MAX_LINES]]
    read = _reader()
    scores = {angle: float(np.mean([read(turn(line, angle)).confidence for line in lines])) for angle in angles}
    # The model reads signs on their left side, too: of columns this turn makes those, of a line that runs up the other.
    if is_sideways and scores[90] >= scores[270] and _are_columns(lines, read):
        return 0
    best, other = sorted(angles, key=scores.__getitem__, reverse=True)
    if scores[best] < MIN_READING or scores[best] - scores[other] < MIN_LEAD:
        raise UnclearDirection
    return best


def _are_columns(lines: Sequence[Pixels], read: Read) -> bool:
    """Whether the signs in lines along the page stand upright: Chinese and Japanese in columns is not turned."""
    return float(np.mean([_score_column(line, read) for line in lines])) >= MIN_READING


def _score_column(line: Pixels, read: Read) -> float:
    row = set_as_row(line)
    if row is None:
        return 0.0
    reading = read(row)
    signs = sum(unicodedata.east_asian_width(sign) in ("W", "F") for sign in reading.text)
    return reading.confidence if signs >= MIN_SIGNS * line.shape[0] / line.shape[1] else 0.0


def _split(boxes: Iterable[BBox]) -> tuple[list[BBox], list[BBox]]:
    """Boxes of lines that lie across the page, and of those along it."""
    across: list[BBox] = []
    along: list[BBox] = []
    for box in boxes:
        width, height = box[2] - box[0], box[3] - box[1]
        if width > MIN_ELONGATION * height:
            across.append(box)
        elif height > MIN_ELONGATION * width:
            along.append(box)
    return across, along


def _long_side(box: BBox) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _length(boxes: Sequence[BBox]) -> int:
    return sum(map(_long_side, boxes))


def _cut(pixels: Pixels, box: BBox) -> Pixels:
    x1, y1, x2, y2 = box
    longest = MAX_ELONGATION * max(min(x2 - x1, y2 - y1), 1)
    x2, y2 = min(x2, x1 + longest), min(y2, y1 + longest)
    return pixels[max(y1 - _MARGIN, 0) : y2 + _MARGIN, max(x1 - _MARGIN, 0) : x2 + _MARGIN]


@cache
def _detector() -> LineDetector:
    return LineDetector()


@cache
def _reader() -> Read:
    model = load_bundled_model()

    def read(line: Pixels) -> CtcReading:
        with model.run([line]) as (scores,):
            return model.decode(scores)

    return read
