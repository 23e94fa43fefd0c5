"""Files that clients upload now and have read later, one folder each below `DATA_DIR/files`, for a time.

    <id>/content    the bytes
    <id>/file.json  StoredFile, written last: a folder without it was cut off, and goes

All functions block.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings
from gateway.storage.keys import DOCUMENT_ID
from gateway.storage.retention import write_file

FILES = "files"
ABANDONED_S = 600.0
"""Age at which a folder without its `file.json` was left by a killed process."""


class StoredFile(BaseModel):
    """`owner`: digest of the key that it came with. Times are seconds since 1970."""

    id: str
    owner: str
    name: str
    purpose: str
    media_type: str | None
    size: int
    created: float
    expires: float


class FileStore:
    def __init__(self, settings: Settings) -> None:
        self._root = settings.data_dir / FILES
        self._max_bytes = settings.files_max_gb * 1e9
        self._keep_s = settings.files_keep_s

    def create(
        self, content: SpooledFile, owner: str, name: str, purpose: str, media_type: str | None, keep_s: float | None
    ) -> StoredFile:
        """Keeps a file for `keep_s`, at most as long as files are kept. ServiceError 507 `storage_full`."""
        now = time.time()
        expires = now + min(keep_s or self._keep_s, self._keep_s)
        file = StoredFile(
            id=uuid.uuid4().hex,
            owner=owner,
            name=name,
            purpose=purpose,
            media_type=media_type,
            size=content.size,
            created=now,
            expires=expires,
        )
        folder = self._root / file.id
        try:
            self._require_room(content.size)
            folder.mkdir(parents=True, mode=0o700)
            _copy(content, folder / "content")
            write_file(folder, folder / "file.json", file.model_dump_json().encode())
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            reason = f"DATA_DIR can't be written: {error.strerror}"
            raise ServiceError(507, "storage_full", f"The file can't be kept: {reason}.") from error
        return file

    def find(self, file_id: str, owner: str | None) -> StoredFile:
        """ServiceError 404 `not_found` for another owner's file and one whose time is over, too. None: of any owner."""
        file = self._read(file_id)
        if file is None or owner not in (None, file.owner) or time.time() > file.expires:
            raise ServiceError(
                404, "not_found", "There is no such file; it may have been deleted, or its time is over."
            )
        return file

    def list_files(self, owner: str) -> list[StoredFile]:
        """Newest first."""
        files = filter(None, map(self._read, self._ids()))
        own = [file for file in files if file.owner == owner and time.time() <= file.expires]
        return sorted(own, key=lambda file: file.created, reverse=True)

    def open(self, file: StoredFile) -> SpooledFile:
        """A copy of the bytes. ServiceError 404 `not_found` where it was just deleted, 503 `storage_unavailable`."""
        try:
            return SpooledFile.from_path(self._root / file.id / "content")
        except FileNotFoundError:
            raise ServiceError(404, "not_found", "There is no such file; it was deleted.") from None

    def delete(self, file: StoredFile) -> None:
        shutil.rmtree(self._root / file.id, ignore_errors=True)

    def remove_expired(self, now: float) -> None:
        for file_id in self._ids():
            file, folder = self._read(file_id), self._root / file_id
            with suppress(OSError):
                expires = file.expires if file else folder.stat().st_mtime + ABANDONED_S
                if now > expires:
                    shutil.rmtree(folder, ignore_errors=True)

    def _ids(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            yield from filter(DOCUMENT_ID.fullmatch, os.listdir(self._root))

    def _read(self, file_id: str) -> StoredFile | None:
        if not DOCUMENT_ID.fullmatch(file_id):
            return None
        with suppress(OSError, ValidationError):
            return StoredFile.model_validate_json((self._root / file_id / "file.json").read_bytes())
        return None

    def _require_room(self, size: int) -> None:
        taken = 0
        for file_id in self._ids():
            with suppress(OSError):
                taken += (self._root / file_id / "content").stat().st_size
        if taken + size > self._max_bytes:
            detail = "There is no room for more files (FILES_MAX_GB); delete some, or wait until their time is over."
            raise ServiceError(507, "storage_full", detail)


def _copy(content: SpooledFile, path: Path) -> None:
    with path.open("xb") as target:
        target.writelines(content.read_pieces())
