"""What a decoder reads and what it makes of one page, inside a worker process."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


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


class FileView(io.FileIO):
    """The file behind a descriptor, which it takes over, read as a decoder asks, with no copy in memory.

    `read` shows `head` in place of the file's first bytes; `bytes_read` counts what `readinto` gave out.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "rb")
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        self.head = b""
        self.bytes_read = 0

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data: bytes = super().read(size)
        if start >= len(self.head):
            return data
        head = self.head[start : start + len(data)]
        return head + data[len(head) :]

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        size: int = super().readinto(buffer)
        self.bytes_read += size
        return size
