"""Which files of this machine agents may read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class FileNotAllowedError(Exception):
    """The message says which folders are allowed, and not whether the file exists."""


class AllowedFolders:
    """Files below some folders, whatever links and `..` their paths are written with."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = [folder.resolve() for folder in folders]

    def find(self, path: str) -> Path:
        """The real path of a file. One that is relative is looked for in each folder. Raises FileNotAllowedError."""
        for folder in self._folders:
            try:
                real = (folder / Path(path)).resolve(strict=True)
            except (OSError, RuntimeError, ValueError):
                continue
            if real.is_file() and any(real.is_relative_to(allowed) for allowed in self._folders):
                return real
        raise FileNotAllowedError(f"{path!r} is not there, or is no file that may be read here; {self._describe()}.")

    def _describe(self) -> str:
        if not self._folders:
            return "files of this machine may not be read, URLs may"
        return f"files may be read below {', '.join(map(str, self._folders))}"
