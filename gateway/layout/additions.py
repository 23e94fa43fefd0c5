"""What layout models do not see: text in pictures that are most of a page, and boxes to tick.

In a screenshot, a poster or the photo of a receipt a layout model sees a picture and nothing to read. The picture stays
one, and the text lines in it become regions. Of text beside a box to tick it sees the text alone, whose region grows.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from common.cores import available_cores
from common.geometry import area, intersection_area, union
from gateway.labels import PICTURE_LABELS, is_formula
from gateway.layout.base import LayoutDetector, LayoutWrapper
from gateway.layout.bundled.page_frame import lay_out
from gateway.model import BBox, PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions
from gateway.scheduling.fair_semaphore import reserve_of
from textlines.box_shapes import TickBox
from textlines.detection import LineDetector, TextLine
from textlines.frame import find_frame
from textlines.glyphs import StrayInk
from textlines.tick_boxes import MAX_GAP, find_tick_boxes
from textlines.watermarks import find_page_lines

PAGE_PICTURE = 0.4
"""Share of the page from which a picture is the page."""
PRINTED = 0.9
"""Share of a region inside a picture from which the picture shows all of it."""
READ = 0.5
"""Share of a line inside a region that is read from which it is read there."""
COVERED = 0.5
"""Share of a box in a region from which on it is read there."""
ALONE = 1.9
"""Width and height of a region that holds a box alone, in its sides, at most: detectors leave white space around."""


class PictureText(LayoutWrapper):
    """`LayoutDetector` that adds such regions to those of `inner`. The line detector loads with the first such page."""

    def __init__(self, inner: LayoutDetector) -> None:
        super().__init__(inner)
        cores = available_cores()
        self._threads = ThreadPoolExecutor(cores + reserve_of(cores), thread_name_prefix="picture-text")
        self._lines: LineDetector | None = None
        self._loading = threading.Lock()

    async def start(self) -> None:
        await self._inner.start()

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        layout = await self._inner.detect(page, options)
        if not may_hide_text(layout.regions, page.width * page.height):
            return layout
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._find, page.pixels)
        return replace(layout, regions=add_text(layout.regions, found, page.width, page.height))

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        await self._inner.close()

    def _find(self, pixels: Pixels) -> list[TextLine]:
        with self._loading:
            self._lines = self._lines or LineDetector()
        return find_page_lines(self._lines, pixels)


def may_hide_text(regions: Sequence[Region], page_area: int) -> bool:
    """Whether a picture is most of the page, or nothing on it would be read."""
    pictures = [region for region in regions if region.label in PICTURE_LABELS]
    return len(pictures) == len(regions) or any(area(region.bbox) >= PAGE_PICTURE * page_area for region in pictures)


def add_text(regions: Sequence[Region], lines: Sequence[TextLine], width: int, height: int) -> list[Region]:
    """The regions of a page of that size with those of lines that none of them reads, after the last picture."""
    read = [region.bbox for region in regions if region.label not in PICTURE_LABELS]
    free = [line for line in lines if not any(_is_inside(line, box) for box in read)]
    added, _ = lay_out([], free, find_frame(free, width, height), width=width, height=height)
    places = [place for place, region in enumerate(regions, 1) if region.label in PICTURE_LABELS]
    after = max(places, default=len(regions))
    together = [*regions[:after], *added, *regions[after:]]
    return [replace(region, order=order) for order, region in enumerate(together, 1)]


def drop_printed(regions: Sequence[Region]) -> list[Region]:
    """The regions without those of lines in a picture, for a client that has the pictures themselves read."""
    pictures = [region.bbox for region in regions if region.label == "image"]
    kept = [region for region in regions if region.score is not None or not _is_printed(region, pictures)]
    return [replace(region, order=order) for order, region in enumerate(kept, 1)]


def _is_printed(region: Region, pictures: Sequence[BBox]) -> bool:
    return any(intersection_area(region.bbox, picture) >= PRINTED * area(region.bbox) for picture in pictures)


def _is_inside(line: TextLine, box: BBox) -> bool:
    return intersection_area(line.box, box) > READ * area(line.box)


def include_tick_boxes(layout: PageLayout, pixels: Pixels, stray: StrayInk) -> PageLayout:
    """The layout with each box in the region of its text; the detector's own boxes stay as they are.

    `stray`: of the same pixels.
    """
    shown = [region for region in layout.regions if not _shows_text(region, layout.regions)]
    if stray.find_area([region.bbox for region in shown if not _is_small(region)]) is None:
        return layout
    texts = layout.lines if layout.lines is not None else [region.bbox for region in layout.regions]
    boxes = find_tick_boxes(pixels, texts)
    regions = [region for region in layout.regions if not any(_is_alone(one, region) for one in boxes)]
    screens = {index for index, region in enumerate(regions) if _shows_text(region, regions)}
    for one in boxes:
        others = [region for index, region in enumerate(regions) if index not in screens]
        if not any(intersection_area(one.box, region.bbox) >= COVERED * area(one.box) for region in others):
            index = _nearest(one, regions)
            if index is not None:
                regions[index] = _grow(regions[index], one.box, others)
    return replace(layout, regions=regions)


def _shows_text(region: Region, regions: Sequence[Region]) -> bool:
    """Whether it is a picture whose text has regions of its own: a screen."""
    if region.label not in PICTURE_LABELS:
        return False
    return any(_holds_text(other) and _is_printed(other, [region.bbox]) for other in regions)


def _is_small(region: Region) -> bool:
    """Whether a box to tick may be all that it holds."""
    x1, y1, x2, y2 = region.bbox
    return region.label == "text" and max(x2 - x1, y2 - y1) <= ALONE * min(x2 - x1, y2 - y1)


def _is_alone(one: TickBox, region: Region) -> bool:
    """Whether the region holds the box and no text: line detectors take some boxes for a letter."""
    x1, y1, x2, y2 = region.bbox
    is_within = intersection_area(one.box, region.bbox) >= COVERED * area(one.box)
    return is_within and _holds_text(region) and max(x2 - x1, y2 - y1) <= ALONE * one.side


def _nearest(one: TickBox, regions: Sequence[Region]) -> int | None:
    """Index of the region beside the box, those on its right before those on its left."""
    gaps = [
        (side, gap, index)
        for index, region in enumerate(regions)
        if _holds_text(region) and region.bbox[1] < (one.box[1] + one.box[3]) / 2 < region.bbox[3]
        for side, gap in enumerate((region.bbox[0] - one.box[2], one.box[0] - region.bbox[2]))
        if -one.side < gap <= MAX_GAP * one.side
    ]
    return min(gaps)[2] if gaps else None


def _holds_text(region: Region) -> bool:
    return region.label not in PICTURE_LABELS and not is_formula(region.label)


def _grow(region: Region, box: BBox, regions: Sequence[Region]) -> Region:
    """The region with the box in it, unless it would reach into another one's text."""
    grown = union([region.bbox, box])
    before = sum(intersection_area(region.bbox, other.bbox) for other in regions if other is not region)
    after = sum(intersection_area(grown, other.bbox) for other in regions if other is not region)
    return region if after > before else replace(region, bbox=grown, polygon=None)
