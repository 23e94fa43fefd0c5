"""Readings in which the VLM went round in circles: one copy of what it repeated is kept.

The rules are those of PaddleOCR-VL, which leaves no copy of a repeated end and, of repeated lines, only the line. They
do not tell a loop from a table of zeros or a form's dotted line: ask `is_suspicious` first.
"""

from __future__ import annotations

import re
from collections import Counter

from gateway.model import Reading, Region

_MIN_LENGTH = 50
_MIN_TABLE_LENGTH = 5000
_MIN_COPIES = 5
_MIN_REPEATED = 40
"""Characters that copies of a short unit make together: PaddleOCR-VL's 5 copies of 8 characters."""
_MIN_SHARE = 0.5
_MIN_LINES = 10
_MIN_LINE_SHARE = 0.8
CHARACTER_AREA = 30
"""Pixels that a character of the smallest print takes with its margins (4 points at 144 dpi)."""
_MARKUP = re.compile(r"<(?:[felux]cel|nl)>|<\|LOC_\d+\|>|\s+")
_CUT_TAG = re.compile(r"<\|?\w{0,8}\|?$")


def is_suspicious(reading: Reading, region: Region) -> bool:
    """Whether the VLM found no end, or wrote more than the region has room for: then what repeats is a loop."""
    x1, y1, x2, y2 = region.bbox
    room = (x2 - x1) * (y2 - y1) / CHARACTER_AREA
    return reading.status == "truncated" or len(_MARKUP.sub("", reading.text)) > room


def remove_loop(text: str, *, is_table: bool = False) -> str:
    """The text with one copy of a repeated end, and one of a line that most lines are."""
    if len(text) < (_MIN_TABLE_LENGTH if is_table else _MIN_LENGTH):
        return text
    return _remove_repeated_lines(_remove_repeated_end(text.strip())).strip()


def _remove_repeated_end(text: str) -> str:
    length = len(text)
    for period, more in enumerate(_match_lengths(text[::-1])[: length // _MIN_COPIES + 1]):
        repeated = period + more
        minimum = max(_MIN_COPIES * period, _MIN_REPEATED, _MIN_SHARE * length + 1)
        if period and repeated >= minimum:
            return strip_partial_tag(text[: length - repeated + period])
    return text


def strip_partial_tag(text: str) -> str:
    """The text without half a tag at its end."""
    return _CUT_TAG.sub("", text)


def _match_lengths(text: str) -> list[int]:
    """For each place how many characters from there on equal the text's beginning (the Z function, linear)."""
    lengths = [0] * len(text)
    left = right = 0
    for index in range(1, len(text)):
        known = min(lengths[index - left], right - index) if index < right else 0
        while index + known < len(text) and text[known] == text[index + known]:
            known += 1
        lengths[index] = known
        if index + known > right:
            left, right = index, index + known
    return lengths


def _remove_repeated_lines(text: str) -> str:
    lines = [line for raw in text.splitlines() if (line := raw.strip())]
    if len(lines) < _MIN_LINES:
        return text
    line, copies = Counter(lines).most_common(1)[0]
    if copies < _MIN_LINES or copies < _MIN_LINE_SHARE * len(lines):
        return text
    first = lines.index(line)
    return "\n".join(other for index, other in enumerate(lines) if index == first or other != line)
