"""What an answer says of all its pages together; it grows with what went wrong, not with the pages."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.assembly.document import document_status
from gateway.errors import ServiceError
from gateway.model import DocumentStatus, Timings, Usage
from gateway.page import ReadPage

_MOST_NAMED = 3


@dataclass(slots=True)
class Tally:
    """Of the pages read so far."""

    pages: int = 0
    usage: Usage = field(default_factory=Usage)
    timings: Timings = field(default_factory=Timings)
    warnings: list[str] = field(default_factory=list)
    _statuses: set[DocumentStatus] = field(default_factory=set)
    _has_blocks: bool = False
    _is_refused: bool = False

    def count(self, page: ReadPage) -> None:
        self.pages += 1
        self.usage = _sum(self.usage, page.usage)
        self.timings = _later(self.timings, page)
        self.warnings += page.result.warnings
        self._statuses.add(page.result.status)
        self._has_blocks |= bool(page.result.blocks)
        self._is_refused |= page.is_refused

    @property
    def status(self) -> DocumentStatus:
        return document_status(self._statuses)

    def require_read(self, *, shows_warnings: bool = True) -> None:
        """ServiceError 422 `document_unreadable`, `script_not_readable` or 502 `recognition_failed` where nothing at
        all was read. `shows_warnings`: the answer has a place for them, where what the engine can't read is told.
        """
        if self.status != "failed" or (self._is_refused and shows_warnings):
            return
        reasons = "; ".join(self.warnings[:_MOST_NAMED])
        if self._is_refused:
            raise ServiceError(422, "script_not_readable", f"No text could be read: {reasons}")
        if self._has_blocks:
            raise ServiceError(502, "recognition_failed", f"No region could be read: {reasons}")
        raise ServiceError(422, "document_unreadable", f"No page could be read: {reasons}")


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(
        pages=one.pages + other.pages,
        regions=one.regions + other.regions,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
    )


def _later(timings: Timings, page: ReadPage) -> Timings:
    return Timings(
        intake_ms=timings.intake_ms + page.intake_ms,
        layout_ms=timings.layout_ms + page.layout_ms,
        recognition_ms=timings.recognition_ms + page.recognition_ms,
    )
