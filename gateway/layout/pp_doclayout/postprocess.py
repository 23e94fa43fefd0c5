"""What PP-DocLayoutV2 and V3 give for a page, to regions in reading order, by the rules of PaddleOCR-VL's pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from common.geometry import area, clip, pairwise_areas
from gateway.labels import LABELS as KNOWN_LABELS
from gateway.layout.overlaps import remove_overlaps
from gateway.layout.pp_doclayout.polygons import extract_polygon
from gateway.model import BBox, PageLayout, Polygon, Region
from gateway.reading_options import LayoutOptions, MergeMode, Stretch

AS_IS: Stretch = (1.0, 1.0)
LABELS = tuple(sorted(KNOWN_LABELS))
"""The models' label list: they number their classes in the alphabet's order."""
V2_COLUMNS = 8
"""Class, score, x1, y1, x2, y2, order, tie-break; V3 gives the first seven."""
V3_THRESHOLD = 0.3
V2_THRESHOLDS = {
    **dict.fromkeys(
        ("display_formula", "doc_title", "inline_formula", "paragraph_title", "text", "vertical_text"), 0.4
    ),
    "seal": 0.45,
}
"""Least scores of the pipelines' configurations."""
OTHER_THRESHOLD = 0.5
"""Of labels that a mapping of thresholds lacks."""
SAME_LABEL_IOU, OTHER_LABEL_IOU = 0.6, 0.98
"""Boxes that overlap as much are one."""
HUGE_LANDSCAPE, HUGE_PORTRAIT = 0.82, 0.93
"""A picture that covers more of the page is the page itself."""
CONTAINED = 0.9
MERGE: Mapping[str, MergeMode] = dict.fromkeys(
    ("chart", "display_formula", "doc_title", "inline_formula", "paragraph_title"), "large"
)
"""What lies inside a region of these labels belongs to it."""
Rows = NDArray[np.float32]
Pairs = NDArray[np.bool_]


def unclip(
    regions: Sequence[Region], stretch: Stretch | Mapping[str, Stretch] | None, size: tuple[int, int]
) -> list[Region]:
    """The regions on a page of width and height `size`, in their order; a region that nothing is left of is dropped."""
    changed = [_unclip_region(region, _factors(region.label, stretch), size) for region in regions]
    left = [region for region in changed if region.bbox[0] < region.bbox[2] and region.bbox[1] < region.bbox[3]]
    return [replace(region, order=order) for order, region in enumerate(left, start=1)]


def _factors(label: str, stretch: Stretch | Mapping[str, Stretch] | None) -> Stretch:
    if isinstance(stretch, Mapping):
        return stretch.get(label, AS_IS)
    return stretch or AS_IS


def _unclip_region(region: Region, factors: Stretch, size: tuple[int, int]) -> Region:
    if factors == AS_IS:
        return region
    middle = ((region.bbox[0] + region.bbox[2]) / 2, (region.bbox[1] + region.bbox[3]) / 2)
    (x1, y1), (x2, y2) = _scale_points((region.bbox[:2], region.bbox[2:]), middle, factors, size)
    polygon = region.polygon and _scale_points(region.polygon, middle, factors, size)
    bbox: BBox = (x1, y1, x2, y2)
    return replace(region, bbox=bbox, polygon=polygon)


def _scale_points(points: Polygon, middle: tuple[float, float], factors: Stretch, size: tuple[int, int]) -> Polygon:
    return tuple(
        (
            int(min(max(middle[0] + (x - middle[0]) * factors[0], 0), size[0])),
            int(min(max(middle[1] + (y - middle[1]) * factors[1], 0), size[1])),
        )
        for x, y in points
    )


@dataclass(frozen=True, slots=True)
class _Candidate:
    label: str
    score: float
    bbox: BBox
    rank: tuple[float, float]
    row: int


def build_page_layout(
    rows: Rows,
    masks: NDArray[np.int32] | None,
    size: tuple[int, int],
    options: LayoutOptions,
    labels: Sequence[str] = LABELS,
) -> PageLayout:
    """Layout of a page of width and height `size`. `rows`: (N, 7 or 8) boxes in pixels; `masks`: (N, 200, 200)."""
    found = _select_confident(rows, size, options, labels)
    if options.nms:
        found = _suppress_duplicates(found)
    found = _merge_contained(_drop_page_images(found, size), MERGE if options.merge is None else options.merge)
    widest = max((one.bbox[2] - one.bbox[0] for one in found), default=0)
    regions: list[Region] = []
    for one in sorted(found, key=lambda one: one.rank):
        mask = None if masks is None or options.shape == "rect" else masks[one.row]
        before = regions[-1] if regions else None
        polygon = None if mask is None else extract_polygon(mask, one.bbox, size, before, options.shape, widest)
        regions.append(Region(one.label, one.bbox, len(regions) + 1, one.score, polygon))
    detections = unclip(regions, options.stretch, size)
    return PageLayout(remove_overlaps(detections), detections)


def is_confident(label: str, score: float, threshold: float | Mapping[str, float]) -> bool:
    minimum = threshold.get(label, OTHER_THRESHOLD) if isinstance(threshold, Mapping) else threshold
    return score > minimum


def _select_confident(
    rows: Rows, size: tuple[int, int], options: LayoutOptions, labels: Sequence[str]
) -> list[_Candidate]:
    """What is sure enough and on the page, best first."""
    is_v2 = rows.shape[1] == V2_COLUMNS
    threshold = options.threshold
    if threshold is None:
        threshold = V2_THRESHOLDS if is_v2 else V3_THRESHOLD
    found = []
    for at, row in enumerate(np.nan_to_num(rows).tolist()):
        label = labels[int(row[0])] if 0 <= row[0] < len(labels) else None
        x1, y1, x2, y2 = (round(value) for value in row[2:6])
        bbox = clip((x1, y1, x2, y2), *size)
        if label and is_confident(label, row[1], threshold) and bbox[0] < bbox[2] and bbox[1] < bbox[3]:
            found.append(_Candidate(label, min(row[1], 1.0), bbox, (row[6], -row[7] if is_v2 else 0.0), at))
    return sorted(found, key=lambda one: -one.score)


def _suppress_duplicates(found: Sequence[_Candidate]) -> list[_Candidate]:
    """The first, surest of what is nearly equal. Sides count their last pixel here, as PaddleX has it."""
    common, areas = pairwise_areas([one.bbox for one in found], last_pixel=1)
    likeness = common / (areas[:, None] + areas[None, :] - common)
    is_twin = likeness >= np.where(_same_labels(found), SAME_LABEL_IOU, OTHER_LABEL_IOU)
    kept = np.ones(len(found), dtype=np.bool_)
    for at in range(len(found)):
        if kept[at]:
            kept[at + 1 :] &= ~is_twin[at, at + 1 :]
    return _select(found, kept)


def _same_labels(found: Sequence[_Candidate]) -> Pairs:
    labels = np.array([one.label for one in found], dtype=np.str_)
    return np.asarray(labels[:, None] == labels[None, :])


def _drop_page_images(found: list[_Candidate], size: tuple[int, int]) -> list[_Candidate]:
    width, height = size
    most = (HUGE_LANDSCAPE if width > height else HUGE_PORTRAIT) * width * height
    smaller = [one for one in found if one.label != "image" or area(one.bbox) <= most]
    return smaller or found


def _merge_contained(found: Sequence[_Candidate], modes: MergeMode | Mapping[str, MergeMode]) -> list[_Candidate]:
    """Without what vanishes in or around another. Of two that would both, the first, surer one stays."""
    common, areas = pairwise_areas([one.bbox for one in found])
    inside = common >= CONTAINED * areas[:, None]
    np.fill_diagonal(inside, False)
    mutual = inside & inside.T
    large, small = _mode_mask(found, modes, "large"), _mode_mask(found, modes, "small")
    by_inner = inside & ~np.triu(mutual & large[:, None] & large[None, :])
    gone = np.asarray((by_inner & large[None, :]).any(axis=1))
    # Labels are looked at one after the other, so two of one label keep each other.
    rivals = mutual & small[:, None] & small[None, :] & ~_same_labels(found)
    by_outer = inside if isinstance(modes, str) else inside & ~np.tril(rivals)
    for inner in _inner_masks(found, modes):
        gone |= _find_outer(by_outer & inner[:, None])
    return _select(found, ~gone)


def _inner_masks(found: Sequence[_Candidate], modes: MergeMode | Mapping[str, MergeMode]) -> list[Pairs]:
    """Which are inner ones that stay; each label is looked at for itself, as PaddleX does."""
    if isinstance(modes, str):
        return [np.ones(len(found), dtype=np.bool_)] if modes == "small" else []
    small = [label for label, mode in modes.items() if mode == "small"]
    return [np.array([one.label == label for one in found], dtype=np.bool_) for label in small]


def _find_outer(inside: Pairs) -> Pairs:
    """What holds another and is in none itself; `inside[i, j]`: i lies in j."""
    return np.asarray(inside.any(axis=0) & ~inside.any(axis=1))


def _mode_mask(found: Sequence[_Candidate], modes: MergeMode | Mapping[str, MergeMode], wanted: MergeMode) -> Pairs:
    if isinstance(modes, str):
        return np.full(len(found), modes == wanted)
    return np.array([modes.get(one.label) == wanted for one in found], dtype=np.bool_)


def _select(found: Sequence[_Candidate], chosen: Pairs) -> list[_Candidate]:
    return [one for one, is_chosen in zip(found, chosen, strict=True) if is_chosen]
