"""Whether a folder can be written, found out by writing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class FolderState:
    path: str
    writable: bool
    reason: str | None = None


def check_folder(path: Path) -> FolderState:
    """Makes the folder if it is missing and writes a file into it. Never raises."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x")
    except OSError as error:
        return FolderState(str(path), writable=False, reason=error.strerror or type(error).__name__)
    return FolderState(str(path), writable=True)
