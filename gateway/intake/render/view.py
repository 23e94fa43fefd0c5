"""A file as the decoders of a worker process read it: as they ask, with no copy of it in memory."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class FileView(io.FileIO):
    """The file behind a descriptor, which is taken over.

    `read` shows `head` in place of the file's first bytes; `taken` counts what `readinto` gave out.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "rb")
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        self.head = b""
        self.taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        data: bytes = super().read(size)
        if start >= len(self.head):
            return data
        shown = self.head[start : start + len(data)]
        return shown + data[len(shown) :]

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        got: int = super().readinto(buffer)
        self.taken += got
        return got
