"""What a decoder reads and what it makes of one page, inside a worker process."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MAX_SIDE = 65_000
"""Pixels; no JPEG picture has a longer side. A thinner page of as many pixels is no page, and some steps go by it."""

CHARACTER = struct.Struct("<IHH7f")
"""One character of a text layer: Unicode, `CharacterFlag` and quarters, place of its font in the list of fonts; its box
x1, y1, x2, y2, its origin on the baseline x, y and its em, in pixels of the page image."""


class CharacterFlag(IntFlag):
    SPACE = 1
    """White space, of the file's own or put in where it leaves room; its box means nothing."""
    UNMAPPED = 2
    """The file tells only a number of it."""
    UNPAINTED = 4
    """Its render mode paints nothing, or makes a clip of it."""
    SLANTED = 8
    """It stands in no multiple of 90 degrees."""


BACKGROUND_ROWS = 64
"""Of a page, in one strip of its background."""
QUARTERS_SHIFT = 8
"""Above the flags: by how many quarters a character is turned clockwise in the page image."""


@dataclass(frozen=True, slots=True)
class LayerData:
    """The text layer of a page. `fonts`: what tells them apart, in this document. `characters`: records of
    `CHARACTER`, in the file's order. `background`: the page without its characters, in strips of `BACKGROUND_ROWS` rows
    of RGB pixels; of a strip in one colour only a pixel, which spares most pages the way of a second picture."""

    fonts: tuple[str, ...]
    characters: bytes
    background: tuple[bytes | memoryview, ...]


@dataclass(frozen=True, slots=True)
class Raster:
    """RGB pixels of one page, 8 bits a channel, rows top to bottom without padding.

    `strips` gives them piece by piece, together `width * height * 3` bytes, so that no second copy of a page is held.
    `warnings`, `is_partial` and `text_angle`: as in `PageImage`. `layer`: None where it has none, or nobody asked.
    """

    width: int
    height: int
    dpi: int | None
    strips: Iterable[bytes | memoryview]
    warnings: tuple[str, ...] = ()
    is_partial: bool = False
    text_angle: int | None = None
    layer: LayerData | None = None


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
        self._had_name = self._has_name()
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        self.head = b""
        self.bytes_read = 0

    @property
    def is_deleted(self) -> bool:
        """Whether the file has lost the name that it was opened by; temporary ones never have one."""
        return self._had_name and not self.closed and not self._has_name()

    def _has_name(self) -> bool:
        try:
            return os.fstat(self.fileno()).st_nlink > 0
        except OSError:  # on NFS, of a file that another machine has deleted
            return False

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
