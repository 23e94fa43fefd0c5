"""A page on its way through the pipeline: cut into regions that are being read, then finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic

from gateway.assembly.clean import clean_reading
from gateway.assembly.page import assemble_failure, assemble_page
from gateway.model import OcrOptions, PageFailure, PageImage, PageLayout, PageResult, Reading, Region, Usage

PageView = Callable[[PageImage, Sequence[Region]], Mapping[str, bytes]]
"""Pictures of a whole page by name, made in a thread while its pixels are there."""


@dataclass(frozen=True, slots=True)
class ReadPage:
    """One page, finished. `images` maps keys of the Markdown to JPEG bytes; times are milliseconds.

    `is_refused`: there is text that the engine can't read, whoever asks again.

    `regions` stand as the result's blocks do; `detections` are the layout model's boxes; `views` are what the caller's
    `PageView` made of the page and those.
    """

    result: PageResult
    images: Mapping[str, bytes] = field(default_factory=dict)
    regions: Sequence[Region] = ()
    detections: Sequence[Region] = ()
    views: Mapping[str, bytes] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    is_refused: bool = False
    intake_ms: int = 0
    layout_ms: int = 0
    recognition_ms: int = 0


@dataclass(frozen=True, slots=True)
class CutPage:
    """A page without its pixels: its regions, each with the reading that is on its way, and its pictures."""

    number: int
    width: int
    height: int
    dpi: int | None
    angle: int | None
    layout: PageLayout
    readings: list[asyncio.Future[Reading]] = field(default_factory=list)
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


def finished_page(cut: CutPage, options: OcrOptions, *, is_vlm: bool, intake_ms: int) -> ReadPage:
    """The page with its Markdown, when all its readings are there. Milliseconds of CPU, seconds for huge tables."""
    readings = [
        _following(reading.result())
        if region.group not in (None, region.order)
        else clean_reading(reading.result(), region, is_vlm=is_vlm)
        for region, reading in zip(cut.regions, cut.readings, strict=True)
    ]
    result = assemble_page(cut.number, cut.width, cut.height, cut.dpi, cut.regions, readings, options)
    return ReadPage(
        _with_angle(_with_warning(result, cut.layout.warning), cut.angle, is_asked=options.orientation),
        cut.images,
        cut.regions,
        cut.layout.detections,
        cut.views,
        usage=_usage([reading.result() for reading in dict.fromkeys(cut.readings)]),
        is_refused=any(reading.is_refused for reading in readings),
        intake_ms=intake_ms,
        layout_ms=cut.layout_ms,
        recognition_ms=ms_since(cut.cut_at),
    )


def failed_page(failure: PageFailure, *, intake_ms: int) -> ReadPage:
    return ReadPage(assemble_failure(failure), intake_ms=intake_ms)


def ms_since(started: float) -> int:
    """Milliseconds since a time of `monotonic`."""
    return round(1000 * (monotonic() - started))


def _following(reading: Reading) -> Reading:
    """What is left to say of a region whose text stands in the first of its group."""
    return replace(reading, text="", confidence=None, prompt_tokens=0, completion_tokens=0)


def _with_warning(result: PageResult, warning: str | None) -> PageResult:
    if warning is None:
        return result
    return result.model_copy(update={"warnings": [f"page {result.page}: {warning}", *result.warnings]})


def _with_angle(result: PageResult, angle: int | None, *, is_asked: bool) -> PageResult:
    warnings = result.warnings
    if is_asked and angle is None:
        warnings = [*warnings, f"page {result.page}: its orientation could not be told; it was read as it stands"]
    return result.model_copy(update={"angle": angle, "warnings": warnings})


def _usage(readings: Sequence[Reading]) -> Usage:
    return Usage(
        pages=1,
        regions=sum(reading.status != "skipped" for reading in readings),
        prompt_tokens=sum(reading.prompt_tokens for reading in readings),
        completion_tokens=sum(reading.completion_tokens for reading in readings),
    )
