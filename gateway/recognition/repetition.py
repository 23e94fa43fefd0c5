"""Readings in which the VLM goes round in circles, found while they are written and afterwards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.imaging.capacity import CHARACTER_AREA, TextCapacity
from gateway.model import Reading, Region

CHECK_EVERY = 64
"""Characters between two looks at the text, wherever its pieces begin and end."""
COUNTERS_EVERY = 4
"""Only each fourth look is for counters."""
CHECKS_A_RUN = 32
"""A repetition that has room is checked again when it has grown by this part: each check takes its whole length."""
WINDOW = 6000
"""Characters of the end in which a period is looked for."""
SHORT_WINDOW = 1000
PROBES = (16, 80, 400)
"""Lengths of the suffix whose last occurrence gives a period: a short one for short periods, longer ones for units that
repeat something themselves."""
MIN_RUN = 60
MIN_COPIES = 4
MIN_COUNTED = 10
SUSPECTED_LENGTH = 2000
"""Characters of room that a repetition takes: a page of ordinary print has 2000 to 6000. By `make bench-runaway`, more
lets loops go on, less doubts more documents. In tables, rows and columns tell sooner what there is room for."""
SUSPECTED_LENGTH_AGAIN = 8000
"""The same, when the engine has said it twice."""
_LOCATION = re.compile(r"<\|LOC_\d+\|>|\s+")
_TAG = re.compile(r"<[^<>\n]{1,40}>|\\[A-Za-z]+")
_ROOM_OF_MARKUP = "  "
"""A cell, or a command of LaTeX, takes at least as much room as two small characters."""
NARROW = 3
"""Dots and strokes are narrow: so many take the room of one character."""
_NUMBER = re.compile(r"[0-9]{1,9}")
_DIGITS = "0123456789"
_SLOT = "\ue000"
_ROW_END = re.compile(r"\n|<nl>|</tr>")
_CELL = re.compile(r"<[felux]cel>|<t[dh]\b")
_MIN_LENGTH = 50
_MIN_TABLE_LENGTH = 5000
_MIN_COPIES = 5
_MIN_REPEATED = 40
"""Characters that copies of a short unit make together: PaddleOCR-VL's 5 copies of 8 characters."""
_MIN_SHARE = 0.5
_MIN_LINES = 10
_MIN_LINE_SHARE = 0.8
_MARKUP = re.compile(r"<(?:[felux]cel|nl)>|<\|LOC_\d+\|>|\s+")
_CUT_TAG = re.compile(r"<\|?\w{0,8}\|?$")


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repetition at the end of a text: its first copy begins at `start` and is `period` characters long."""

    start: int
    period: int
    is_certain: bool

    @property
    def end_of_copy(self) -> int:
        return self.start + self.period


class RepetitionDetector:
    """Sees a text grow; the verdict is the same however it is cut into pieces.

    `capacity` None: nothing is known of the region, so that no loop is certain. `suspected_length`: characters of
    a repetition from which on even one that has room is told.
    """

    def __init__(self, capacity: TextCapacity | None = None, suspected_length: int = SUSPECTED_LENGTH) -> None:
        self._capacity = capacity
        self._suspected_length = suspected_length
        self._checks = 0
        self._next_check = 0
        self.repetition: Repetition | None = None

    def detect(self, text: str) -> bool:
        """Whether the text, all that there is so far, is by now in a loop, which is then `repetition`."""
        self.repetition = self.repetition or self._scan(text)
        return self.repetition is not None

    def _scan(self, text: str) -> Repetition | None:
        while (self._checks + 1) * CHECK_EVERY <= len(text):
            self._checks += 1
            if self._checks * CHECK_EVERY < self._next_check:
                continue
            repetition = self._check(text, self._checks * CHECK_EVERY, is_counting=self._checks % COUNTERS_EVERY == 0)
            if repetition:
                return repetition
        return None

    def _check(self, text: str, end: int, *, is_counting: bool) -> Repetition | None:
        for start, period in _find_repetitions(text, end):
            if repetition := self._classify(text, start, period, end):
                return repetition
            self._next_check = max(self._next_check, end + (end - start) // CHECKS_A_RUN)
        # Most texts with numbers are told from counters by a short end, at a small cost.
        if not is_counting or not _find_counter(text, max(0, end - SHORT_WINDOW), end):
            return None
        match = _find_counter(text, max(0, end - WINDOW), end)
        return self._classify(text, *match, end) if match else None

    def _classify(self, text: str, start: int, period: int, end: int) -> Repetition | None:
        run = text[start:end]
        capacity = self._capacity or TextCapacity(len(run), len(run))
        if len(run) <= min(capacity.characters, self._suspected_length) and _count_tags(run) <= capacity.lines:
            return None
        taken = estimate_size(run)
        narrow = 1 if any(map(str.isalnum, text[start : start + period])) else NARROW
        if taken > narrow * capacity.characters or _count_lines(run) > capacity.lines:
            return Repetition(start, period, is_certain=True)
        is_suspected = taken > self._suspected_length and not (self._capacity and _CELL.search(run))
        return Repetition(start, period, is_certain=False) if is_suspected else None


def estimate_size(run: str) -> int:
    """Characters of room that a repetition takes at least, if they are not narrow."""
    return len(_TAG.sub(_ROOM_OF_MARKUP, _LOCATION.sub("", run)))


def _find_repetitions(text: str, end: int) -> Iterator[tuple[int, int]]:
    """Start and period of repetitions at the end of `text[:end]`, the shortest period first."""
    lowest = max(0, end - WINDOW)
    seen = 0
    for length in PROBES:
        at = text.rfind(text[end - length : end], lowest, end - 1) if end >= 2 * length else -1
        period = end - length - at
        if at < 0 or period == seen:
            continue
        seen = period
        run = period + _common_end(text, end, period)
        if run >= max(MIN_RUN, MIN_COPIES * period):
            yield end - run, period


def _common_end(text: str, end: int, period: int) -> int:
    """How many characters before `end` equal those one period earlier: whole blocks first, then by halves."""
    known, step, longest = 0, CHECK_EVERY, end - period
    while step and known < longest:
        step = min(step, longest - known)
        low = end - known - step
        if text[low : end - known] == text[low - period : end - known - period]:
            known += step
            step *= 2
        else:
            longest = known + step - 1
            step //= 2
    return known


def _find_counter(text: str, lowest: int, end: int) -> tuple[int, int] | None:
    """Start and length of the first copy of an end of `text[least:end]` that repeats but for numbers which grow by the
    same step."""
    if not _NUMBER.search(text, end - CHECK_EVERY, end):
        return None
    tail = text[lowest:end].rstrip(_DIGITS)  # the last number may be unfinished
    numbers = list(_NUMBER.finditer(tail))
    masked = _NUMBER.sub(_SLOT, tail)
    for start, period in _find_repetitions(masked, len(masked)):
        slots = masked.count(_SLOT, len(masked) - period)
        if slots:
            first = max(_first_in_step([int(match[0]) for match in numbers], slots), masked.count(_SLOT, 0, start))
            if len(numbers) - first >= MIN_COUNTED * slots:
                begin = numbers[first].start()
                return lowest + begin, numbers[first + slots].start() - begin
    return None


def _first_in_step(values: list[int], slots: int) -> int:
    """From which number on each grows over the one `slots` before by the same step as that did over its own; the
    count of numbers where none grows."""
    first = len(values)
    for at in range(len(values) - 1, 2 * slots - 1, -1):
        if values[at] - values[at - slots] != values[at - slots] - values[at - 2 * slots]:
            break
        first = at - 2 * slots
    grows = any(values[at] != values[at - slots] for at in range(max(slots, len(values) - slots), len(values)))
    return first if grows else len(values)


def _count_tags(run: str) -> int:
    """No less than `_count_lines`, and found faster."""
    return run.count("\n") + run.count("<")


def _count_lines(run: str) -> int:
    """Lines of the repetition, or cells of its longest row if these are more."""
    rows = _ROW_END.split(run)
    cells = max(len(_CELL.findall(row)) for row in rows)
    return max(len(rows) - 1, cells)


def is_suspicious(reading: Reading, region: Region) -> bool:
    """Whether the VLM found no end, or wrote more than the region has room for: then what repeats is a loop."""
    x1, y1, x2, y2 = region.bbox
    capacity = (x2 - x1) * (y2 - y1) / CHARACTER_AREA
    return reading.status == "truncated" or len(_MARKUP.sub("", reading.text)) > capacity


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
