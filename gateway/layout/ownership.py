"""Which detection each text line belongs to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gateway.layout.base import Detection
from gateway.layout.evidence import TABLE, holds
from gateway.model import BBox
from textlines.geometry import intersection_area, union
from textlines.paragraphs import rows

IN_ROWS = 0.7  # share of the free lines beside a table that stand in its rows if they are its labels ...
BESIDE = 0.4  # ... and so many for each row of the table


def line_owners(lines: Sequence[BBox], detections: list[Detection]) -> list[int | None]:
    """Index of its detection for each line; None where no detection holds it."""
    return _with_row_labels([_owner(line, detections) for line in lines], detections, lines)


def _owner(line: BBox, detections: list[Detection]) -> int | None:
    shares = [intersection_area(line, detection.box) if holds(detection, line) else 0.0 for detection in detections]
    best = int(np.argmax(shares)) if shares else 0
    return best if shares and shares[best] > 0 else None


def _with_row_labels(owners: list[int | None], detections: list[Detection], lines: Sequence[BBox]) -> list[int | None]:
    """Owners of the lines; tables own what stands free beside them in their rows too: the model cuts columns off."""
    result = list(owners)
    for table in (index for index, detection in enumerate(detections) if detection.label == TABLE):
        own = [line for line, owner in zip(lines, owners, strict=True) if owner == table]
        for candidates in _candidates(owners, detections):
            for index in _row_labels(own, candidates, lines):
                result[index] = table
    return result


def _candidates(owners: list[int | None], detections: list[Detection]) -> list[list[int]]:
    """Lines that may be labels of rows: those without an owner, and those of each block of running text."""
    texts = [None, *(index for index, detection in enumerate(detections) if detection.label == "text")]
    return [[index for index, owner in enumerate(owners) if owner == text] for text in texts]


def _row_labels(own: list[BBox], free: list[int], lines: Sequence[BBox]) -> list[int]:
    """Free lines that complete the rows of a table's own lines; none if they look like other text beside it."""
    if not own:
        return []
    top, bottom = union(own)[1], union(own)[3]
    centres = [_middle(union([own[i] for i in row])) for row in rows(own)]
    beside = [i for i in free if top <= _middle(lines[i]) <= bottom]
    in_rows = [i for i in beside if min(abs(_middle(lines[i]) - c) for c in centres) < _height(lines[i]) / 4]
    complete = len(in_rows) >= max(2, IN_ROWS * len(beside), BESIDE * len(centres))
    return in_rows if complete else []


def _middle(line: BBox) -> float:
    return (line[1] + line[3]) / 2


def _height(line: BBox) -> int:
    return line[3] - line[1]
