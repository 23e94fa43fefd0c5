"""Files that clients upload now and have read later, a folder of the store for each, for a time.

    files/<id>/content    the bytes
    files/<id>/file.json  StoredFile, written last: a folder without it was cut off, and goes

All functions block, and raise what `ObjectStore` raises.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress

import structlog
from pydantic import BaseModel, ValidationError

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings
from gateway.storage.bucket import StoredObject
from gateway.storage.keys import DOCUMENT_ID
from gateway.storage.objects import ObjectStore
from gateway.storage.stored_sizes import StoredSizes

FILES = "files"
_CONTENT, _FILE = "content", "file.json"
ABANDONED_S = 600.0
"""Age at which a folder without its `file.json` was left by a killed process."""
OBJECT_BYTES = 4096
"""That each object takes beyond its own at most, in its last block or in a list of what a bucket holds: files of one
byte are not for nothing."""
LOOK_AGAIN_S = 5.0
"""Age of what is known of the store from which on it is looked through again before a file is refused: another gateway
may have deleted some."""

log = structlog.get_logger(__name__)


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
    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self._objects = objects
        self._max_bytes = settings.files_max_gb * 1e9
        self._keep_s = settings.files_keep_s
        self._sizes = StoredSizes()
        self._looked_at = -math.inf
        self._counting = threading.Lock()
        """Held while either is read or changed."""

    def create(
        self,
        file_id: str,
        content: SpooledFile,
        owner: str,
        name: str,
        purpose: str,
        media_type: str | None,
        keep_s: float | None,
    ) -> StoredFile:
        """Keeps a file for `keep_s`, at most as long as files are kept. `file_id`: of `create_file_id`. ServiceError
        507 `storage_full`, 503 `storage_unavailable`."""
        now = time.time()
        expires = now + min(keep_s or self._keep_s, self._keep_s)
        file = StoredFile(
            id=file_id,
            owner=owner,
            name=name,
            purpose=purpose,
            media_type=media_type,
            size=content.size,
            created=now,
            expires=expires,
        )
        try:
            with self._hold_room(file.id, content.size + 2 * OBJECT_BYTES):
                self._objects.prepare(FILES)
                self._objects.write(_key(file.id, _CONTENT), content)
                self._objects.write(_key(file.id, _FILE), file.model_dump_json().encode())
        except BaseException as error:
            with suppress(OSError, ServiceError):
                self.delete(file)
            if not isinstance(error, OSError):
                raise
            reason = f"{self._objects.place} can't be written: {error.strerror}"
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
        ids = {_id_of(one) for one in self._objects.survey(FILES)}
        own = [file for file in map(self._read, ids) if file and file.owner == owner and time.time() <= file.expires]
        return sorted(own, key=lambda file: file.created, reverse=True)

    def open(self, file: StoredFile) -> SpooledFile:
        """A copy of the bytes. ServiceError 404 `not_found` where it was just deleted, 503 `storage_unavailable`."""
        content = self._objects.open(_key(file.id, _CONTENT))
        if content is None:
            raise ServiceError(404, "not_found", "There is no such file; it was deleted.")
        return content

    def delete(self, file: StoredFile) -> None:
        self._delete(file.id)
        with self._counting:
            self._sizes.remove(file.id)

    def remove_expired(self, now: float) -> dict[str, dict[str, int]]:
        """Those that stay: bytes by id, by owner. One that can't be read now is left as it is."""
        sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        modified: dict[str, float] = {}
        taken: Counter[str] = Counter()
        begun = time.monotonic()
        for one in self._objects.survey(FILES):
            modified[_id_of(one)] = max(one.modified, modified.get(_id_of(one), 0.0))
            taken[_id_of(one)] += one.size + OBJECT_BYTES
        for file_id, latest in modified.items():
            try:
                file = self._read(file_id)
                if now > (file.expires if file else latest + ABANDONED_S):
                    self._delete(file_id)
                    del taken[file_id]
                elif file:
                    sizes[file.owner][file.id] = file.size
            except OSError as error:
                log.warning("file_unreadable", id=file_id, reason=error.strerror)
        self._set_found(taken, begun)
        return sizes

    def _delete(self, file_id: str) -> None:
        self._objects.delete(f"{FILES}/{file_id}", _key(file_id, _FILE))

    def _read(self, file_id: str) -> StoredFile | None:
        if not DOCUMENT_ID.fullmatch(file_id):
            return None
        content = self._objects.read(_key(file_id, _FILE))
        with suppress(ValidationError):
            return StoredFile.model_validate_json(content) if content else None
        return None

    @contextmanager
    def _hold_room(self, file_id: str, size: int) -> Iterator[None]:
        """Counts what is being written beside what lies there. The store is looked through at the first file, and where
        one would be refused: a look for each file would take the longer, the more there are. ServiceError 507
        `storage_full`."""
        with self._counting:
            is_known = self._has_room(size) or time.monotonic() - self._looked_at < LOOK_AGAIN_S
        if not is_known:
            self._look()
        with ExitStack() as held:
            with self._counting:
                if not self._has_room(size):
                    raise _no_room()
                held.callback(self._counting.release)
                held.enter_context(self._sizes.hold({file_id: size}))
                held.callback(self._counting.acquire)
            yield

    def _has_room(self, size: int) -> bool:
        return self._sizes.is_known and self._sizes.total + size <= self._max_bytes

    def _look(self) -> None:
        begun = time.monotonic()
        taken: Counter[str] = Counter()
        for one in self._objects.survey(FILES):
            taken[_id_of(one)] += one.size + OBJECT_BYTES
        self._set_found(taken, begun)

    def _set_found(self, taken: Mapping[str, int], begun: float) -> None:
        with self._counting:
            self._sizes.set_found(taken, begun)
            self._looked_at = max(self._looked_at, begun)


def _no_room() -> ServiceError:
    detail = "There is no room for more files (FILES_MAX_GB); delete some, or wait until their time is over."
    return ServiceError(507, "storage_full", detail)


def create_file_id() -> str:
    return uuid.uuid4().hex


def _id_of(one: StoredObject) -> str:
    return one.key.split("/")[1]


def _key(file_id: str, name: str) -> str:
    return f"{FILES}/{file_id}/{name}"
