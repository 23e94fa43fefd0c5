"""Folders of the service: whether one can be written, found out by writing."""

from __future__ import annotations

import errno
import os
import tempfile
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
