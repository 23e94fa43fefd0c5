"""The files that a render worker keeps open, in this process."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from gateway.intake.render.worker import OpenFileCache


def open_picture(cache: OpenFileCache, path: Path) -> None:
    request = {"key": str(path), "media_type": "image/png", "max_pixels": 1_000_000}
    cache.get(request, os.open(path, os.O_RDONLY))


def open_files() -> set[str]:
    """What this process has open, by its path; that of a deleted file ends with ` (deleted)`."""
    folder = "/proc/self/fd"
    return {os.readlink(f"{folder}/{one}") for one in os.listdir(folder) if os.path.lexists(f"{folder}/{one}")}


def test_a_file_that_was_deleted_is_let_go_of_with_the_next(tmp_path: Path) -> None:
    """The disk has room again for what is kept of jobs; what was not deleted stays open."""
    deleted, kept, new = (tmp_path / name for name in ("deleted", "kept", "new"))
    for path in (deleted, kept, new):
        Image.new("RGB", (8, 8)).save(path, "PNG")
    cache = OpenFileCache()
    open_picture(cache, deleted)
    open_picture(cache, kept)
    deleted.unlink()
    assert f"{deleted} (deleted)" in open_files()
    open_picture(cache, new)
    assert f"{deleted} (deleted)" not in open_files()
    assert {str(kept), str(new)} <= open_files()
    for path in (kept, new):
        cache.discard(str(path))
