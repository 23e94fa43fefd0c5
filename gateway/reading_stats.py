"""What is said of all pages of a document together: their usage, times and warnings, and whether anything was read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.assembly.restructure import combine_statuses
from gateway.errors import ServiceError
from gateway.model import DocumentStatus, Timings, Usage
from gateway.reading_options import TextLayerMode
from gateway.recognized_page import COST_DIGITS, ENGINE_DIGITS, RecognizedPage

_MAX_REASONS = 3


@dataclass(slots=True)
class ReadingStats:
    """What is said of all pages read so far together; it grows with what went wrong, not with the pages."""

    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    warnings: list[str] = field(default_factory=list)
    text_layer: TextLayerMode = "auto"
    _statuses: set[DocumentStatus] = field(default_factory=set)
    _has_blocks: bool = False
    _is_refused: bool = False
    _busy: ServiceError | None = None

    def add(self, page: RecognizedPage) -> None:
        self.usage = _add_usage(self.usage, page.usage)
        self.timings = _add_timings(self.timings, page)
        self.warnings += page.result.warnings
        self._statuses.add(page.result.status)
        self._has_blocks |= bool(page.result.blocks)
        self._is_refused |= page.is_refused
        self._busy = self._busy or page.busy

    @property
    def status(self) -> DocumentStatus:
        return combine_statuses(self._statuses)

    def require_read(self, *, shows_warnings: bool = True) -> None:
        """Raises ServiceError where nothing at all was read: 422 `document_unreadable`, `script_not_readable`,
        `no_text_layer`, 502 `recognition_failed`, or 429 and 503 as a busy engine says it.

        `shows_warnings`: the answer has a place for them, where what the engine can't read is told.
        """
        if self.status != "failed" or (self._is_refused and shows_warnings):
            return
        reasons = "; ".join(self.warnings[:_MAX_REASONS])
        if self._is_refused:
            raise ServiceError(422, "script_not_readable", f"No text could be read: {reasons}")
        if self._busy:
            raise self._busy
        if self._has_blocks and self.text_layer == "only":
            detail = "No page has a text layer that can be trusted, and `text_layer=only` asks for no other text."
            raise ServiceError(422, "no_text_layer", detail)
        if self._has_blocks:
            raise ServiceError(502, "recognition_failed", f"No region could be read: {reasons}")
        raise ServiceError(422, "document_unreadable", f"No page could be read: {reasons}")


def _add_usage(one: Usage, other: Usage) -> Usage:
    return Usage(
        pages=one.pages + other.pages,
        regions=one.regions + other.regions,
        line_reader_calls=one.line_reader_calls + other.line_reader_calls,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        engine_s=round(one.engine_s + other.engine_s, ENGINE_DIGITS),
        cost=_add_costs(one.cost, other.cost),
        ink=one.ink + other.ink,
        ink_read=_mean_share([usage for usage in (one, other) if usage.ink_read is not None]),
    )


def _add_costs(one: float | None, other: float | None) -> float | None:
    known = [cost for cost in (one, other) if cost is not None]
    return round(sum(known), COST_DIGITS) if known else None


def _mean_share(usages: Sequence[Usage]) -> float | None:
    """Of the ink of all of them; None where no page's was measured."""
    if not usages:
        return None
    ink = sum(usage.ink for usage in usages)
    return sum(usage.ink * (usage.ink_read or 0.0) for usage in usages) / ink if ink else 1.0


def _add_timings(timings: Timings, page: RecognizedPage) -> Timings:
    return Timings(
        intake_ms=timings.intake_ms + page.intake_ms,
        layout_ms=timings.layout_ms + page.layout_ms,
        recognition_ms=timings.recognition_ms + page.recognition_ms,
    )
