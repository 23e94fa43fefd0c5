"""Where the texts and cells of a table stand that was read from a picture with level rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from common.geometry import Rectangle
from textlines.detection import Quad, TextLine
from textlines.frame import ReadingFrame
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.tables import PlacedCell


def restore_lines(lines: Sequence[ReadLine], frame: ReadingFrame) -> list[ReadLine]:
    """The lines where they stand in the picture as it is."""
    return [_restore_line(line, frame) for line in lines]


def restore_cells(cells: Sequence[PlacedCell], frame: ReadingFrame) -> list[PlacedCell]:
    return [replace(cell, box=TextLine(_restore(cell.box, frame), 1.0).box) for cell in cells]


def _restore_line(line: ReadLine, frame: ReadingFrame) -> ReadLine:
    place = line.place and replace(line.place, quad=_restore(line.place.box, frame))
    words = tuple(replace(word, box=_bounds(_restore(word.box, frame))) for word in line.words)
    return replace(line, box=TextLine(_restore(line.box, frame), 1.0).box, place=place, words=words)


def _restore(box: Rectangle, frame: ReadingFrame) -> Quad:
    x1, y1, x2, y2 = box
    return np.array(frame.restore([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]), dtype=np.float32)


def _bounds(quad: Quad) -> Rectangle:
    (x1, y1), (x2, y2) = quad.min(axis=0).tolist(), quad.max(axis=0).tolist()
    return x1, y1, x2, y2
