"""Where the service keeps what outlives a request: in a folder, or in a bucket.

An object is there whole or not at all, and has outlived the machine's loss of power when `write` returns. Keys are
paths: `jobs/<id>/job.json`. All functions block, and raise OSError where it is a folder, ServiceError 503
`storage_unavailable` where it is a bucket that is away.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import uuid
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.intake.spool import SpooledFile
from gateway.scheduling.fair_threads import FairThreads
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, BucketError, StoredObject, unavailable
from gateway.storage.keys import PRIVATE_FOLDER

T = TypeVar("T")
MEDIA_TYPE = "application/octet-stream"
MAX_BYTES = 2**40
"""No bound: what is read was written by the service itself."""
MAX_WAITING, OTHER_THREADS = 128, 32
"""Threads that may wait for a bucket, and those that what else runs in threads has, however long the bucket hangs."""


class ObjectStore(Protocol):
    place: str
    """What messages call it."""

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """To be called before all else, by whoever runs the loop of the service."""

    def prepare(self, folder: str) -> None:
        """Raises as `write` where nothing can be written into the folder."""

    def read(self, key: str) -> bytes | None:
        """None where there is none."""

    def open(self, key: str) -> SpooledFile | None:
        """The bytes, which can be read whatever becomes of the object; None where there are none. ServiceError 503
        `storage_unavailable`."""

    def exists(self, key: str) -> bool: ...

    def write(
        self,
        key: str,
        content: bytes | SpooledFile,
        *,
        replaces: bool = True,
        within: str | None = None,
        lasts: bool = True,
    ) -> None:
        """`replaces`: False leaves bytes that are there already. `within`: an object beside or above it, without
        which nothing is written: FileNotFoundError. `lasts`: False for what a loss of power may empty, or take."""

    def list_names(self, folder: str) -> list[str]:
        """Of the objects that lie in a folder itself, in any order."""

    def survey(self, folder: str) -> Iterator[StoredObject]:
        """All objects below a folder, in any order, and drafts of them that a killed process has left."""

    def delete(self, folder: str, marker: str) -> int:
        """Removes a folder with all below it; bytes freed. From then on nothing is written `within` its `marker`."""

    def free_bytes(self) -> int | None:
        """What can still be written; None where nobody knows."""


class FolderObjects:
    """`ObjectStore` of files below a root, which several gateways may share."""

    place = "DATA_DIR"

    def __init__(self, root: Path) -> None:
        self._root = root

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        pass

    def prepare(self, folder: str) -> None:
        (self._root / folder).mkdir(parents=True, exist_ok=True, mode=0o700)  # records hold the passwords of documents

    def read(self, key: str) -> bytes | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            return (self._root / key).read_bytes()
        return None

    def open(self, key: str) -> SpooledFile | None:
        with suppress(FileNotFoundError):
            return SpooledFile.open(self._root / key)
        return None

    def exists(self, key: str) -> bool:
        return (self._root / key).exists()

    def write(
        self,
        key: str,
        content: bytes | SpooledFile,
        *,
        replaces: bool = True,
        within: str | None = None,
        lasts: bool = True,
    ) -> None:
        path = self._root / key
        pieces = [content] if isinstance(content, bytes) else content.read_pieces()
        if within is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        elif path.parent != (self._root / within).parent:
            with suppress(FileExistsError):
                os.mkdir(path.parent)  # not its parents: they are gone where the folder was deleted
        _write_file(path, pieces, replaces=replaces, lasts=lasts)
        if within is None:
            _sync_folder(path.parent.parent)  # it may hold the folder newly

    def list_names(self, folder: str) -> list[str]:
        with suppress(FileNotFoundError):
            return [name for name in os.listdir(self._root / folder) if not name.startswith(".")]
        return []

    def survey(self, folder: str) -> Iterator[StoredObject]:
        for parent, _, names in os.walk(self._root / folder):
            for name in names:
                path = os.path.join(parent, name)
                with suppress(OSError):
                    status = os.lstat(path)
                    yield StoredObject(os.path.relpath(path, self._root), status.st_size, status.st_mtime)

    def delete(self, folder: str, marker: str) -> int:
        path = self._root / folder
        doomed = path.parent / f".{path.name}-{uuid.uuid4().hex[:8]}"
        try:
            path.rename(doomed)
        except FileNotFoundError:
            return 0
        size = sum(one.size for one in self.survey(str(doomed.relative_to(self._root))))
        shutil.rmtree(doomed, ignore_errors=True)
        return size

    def free_bytes(self) -> int | None:
        return shutil.disk_usage(self._root).free


class BucketObjects:
    """`ObjectStore` of objects whose keys begin with a prefix."""

    place = "the bucket"

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places = threading.BoundedSemaphore(MAX_WAITING)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        loop.set_default_executor(FairThreads(MAX_WAITING + OTHER_THREADS))

    def prepare(self, folder: str) -> None:
        self._await(self._bucket.exists(self._key(folder)))

    def read(self, key: str) -> bytes | None:
        content = self.open(key)
        return content.read() if content else None

    def open(self, key: str) -> SpooledFile | None:
        return self._await(self._bucket.get(self._key(key), MAX_BYTES))

    def exists(self, key: str) -> bool:
        return self._await(self._bucket.exists(self._key(key)))

    def write(
        self,
        key: str,
        content: bytes | SpooledFile,
        *,
        replaces: bool = True,
        within: str | None = None,
        lasts: bool = True,
    ) -> None:
        if within is not None and not self.exists(within):
            raise FileNotFoundError(within)
        if isinstance(content, bytes):
            self._await(self._bucket.put(self._key(key), content, MEDIA_TYPE, replaces=replaces))
        else:
            self._await(self._bucket.put_pieces(self._key(key), content.read_pieces(), MEDIA_TYPE))

    def list_names(self, folder: str) -> list[str]:
        found = self._await(self._bucket.list_objects(self._key(f"{folder}/"), delimiter="/"))
        return [one.key.rpartition("/")[2] for one in found]

    def survey(self, folder: str) -> Iterator[StoredObject]:
        for one in self._await(self._bucket.list_objects(self._key(f"{folder}/"))):
            yield one._replace(key=one.key.removeprefix(self._prefix))

    def delete(self, folder: str, marker: str) -> int:
        found = {one.key: one.size for one in self.survey(folder)}
        self._await(self._bucket.delete([self._key(marker)]))
        found |= {one.key: one.size for one in self.survey(folder)}  # what came before the marker went
        self._await(self._bucket.delete([self._key(key) for key in found]))
        return sum(found.values())

    def free_bytes(self) -> int | None:
        return None

    def _key(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def _await(self, operation: Coroutine[Any, Any, T]) -> T:
        """What an operation gives that runs in the loop of the service, where the bucket's client lives."""
        if self._loop is None:
            operation.close()
            raise RuntimeError("the store was not started")
        if not self._places.acquire(blocking=False):
            operation.close()
            raise unavailable(BucketError(f"S3 is slow: {MAX_WAITING} operations wait for it."))
        try:
            return asyncio.run_coroutine_threadsafe(operation, self._loop).result()
        except BucketError as error:
            raise unavailable(error) from error
        finally:
            self._places.release()


def create_objects(settings: Settings, bucket: Bucket) -> ObjectStore:
    """The store that the settings ask for."""
    if settings.data_store == "bucket":
        return BucketObjects(bucket, f"{settings.s3_prefix}{PRIVATE_FOLDER}")
    return FolderObjects(settings.data_dir)


def load_or_create(objects: ObjectStore, key: str, content: bytes) -> bytes:
    """What the object holds; `content` where there is none yet. Of several processes that begin at once, the first
    one's stays."""
    known = objects.read(key)
    if known is None:
        objects.write(key, content, replaces=False)
        known = objects.read(key)
    return known or content


def _write_file(path: Path, pieces: Iterable[bytes], *, replaces: bool, lasts: bool) -> None:
    """As `ObjectStore.write`. Raises OSError; FileNotFoundError where the folder was deleted meanwhile."""
    draft = f"{path.parent}/.{uuid.uuid4().hex}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            if lasts:
                os.fsync(descriptor)
        if replaces:
            os.replace(draft, path)
        else:
            with suppress(FileExistsError):
                os.link(draft, path)
            os.unlink(draft)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
    if lasts:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
