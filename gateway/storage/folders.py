"""Folders of the service: whether one can be written, found out by writing, and what stands in it once and for all."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_FULL = frozenset(map(os.strerror, (errno.ENOSPC, errno.EDQUOT)))


@dataclass(frozen=True, slots=True)
class FolderState:
    path: str
    writable: bool
    reason: str | None = None

    @property
    def is_full(self) -> bool:
        """Whether it can't be written for want of space, which may pass by itself."""
        return self.reason in _FULL


def check_folder(path: Path) -> FolderState:
    """Makes the folder if it is missing and writes a file into it. Never raises."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x")
    except OSError as error:
        return FolderState(str(path), writable=False, reason=error.strerror or type(error).__name__)
    return FolderState(str(path), writable=True)


def load_or_create(file: Path, content: bytes) -> bytes:
    """What the file holds; `content`, which only its owner may read, where there is none yet. Of several processes that
    begin at once, the first one's stays. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent) as fresh:
        fresh.write(content)
        fresh.flush()
        with suppress(FileExistsError):
            os.link(fresh.name, file)
    return file.read_bytes()
