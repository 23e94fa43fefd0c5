"""What both pipelines are given: documents with the layout network's output and the VLM's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.layout.pp_doclayout.postprocess import LABELS
from gateway.model import BBox, Pixels

MASK_SIDE = 200
"""The network's masks have this many pixels a side, for a page of any size."""
Masks = NDArray[np.int32]
Corners = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One box of the layout network, in the reading order's place where it stands in its page.

    `answer` is what the VLM reads there; `outline` what the network's mask covers, in pixels of the page.
    """

    label: str
    bbox: BBox
    answer: str
    score: float = 0.9
    outline: Corners | None = None

    def row(self, order: int) -> list[float]:
        return [float(LABELS.index(self.label)), self.score, *map(float, self.bbox), float(order)]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page: its pixels and what the network sees on it, in reading order."""

    pixels: Pixels
    seen: Sequence[Seen] = ()

    @property
    def rows(self) -> list[list[float]]:
        return [one.row(order) for order, one in enumerate(self.seen)]

    @property
    def masks(self) -> Masks:
        """Shape (boxes, 200, 200); a box without an outline fills its mask."""
        height, width = self.pixels.shape[:2]
        return np.array([_mask(one, width, height) for one in self.seen], dtype=np.int32).reshape(
            -1, MASK_SIDE, MASK_SIDE
        )


@dataclass(frozen=True, slots=True)
class Case:
    """A document and the fields of the request about it, in PaddleX's dialect. `answer`: of the whole page's task."""

    name: str
    sheets: Sequence[Sheet]
    fields: Mapping[str, Any] = field(default_factory=dict)
    answer: str = ""


def _mask(one: Seen, width: int, height: int) -> Masks:
    x1, y1, x2, y2 = one.bbox
    corners = np.array(one.outline or [(x1, y1), (x2, y1), (x2, y2), (x1, y2)], dtype=np.float64)
    scaled = (corners * (MASK_SIDE / width, MASK_SIDE / height)).round().astype(np.int32)
    mask = np.zeros((MASK_SIDE, MASK_SIDE), dtype=np.uint8)
    cv2.fillPoly(mask, [scaled], 1)
    return mask.astype(np.int32)
