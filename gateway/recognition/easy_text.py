"""Which text PP-OCR reads as well as a VLM: told before it is asked by the layout, and afterwards by what it read.

The numbers were chosen on scans whose text is known, in some 40 languages and badly scanned too. `make bench-hybrid`
counts what they let pass.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from common.geometry import area, intersection_area
from gateway.labels import is_formula
from gateway.model import BBox, Box, PageLayout, Reading, Region, TextLine
from gateway.tasks import RegionTask
from gateway.text_layer.region_text import TEXT_LABELS

MIN_LETTER_CONFIDENCE = 0.85
"""Confidence of the letter of a line that the recogniser is least sure of; a line with less is in doubt. A letter that
it does not know, or can't see, is told by it better than by the mean of a line, which a hundred good letters hide."""
WRONG_LETTER = 0.5
"""No letter may have less."""
LETTERS_A_DOUBT = 400
"""Of a text, for each of its lines that is in doubt. If each of those has one letter wrong, it is one in 400, where the
edit distance may grow by one in 200."""
MIN_LINE_CONFIDENCE = 0.95
MIN_LETTERS = 2
"""Letters and digits of a text: one alone may as well be a stroke ..."""
CLEAR_DIGITS = frozenset("23456789")
"""... but for these, which look like no other sign: the numbers of pages."""
DIGIT_WIDTH = 0.35
"""Least width of a digit, as a share of its line's height. Two that stand over each other, as a fraction's do, have
less."""
BESIDE = 0.5
"""Two lines stand in one row that have more than this in common of the lower one's height, and less of the shorter
one's length: lines of a page that is turned a little have both."""
HELD = 0.5
"""Share of a row of ink that lines of its level take where it is among what was read."""

_DOUBTFUL = re.compile(
    r"""[=±×÷√^_{}\\|<>~°µªº®]      # signs of formulas and of what is raised
    | [\u0370-\u03ff]               # Greek
    | [\u00b2\u00b3\u00b9\u2070-\u209f]  # raised and lowered
    | \ …\                         # where the embedded engine has seen the dots of a leader, or noise like them
    | [\u2100-\u2115\u2117-\u22ff]  # signs that look like letters (but for №), arrows, operators
    | [A-Za-z]\d | \d[A-Za-z]       # H2O, x1, note3: PP-OCR writes indices and exponents like this
    | (?<![\w.'’(/-])[b-df-hj-np-rtx](?![\w.'’)/-])  # a variable
    """,
    re.VERBOSE,
)


def may_be_easy(parts: Sequence[Region], layout: PageLayout) -> bool:
    """Whether regions that are read as one are running text, and no formula was seen in them."""
    formulas = [region.bbox for region in layout.detections if is_formula(region.label)]
    return all(
        part.label in TEXT_LABELS and not any(intersection_area(part.bbox, formula) for formula in formulas)
        for part in parts
    )


def is_easy(reading: Reading, task: RegionTask, rows: Sequence[BBox] = ()) -> bool:
    """Whether the embedded engine's reading of a region is as good as a VLM's: whole, sure of each line and letter,
    of lines below each other, and without what may be mathematics or a leader.

    `rows`: of ink in the region, which tell of lines that the engine has not seen.
    """
    if reading.status != "ok" or not reading.lines or reading.noise or not _is_read_for_sure(reading):
        return False
    if not _has_letters(reading.text) or _DOUBTFUL.search(reading.text) or any(map(_is_stacked, reading.lines)):
        return False
    if min(line.confidence or 0 for line in reading.lines) < MIN_LINE_CONFIDENCE:
        return False
    if task.min_confidence is not None and (reading.confidence or 0) < task.min_confidence:
        return False
    boxes = [line.bbox for line in reading.lines]
    return _is_in_order(boxes) and all(_is_held(row, boxes) for row in rows)


def _is_held(row: BBox, boxes: Sequence[Box]) -> bool:
    level = [box for box in boxes if _common_share(box[1::2], row[1::2]) > BESIDE]
    return sum(intersection_area(box, row) for box in level) >= HELD * area(row)


def _is_in_order(boxes: Sequence[Box]) -> bool:
    """Whether the order of lines is beyond doubt: below each other, or all in one row."""
    below = sorted(boxes, key=lambda box: box[1])
    beside = [_are_beside(one, other) for one, other in pairwise(below)]
    return not any(beside) or (all(beside) and _common_share(below[0][1::2], below[-1][1::2]) > BESIDE)


def _is_read_for_sure(reading: Reading) -> bool:
    if reading.least_confidences is None or min(reading.least_confidences) < WRONG_LETTER:
        return False
    in_doubt = sum(confidence < MIN_LETTER_CONFIDENCE for confidence in reading.least_confidences)
    return in_doubt * LETTERS_A_DOUBT <= sum(map(str.isalnum, reading.text))


def _has_letters(text: str) -> bool:
    return sum(map(str.isalnum, text)) >= MIN_LETTERS or text.strip() in CLEAR_DIGITS


def _is_stacked(line: TextLine) -> bool:
    """Whether digits alone stand in less room than a row of them takes."""
    x1, y1, x2, y2 = line.bbox
    return line.text.isdigit() and x2 - x1 < DIGIT_WIDTH * len(line.text) * (y2 - y1)


def _are_beside(one: Box, other: Box) -> bool:
    """Whether two lines stand in one row, where the order of a text is open to doubt."""
    return _common_share(one[1::2], other[1::2]) > BESIDE and _common_share(one[::2], other[::2]) < BESIDE


def _common_share(one: Sequence[float], other: Sequence[float]) -> float:
    """What two ranges have in common, as a share of the shorter one."""
    shorter = min(one[1] - one[0], other[1] - other[0])
    return (min(one[1], other[1]) - max(one[0], other[0])) / max(shorter, 1.0)
