"""What PP-DocLayoutV2 and V3 give for a page, to regions in reading order, by the rules of PaddleOCR-VL's pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.layout.outlines import outline
from gateway.layout.overlaps import without_overlaps
from gateway.model import BBox, Polygon, Region

LABELS = (
    *("abstract", "algorithm", "aside_text", "chart", "content", "display_formula", "doc_title", "figure_title"),
    *("footer", "footer_image", "footnote", "formula_number", "header", "header_image", "image", "inline_formula"),
    *("number", "paragraph_title", "reference", "reference_content", "seal", "table", "text", "vertical_text"),
    "vision_footnote",
)
"""The models' label list: a class is its place here."""
V2_COLUMNS = 8
"""Class, score, x1, y1, x2, y2, order, tie-break; V3 gives the first seven."""
V3_THRESHOLD = 0.3
V2_THRESHOLD = 0.5
V2_THRESHOLDS = {
    **dict.fromkeys(
        ("display_formula", "doc_title", "inline_formula", "paragraph_title", "text", "vertical_text"), 0.4
    ),
    "seal": 0.45,
}
"""Least scores of the pipelines' configurations, by label where they are not the general one."""
SAME_LABEL_IOU, OTHER_LABEL_IOU = 0.6, 0.98
"""Boxes that overlap more are one."""
HUGE_LANDSCAPE, HUGE_PORTRAIT = 0.82, 0.93
"""A picture that covers more of the page is the page itself."""
CONTAINED = 0.9
TAKING_IN = frozenset({"chart", "display_formula", "doc_title", "inline_formula", "paragraph_title"})
"""What lies inside a region of these labels belongs to it."""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Found:
    label: str
    score: float
    bbox: BBox
    rank: tuple[float, float]
    row: int


def regions_of(rows: Rows, masks: NDArray[np.int32] | None, width: int, height: int) -> list[Region]:
    """Regions of a page of `width` × `height` pixels. `rows`: (N, 7 or 8) boxes in pixels; `masks`: (N, 200, 200)."""
    found = _one_each(_believed(rows, width, height))
    found = _not_contained(_without_page(found, width, height))
    regions: list[Region] = []
    for one in sorted(found, key=lambda one: one.rank):
        polygon = _polygon(one, masks, width, height, regions)
        regions.append(Region(one.label, one.bbox, len(regions) + 1, one.score, polygon))
    return without_overlaps(regions)


def _believed(rows: Rows, width: int, height: int) -> list[_Found]:
    """What is sure enough and on the page, best first."""
    found = []
    for at, row in enumerate(np.nan_to_num(rows).tolist()):
        place = int(row[0])
        label = LABELS[place] if 0 <= place < len(LABELS) else None
        bbox = _clipped(row[2:6], width, height)
        if label and row[1] > _threshold(label, len(row)) and bbox[0] < bbox[2] and bbox[1] < bbox[3]:
            found.append(
                _Found(label, min(row[1], 1.0), bbox, (row[6], -row[7] if len(row) == V2_COLUMNS else 0.0), at)
            )
    return sorted(found, key=lambda one: -one.score)


def _threshold(label: str, columns: int) -> float:
    return V2_THRESHOLDS.get(label, V2_THRESHOLD) if columns == V2_COLUMNS else V3_THRESHOLD


def _clipped(box: Sequence[float], width: int, height: int) -> BBox:
    x1, y1, x2, y2 = (round(value) for value in box)
    return max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)


def _one_each(found: Sequence[_Found]) -> list[_Found]:
    kept: list[_Found] = []
    for one in found:
        if not any(_iou(one.bbox, other.bbox) > _most_iou(one, other) for other in kept):
            kept.append(one)
    return kept


def _most_iou(one: _Found, other: _Found) -> float:
    return SAME_LABEL_IOU if one.label == other.label else OTHER_LABEL_IOU


def _without_page(found: list[_Found], width: int, height: int) -> list[_Found]:
    most = (HUGE_LANDSCAPE if width > height else HUGE_PORTRAIT) * width * height
    smaller = [one for one in found if one.label != "image" or _area(one.bbox) <= most]
    return smaller or found


def _not_contained(found: Sequence[_Found]) -> list[_Found]:
    """Without what a heading, chart or formula takes in. Of two that hold each other the first, surer one stays."""
    kept: list[_Found] = []
    for at, one in enumerate(found):
        takers = [other for other in found if other is not one and _takes_in(other, one)]
        if not any(found.index(other) < at or not _takes_in(one, other, any_label=True) for other in takers):
            kept.append(one)
    return kept


def _takes_in(outer: _Found, inner: _Found, *, any_label: bool = False) -> bool:
    if outer.label not in TAKING_IN and not any_label:
        return False
    return _common(outer.bbox, inner.bbox) >= CONTAINED * _area(inner.bbox)


def _polygon(
    one: _Found, masks: NDArray[np.int32] | None, width: int, height: int, before: Sequence[Region]
) -> Polygon | None:
    if masks is None:
        return None
    return outline(masks[one.row], one.bbox, (width, height), before[-1] if before else None)


def _iou(one: BBox, other: BBox) -> float:
    common = _common(one, other)
    return common / (_area(one) + _area(other) - common)


def _common(one: BBox, other: BBox) -> int:
    return _area((max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])))


def _area(box: BBox) -> int:
    return max(0, box[2] - box[0]) * max(0, box[3] - box[1])
