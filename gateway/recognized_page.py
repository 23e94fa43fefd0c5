"""A page on its way through the pipeline: cut into regions that are being read, then finished."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from gateway.assembly.alignment import LineInk, align_readings
from gateway.assembly.cards import order_cards
from gateway.assembly.clean import clean_reading
from gateway.assembly.look_alikes import settle_look_alikes
from gateway.assembly.page import assemble_failure, assemble_page, assemble_text, page_image_key
from gateway.errors import ServiceError
from gateway.labels import is_formula
from gateway.model import InkedLine, PageFailure, PageImage, PageLayout, PageResult, Reading, Region, TextPage, Usage
from gateway.reading_options import OcrOptions

ENGINE_DIGITS, COST_DIGITS = 4, 8
"""A tenth of a millisecond; what that costs at a few units an hour."""
MIN_LAYER_WORDS = 2
"""Words that a page's text layer shows, from which on a page without a text has lost some."""
PageView = Callable[[PageImage, Sequence[Region]], Mapping[str, bytes]]
"""Pictures of a whole page by name, made in a thread while its pixels are there."""


@dataclass(frozen=True, slots=True)
class RecognizedPage:
    """One page, finished. `images` maps keys of the Markdown to JPEG bytes; times are milliseconds.

    `is_refused`: there is text that the engine can't read, whoever asks again; `busy`: there is text that it did not
    read because it took no more work.

    `regions` stand as the result's blocks do; `detections` are the layout model's boxes; `views` are what the caller's
    `PageView` made of the page and those.
    """

    result: PageResult
    images: Mapping[str, bytes] = field(default_factory=dict)
    regions: Sequence[Region] = ()
    detections: Sequence[Region] = ()
    views: Mapping[str, bytes] = field(default_factory=dict)
    is_refused: bool = False
    busy: ServiceError | None = None
    intake_ms: int = 0
    layout_ms: int = 0
    recognition_ms: int = 0

    @property
    def usage(self) -> Usage:
        return self.result.usage


@dataclass(frozen=True, slots=True)
class PageInProgress:
    """A page without its pixels: its regions, each with the reading that is on its way, and its pictures.

    `lines`: the text lines that were seen on it, None where nobody looked. `line_inks`: those
    to which text is aligned whose engine tells no places. `layer_words`: the words that are seen of the page's text
    layer. `sample`: the readings of some of its lines for their
    own sake, None if nobody asked.
    """

    number: int
    width: int
    height: int
    dpi: int | None
    angle: int | None
    layout: PageLayout
    lines: Sequence[InkedLine] | None = None
    warnings: tuple[str, ...] = ()
    is_partial: bool = False
    line_inks: Sequence[LineInk] = ()
    layer_words: int = 0
    readings: list[asyncio.Future[Reading]] = field(default_factory=list)
    sample: asyncio.Future[Sequence[Reading]] | None = None
    images: dict[str, bytes] = field(default_factory=dict)
    views: dict[str, bytes] = field(default_factory=dict)
    layout_ms: int = 0
    cut_at: float = field(default_factory=monotonic)

    @property
    def regions(self) -> Sequence[Region]:
        return self.layout.regions

    def first_of_group(self, region: Region) -> asyncio.Future[Reading] | None:
        """The call, already begun, that reads this region too."""
        if region.group is None:
            return None
        begun = zip(self.regions, self.readings, strict=False)
        return next((call for other, call in begun if other.order == region.group), None)


def finish_page(
    page: PageInProgress, options: OcrOptions, *, is_vlm: bool, reads_formulas: bool, price: float, intake_ms: int
) -> RecognizedPage:
    """The page with its Markdown, when all its readings are there. Milliseconds of CPU, seconds for huge tables.

    `reads_formulas`: whether the engine writes LaTeX; one that does not gives a formula's signs in a row. `price`: of
    an hour of the engine, 0 for none.
    """
    readings = [
        _blank_group_member(reading)
        if region.group not in (None, region.order)
        else clean_reading(reading, region, is_vlm=is_vlm and _is_written_by_vlm(reading))
        for region, reading in zip(
            page.regions, settle_look_alikes([reading.result() for reading in page.readings]), strict=True
        )
    ]
    if page.line_inks:
        readings = align_readings(page.regions, readings, page.line_inks, options)
    regions, readings = order_cards(page.regions, readings)
    usage = _usage([*(reading.result() for reading in dict.fromkeys(page.readings)), *_list_samples(page)], price)
    result = assemble_page(page.number, page.width, page.height, page.dpi, regions, readings, options, page.lines)
    if not reads_formulas:
        result = _add_warning(result, warn_of_formulas(regions, readings))
    return RecognizedPage(
        _add_picture_notes(_add_warning(_add_usage(result, usage), page.layout.warning), page),
        page.images,
        regions,
        page.layout.detections,
        page.views,
        is_refused=any(reading.is_refused for reading in readings),
        busy=next((reading.busy for reading in readings if reading.busy), None),
        intake_ms=intake_ms,
        layout_ms=page.layout_ms,
        recognition_ms=elapsed_ms(page.cut_at),
    )


def warn_of_formulas(regions: Sequence[Region], readings: Sequence[Reading]) -> str | None:
    """A clause on the formulas of a page whose signs an engine without LaTeX has read; None for none."""
    read = [
        reading
        for region, reading in zip(regions, readings, strict=True)
        if is_formula(region.label) and reading.text and reading.source == "engine"
    ]
    if not read:
        return None
    which = "1 formula is" if len(read) == 1 else f"{len(read)} formulas are"
    return f"{which} approximate: the embedded engine reads the signs in a row, without powers, fractions and roots"


def make_failed_page(failure: PageFailure, *, intake_ms: int) -> RecognizedPage:
    return RecognizedPage(assemble_failure(failure), intake_ms=intake_ms)


def make_text_page(page: TextPage, *, intake_ms: int) -> RecognizedPage:
    return RecognizedPage(assemble_text(page), intake_ms=intake_ms)


def encode_pictures(pictures: Mapping[str, bytes]) -> dict[str, str]:
    """Base64 of each."""
    return {key: base64.b64encode(data).decode("ascii") for key, data in pictures.items()}


def picture_url(picture: bytes) -> str:
    """`data:` URL of a JPEG."""
    return f"data:image/jpeg;base64,{base64.b64encode(picture).decode('ascii')}"


def elapsed_ms(started: float) -> int:
    """Milliseconds since a time of `monotonic`."""
    return round(1000 * (monotonic() - started))


def _blank_group_member(reading: Reading) -> Reading:
    """What is left to say of a region whose text stands in the first of its group."""
    return replace(reading, text="", lines=None, confidence=None, prompt_tokens=0, completion_tokens=0)


def _add_usage(result: PageResult, usage: Usage) -> PageResult:
    """`usage`: of the engine; the result has that of its ink."""
    ink = result.usage
    return result.model_copy(update={"usage": usage.model_copy(update={"ink": ink.ink, "ink_read": ink.ink_read})})


def _add_warning(result: PageResult, warning: str | None) -> PageResult:
    if warning is None:
        return result
    return result.model_copy(update={"warnings": [f"page {result.page}: {warning}", *result.warnings]})


def _add_picture_notes(result: PageResult, page: PageInProgress) -> PageResult:
    """What is known of the page's picture: how it was turned, and what it lacks."""
    has_text = any(block.content.strip() for block in result.blocks)
    # Of blocks that failed it is said already.
    is_lost = not has_text and page.layer_words >= MIN_LAYER_WORDS and result.status == "ok"
    lost = (f"its text layer shows {page.layer_words} words, and none was read of the page",) if is_lost else ()
    warnings = [*result.warnings, *(f"page {result.page}: {warning}" for warning in (*page.warnings, *lost))]
    status = "partial" if is_lost or (page.is_partial and result.status == "ok") else result.status
    key = page_image_key(page.number)
    image = key if key in page.images else None
    return result.model_copy(update={"angle": page.angle, "warnings": warnings, "status": status, "image": image})


def _list_samples(page: PageInProgress) -> Sequence[Reading]:
    return page.sample.result() if page.sample else ()


def _is_written_by_vlm(reading: Reading) -> bool:
    """Whether a VLM wrote it, where one hosts the tier."""
    return reading.source == "engine" and reading.engine != "embedded"


def _is_engine_call(reading: Reading) -> bool:
    """Whether the VLM, or the engine in its place, was asked."""
    is_read = reading.status != "skipped" and reading.source == "engine"
    return is_read and not _is_line_readers(reading)


def _is_line_readers(reading: Reading) -> bool:
    """Whether the embedded engine beside a VLM gave it."""
    return reading.line_reader_calls > 0 and reading.engine == "embedded"


def _usage(readings: Sequence[Reading], price: float) -> Usage:
    engine_s = sum(reading.engine_s for reading in readings)
    return Usage(
        pages=1,
        regions=sum(map(_is_engine_call, readings)),
        line_reader_calls=sum(reading.line_reader_calls for reading in readings),
        prompt_tokens=sum(reading.prompt_tokens for reading in readings),
        completion_tokens=sum(reading.completion_tokens for reading in readings),
        engine_s=round(engine_s, ENGINE_DIGITS),
        cost=round(engine_s * price / 3600, COST_DIGITS) if price else None,
    )
