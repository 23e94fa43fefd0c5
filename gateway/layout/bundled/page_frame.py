"""A page's detections and text lines to its regions, whichever way its lines run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from common.geometry import area, clip_nonempty, intersection_area, union
from gateway.labels import PICTURE_LABELS
from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import FORMULA, INSIDE, TABLE
from gateway.layout.bundled.regions import build_regions
from gateway.layout.bundled.slanted_heads import SlantedLine, include_heads
from gateway.model import BBox, Polygon, Region
from textlines.detection import TextLine, upright_line
from textlines.frame import ReadingFrame, find_foot, find_slanted, find_watermarks

WATERMARK = "aside_text"
BOXED_LABELS = PICTURE_LABELS | {TABLE, FORMULA}
PROSE_LABELS = frozenset({"text", "reference_content"})
MIN_ENTRIES, ENTRIES = 2, 0.5
"""Entries of a table of contents, and their share of its lines, at least."""


def lay_out(
    detections: Sequence[Detection], lines: Sequence[TextLine], frame: ReadingFrame, *, width: int, height: int
) -> tuple[list[Region], list[Region]]:
    """Regions of a page of `width` x `height` pixels in reading order, and those of watermarks. `detections`: in the
    frame.

    A watermark's upright box reaches over half a page of text, so it stands for itself, with its outline.
    """
    watermarks = find_watermarks(lines, frame)
    level = [line for index, line in enumerate(lines) if index not in watermarks]
    size = (height, width) if frame.is_vertical else (width, height)
    detections, boxes = _place_heads(detections, level, frame)
    leaders = [box for box, line in zip(boxes, level, strict=True) if line.leader]
    fractions = [(box, frame.map_whole(line)) for box, line in zip(boxes, level, strict=True) if line.bar]
    found = (
        _hold_fractions(_relabel_contents(region, boxes, leaders), fractions)
        for region in build_regions(detections, boxes, *size)
    )
    regions = [_restore(region, frame, width, height) for region in found]
    return regions, [_watermark(lines[index], width, height) for index in sorted(watermarks)]


def _place_heads(
    detections: Sequence[Detection], lines: Sequence[TextLine], frame: ReadingFrame
) -> tuple[list[Detection], list[BBox]]:
    """The detections, tables with their slanted heads; and the lines' boxes, of a slanted head its foot."""
    boxes = [frame.map_box(line) for line in lines]
    slanted = {
        index: SlantedLine(boxes[index], frame.map_box(upright_line(find_foot(lines[index]))))
        for index in find_slanted(lines, frame)
    }
    others = [box for index, box in enumerate(boxes) if index not in slanted]
    found, heads = include_heads(detections, others, list(slanted.values()))
    feet = {at: line.foot for at, line in slanted.items() if line in heads}
    return found, [feet.get(at, box) for at, box in enumerate(boxes)]


def _relabel_contents(region: Region, lines: Sequence[BBox], leaders: Sequence[BBox]) -> Region:
    """A text whose lines lead to page numbers is a table of contents, whose lines stay lines."""
    if region.label not in PROSE_LABELS:
        return region
    own = [_is_inside(line, region.bbox) for line in lines]
    dotted = sum(_is_inside(line, region.bbox) for line in leaders)
    return replace(region, label="content") if dotted >= max(MIN_ENTRIES, ENTRIES * sum(own)) else region


def _hold_fractions(region: Region, fractions: Sequence[tuple[BBox, BBox]]) -> Region:
    """The region around all of the fractions in it; `fractions`: as high as a line, and whole."""
    own = [whole for level, whole in fractions if _is_inside(level, region.bbox)]
    return replace(region, bbox=union([region.bbox, *own])) if own and region.polygon is None else region


def _restore(region: Region, frame: ReadingFrame, width: int, height: int) -> Region:
    """The region of the frame on the page; inclined ones have an outline, which keeps their neighbours out."""
    if frame.is_upright:
        return region
    x1, y1, x2, y2 = region.bbox
    corners = region.polygon or ((x1, y1), (x2, y1), (x2, y2), (x1, y2))
    outline = tuple(_clip_point(point, width, height) for point in frame.restore(corners))
    bbox = _bounding_box(outline, width, height)
    is_boxed = frame.is_level and region.polygon is None
    return replace(region, bbox=bbox, polygon=None if is_boxed or region.label in BOXED_LABELS else outline)


def _watermark(line: TextLine, width: int, height: int) -> Region:
    outline = tuple(_clip_point((round(x), round(y)), width, height) for x, y in line.quad.tolist())
    return Region(WATERMARK, _bounding_box(outline, width, height), 1, None, outline)


def _clip_point(point: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    return min(max(point[0], 0), width), min(max(point[1], 0), height)


def _bounding_box(outline: Polygon, width: int, height: int) -> BBox:
    xs, ys = zip(*outline, strict=True)
    return clip_nonempty((min(xs), min(ys), max(xs), max(ys)), width, height)


def _is_inside(line: BBox, box: BBox) -> bool:
    return intersection_area(line, box) > INSIDE * area(line)
