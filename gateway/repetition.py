"""Readings in which the VLM went round in circles: one copy of what it repeated is kept.

The rules are those of PaddleOCR-VL, which leaves no copy of a repeated end and, of repeated lines, only the line. They
do not tell a loop from a table of zeros or a form's dotted line: ask `is_suspicious` first.
"""

from __future__ import annotations

import re
from collections import Counter

from gateway.model import Reading, Region

_LEAST_LENGTH = 50
_LEAST_TABLE_LENGTH = 5000
_LEAST_COPIES = 5
_LEAST_REPEATED = 40
"""Characters that copies of a short unit make together: PaddleOCR-VL's 5 copies of 8 characters."""
_LEAST_SHARE = 0.5
_LEAST_LINES = 10
_LEAST_LINE_SHARE = 0.8
CHARACTER_AREA = 30
"""Pixels that a character of the smallest print takes with its margins (4 points at 144 dpi)."""
_MARKUP = re.compile(r"<(?:[felux]cel|nl)>|<\|LOC_\d+\|>|\s+")
_CUT_TAG = re.compile(r"<\|?\w{0,8}\|?$")


def is_suspicious(reading: Reading, region: Region) -> bool:
    """Whether the VLM found no end, or wrote more than the region has room for: then what repeats is a loop."""
    x1, y1, x2, y2 = region.bbox
    room = (x2 - x1) * (y2 - y1) / CHARACTER_AREA
    return reading.status == "truncated" or len(_MARKUP.sub("", reading.text)) > room


def without_loop(text: str, *, is_table: bool = False) -> str:
    """The text with one copy of a repeated end, and one of a line that most lines are."""
    if len(text) < (_LEAST_TABLE_LENGTH if is_table else _LEAST_LENGTH):
        return text
    return _without_repeated_lines(_without_repeated_end(text.strip())).strip()


def _without_repeated_end(text: str) -> str:
    length = len(text)
    for period, more in enumerate(_matches(text[::-1])[: length // _LEAST_COPIES + 1]):
        repeated = period + more
        enough = max(_LEAST_COPIES * period, _LEAST_REPEATED, _LEAST_SHARE * length + 1)
        if period and repeated >= enough:
            return without_cut_tag(text[: length - repeated + period])
    return text


def without_cut_tag(text: str) -> str:
    """The text without half a tag at its end."""
    return _CUT_TAG.sub("", text)


def _matches(text: str) -> list[int]:
    """For each place how many characters from there on equal the text's beginning (the Z function, linear)."""
    lengths = [0] * len(text)
    left = right = 0
    for at in range(1, len(text)):
        known = min(lengths[at - left], right - at) if at < right else 0
        while at + known < len(text) and text[known] == text[at + known]:
            known += 1
        lengths[at] = known
        if at + known > right:
            left, right = at, at + known
    return lengths


def _without_repeated_lines(text: str) -> str:
    lines = [line for raw in text.splitlines() if (line := raw.strip())]
    if len(lines) < _LEAST_LINES:
        return text
    line, copies = Counter(lines).most_common(1)[0]
    if copies < _LEAST_LINES or copies < _LEAST_LINE_SHARE * len(lines):
        return text
    first = lines.index(line)
    return "\n".join(other for at, other in enumerate(lines) if at == first or other != line)
