"""What is found on a page's pixels before its regions are read: which way it stands, its regions, its text lines.

A step that fails costs what it would have found, and no page; only without its regions a page can't be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog

from gateway.assembly.alignment import LineInk, find_line_inks
from gateway.imaging.block_merging import merge_layout_blocks
from gateway.imaging.orientation import UNKNOWN, auto_rotate, warn_of_turn
from gateway.imaging.table_images import assign_tags
from gateway.layout.additions import drop_printed, include_tick_boxes
from gateway.layout.line_ink import find_region_lines, measure_lines
from gateway.model import BBox, InkedLine, PageImage, PageLayout
from gateway.parts import Parts
from gateway.reading_options import OcrOptions
from gateway.scheduling.fair_semaphore import Flow
from gateway.tasks import task_for, whole_page_region
from gateway.text_layer.document_text import SeenLayer, look_at_layer
from gateway.text_layer.drawings import DrawingIndex
from textlines.glyphs import StrayInk

T = TypeVar("T")
log = structlog.get_logger(__name__)


class PageInspector:
    """Of one document's pages, in the turns of its `flow`."""

    def __init__(self, parts: Parts, flow: Flow, options: OcrOptions) -> None:
        self._parts = parts
        self._flow = flow
        self._options = options
        self._drawings = DrawingIndex()

    async def run(self, page: PageImage, work: Callable[[], T]) -> T:
        """Does work on the page's pixels in a thread of its slot."""
        return await self._parts.slots.run(self._flow, page.number, work)

    async def rotate(self, page: PageImage) -> PageImage:
        """The page as people hold it."""
        try:
            return await self.run(page, partial(auto_rotate, page, self._parts.orientation))
        except Exception:
            log.exception("orientation_failed", page=page.number)
            return replace(page, warnings=(*page.warnings, UNKNOWN))

    async def check_turn(self, page: PageImage, layout: PageLayout, stray: StrayInk) -> PageImage:
        """The page as it stands, with a warning where it is turned."""
        try:
            return await self.run(page, lambda: warn_of_turn(page, stray.half, layout.lines))
        except Exception:
            log.exception("orientation_failed", page=page.number)
            return page

    async def look_at_layer(self, page: PageImage) -> SeenLayer:
        if page.layer is None or self._options.task != "document":
            return SeenLayer()
        try:
            return await self.run(page, partial(look_at_layer, page, self._drawings))
        except Exception:
            log.exception("text_layer_failed", page=page.number)
            return SeenLayer()

    async def find_layout(self, page: PageImage, stray: StrayInk) -> PageLayout:
        detector, slots = self._parts.layout, self._parts.slots
        if self._options.task == "lines":
            find = partial(self._parts.ink.lay_out, page.pixels)
            return await slots.run_layout(self._flow, page.number, detector.pages_at_once, find)
        if self._options.task != "document":
            return PageLayout([whole_page_region(page, self._options)], ())
        async with slots.layout_turn(self._flow, page.number, detector.pages_at_once):
            layout = await detector.detect(page, self._options.layout)
        if self._options.image_text:
            layout = replace(layout, regions=drop_printed(layout.regions))
        layout = await self._add_tick_boxes(page, layout, stray)
        if not self._parts.engine.is_scaling:
            return layout
        regions = merge_layout_blocks(layout.regions, self._options) if self._options.merge_blocks else layout.regions
        return replace(layout, regions=assign_tags(regions))

    async def find_text_lines(
        self, page: PageImage, layout: PageLayout, stray: StrayInk, known: Sequence[BBox] | None
    ) -> list[InkedLine] | None:
        """The text lines that the page's result is held against; None where they can't be told. `known`: all
        lines of text that the page has, if the file has told the layout's lines."""
        if self._options.task != "document":
            return None
        tasks = [task_for(region.label, self._options) for region in layout.regions]

        def find() -> list[InkedLine]:
            read = [region.bbox for region, task in zip(layout.regions, tasks, strict=True) if task]
            lines = None if layout.lines is None else known
            if lines is None:
                lines = self._parts.ink.find_lines(page.pixels, layout, read, stray)
            rows = find_region_lines(stray, layout, tasks)
            return [*measure_lines(stray, lines), *measure_lines(stray, rows, are_rows=True)]

        try:
            return await self.run(page, find)
        except Exception:
            log.exception("text_ink_failed", page=page.number)
            return None

    async def find_line_inks(self, page: PageImage, layout: PageLayout) -> list[LineInk]:
        """The lines to which the text of an engine is aligned that tells no places; none where that is not needed."""
        has_table = any(region.label == "table" for region in layout.regions)
        is_needed = self._options.lines or (has_table and self._options.cells == "all")
        if not is_needed or not self._parts.engine.is_scaling:
            return []

        def find() -> list[LineInk]:
            return find_line_inks(page.pixels, self._parts.ink.detect_lines(page.pixels, layout))

        try:
            return await self.run(page, find)
        except Exception:
            log.exception("line_inks_failed", page=page.number)
            return []

    async def _add_tick_boxes(self, page: PageImage, layout: PageLayout, stray: StrayInk) -> PageLayout:
        try:
            return await self.run(page, partial(include_tick_boxes, layout, page.pixels, stray))
        except Exception:
            log.exception("tick_boxes_failed", page=page.number)
            return layout
