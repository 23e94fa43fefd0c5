"""What a decoder makes of one page, inside a worker process."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Raster:
    """RGB pixels of one page, 8 bits a channel, rows top to bottom without padding.

    `strips` gives them piece by piece, together `width * height * 3` bytes, so that no second copy of a page is held.
    """

    width: int
    height: int
    dpi: int | None
    strips: Iterable[bytes | memoryview]


class PageSource(Protocol):
    """An opened file in a worker process. Page numbers count from 1."""

    @property
    def pages_total(self) -> int: ...

    def probe(self, selected: Collection[int]) -> None:
        """Raises the first page's ServiceError if none of the selected pages can be made into pixels."""

    def page(self, number: int) -> Raster:
        """Raises ServiceError for a page that can't be made into pixels."""

    def trim(self) -> None:
        """Frees what can be made again from the file's bytes."""

    def close(self) -> None: ...
