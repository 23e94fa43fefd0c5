"""How long stored pictures stay: the oldest documents' go first, by age and by the size of all together.

A folder of pictures is `<root>/<document id>/imgs`; nothing else that lies in the root is ever touched. Files are
written under another name and then moved into place, so that no picture is ever half there; a process that is killed
between the two leaves a draft, which the next one removes. All of it blocks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.settings import Settings
from gateway.storage.keys import DOCUMENT_ID, PICTURE_FOLDER

_DRAFTS = ".drafts"
_ROOM_SHARE = 0.9
"""What is left of the bound when it was reached, so that the folder is not looked through at every picture."""

_MAX_TIDY_INTERVAL_S = 600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Bounds of what is kept; None: there is none."""

    max_age_s: float | None
    max_bytes: int | None


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """`modified`: when its latest picture came, Unix time; `size` in bytes."""

    folder: Path
    modified: float
    size: int


def retention_of(settings: Settings) -> Retention:
    return Retention(settings.stored_max_age_s or None, int(settings.stored_max_gb * 1e9) or None)


def tidy_interval_s(retention: Retention) -> float:
    """How often to look for what is too old."""
    return _MAX_TIDY_INTERVAL_S if retention.max_age_s is None else min(retention.max_age_s / 10, _MAX_TIDY_INTERVAL_S)


def write_file(root: Path, path: Path, data: bytes) -> None:
    """Puts the file in place whole or not at all. `path` lies below `root`. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = root / _DRAFTS / uuid.uuid4().hex
    draft.parent.mkdir(exist_ok=True)
    try:
        with _lock(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)) as descriptor:
            _write_all(descriptor, data)
            draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def remove_drafts(root: Path) -> None:
    """Removes what processes that were killed have left, and no file that another one is just writing."""
    for draft in _entries(root / _DRAFTS):
        with suppress(OSError), _lock(os.open(draft, os.O_WRONLY)):
            os.unlink(draft)


def remove_old(root: Path, retention: Retention, now: float) -> int:
    """Removes documents that are too old, then the oldest as long as all are too large; bytes of those that stay."""
    documents = sorted(find_documents(root), key=lambda document: document.modified)
    total = sum(document.size for document in documents)
    bound = retention.max_bytes
    wanted = total if bound is None or total <= bound else _ROOM_SHARE * bound
    for document in documents:
        is_old = retention.max_age_s is not None and now - document.modified > retention.max_age_s
        if not is_old and total <= wanted:
            break
        shutil.rmtree(document.folder / PICTURE_FOLDER, ignore_errors=True)
        with suppress(OSError):  # not empty where somebody has put something beside the pictures
            document.folder.rmdir()
        total -= document.size
    return total


def find_documents(root: Path) -> Iterator[StoredDocument]:
    """All documents with pictures, in any order. What others remove meanwhile is left out."""
    for entry in _entries(root):
        if DOCUMENT_ID.fullmatch(entry.name):
            with suppress(OSError):
                folder = Path(entry)
                modified = (folder / PICTURE_FOLDER).stat().st_mtime
                size = sum(picture.stat(follow_symlinks=False).st_size for picture in _entries(folder / PICTURE_FOLDER))
                yield StoredDocument(folder, modified, size)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder; nothing where there is none."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


@contextmanager
def _lock(descriptor: int) -> Iterator[int]:
    """Locks the file while it is open; raises BlockingIOError where another process has. File systems that know no
    locks are taken as they are."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            pass
        yield descriptor
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    with memoryview(data) as rest:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
