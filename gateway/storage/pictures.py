"""Where pictures are kept that clients fetch later: in a folder or in a bucket."""

from __future__ import annotations

import asyncio
import errno
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from gateway.errors import ServiceError
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, BucketError, unavailable
from gateway.storage.keys import is_picture_name
from gateway.storage.retention import Retention, remove_drafts, remove_old, retention_of, write_file

FILES = "/files"
"""Route under which the gateway serves what it has stored, wherever that lies."""
log = structlog.get_logger(__name__)
PICTURE_MAX_BYTES = 64 * 2**20
REST_S = 30.0


class PictureStore(Protocol):
    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Stores JPEGs by their key in the Markdown; gives the URL of each. ServiceError 503 `storage_unavailable`."""

    async def load(self, document_id: str, key: str) -> bytes | None:
        """The JPEG; None where there is none of that name. ServiceError 503 `storage_unavailable`."""

    async def tidy(self) -> None:
        """Removes what is too old or too much; to be called at the start and from time to time. Never raises."""


def picture_urls(document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
    return {key: f"{FILES}/{document_id}/{key}" for key in pictures}


class LocalStore:
    """`PictureStore` with files at `<root>/<document id>/imgs/….jpg`, as many and for as long as `retention` lets them
    stay."""

    def __init__(self, root: Path, retention: Retention) -> None:
        self._root = root
        self._retention = retention
        self._bytes = 0
        """Of all pictures: counted when the folder is looked through, and what was added since."""
        self._counting = threading.Lock()

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        try:
            await asyncio.to_thread(self._write, document_id, pictures)
        except OSError as error:
            log.error("pictures not stored", folder=str(self._root), reason=str(error))
            raise not_stored(_reason(error)) from error
        return picture_urls(document_id, pictures)

    async def load(self, document_id: str, key: str) -> bytes | None:
        if not is_picture_name(document_id, key):
            return None
        try:
            return await asyncio.to_thread((self._root / document_id / key).read_bytes)
        except OSError:
            return None

    async def tidy(self) -> None:
        await asyncio.to_thread(self._tidy)

    def _write(self, document_id: str, pictures: Mapping[str, bytes]) -> None:
        for key, data in pictures.items():
            write_file(self._root, self._root / document_id / key, data)
        self._count(sum(map(len, pictures.values())))

    def _count(self, added: int) -> None:
        with self._counting:
            self._bytes += added
            if self._retention.max_bytes is not None and self._bytes > self._retention.max_bytes:
                self._bytes = remove_old(self._root, self._retention, time.time())

    def _tidy(self) -> None:
        remove_drafts(self._root)
        with self._counting:
            self._bytes = remove_old(self._root, self._retention, time.time())


def not_stored(reason: str | None) -> ServiceError:
    because = f" ({reason})" if reason else ""
    detail = f"Pictures can't be stored now{because}; ask with images=inline or images=none."
    return ServiceError(503, "storage_unavailable", detail)


def _reason(error: OSError) -> str:
    return "OUTPUT_DIR is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "OUTPUT_DIR can't be written"


class S3Store:
    """`PictureStore` with objects at `<prefix><document id>/imgs/….jpg`.

    What the bucket doesn't take goes into `other`: pictures must not cost a document that was read. A bucket that
    failed is left alone for a while, so that one that hangs does not hold up each page.
    """

    def __init__(self, bucket: Bucket, prefix: str, other: PictureStore) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._other = other
        self._rests_until = -math.inf

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        if asyncio.get_running_loop().time() < self._rests_until:
            return await self._other.save(document_id, pictures)
        try:
            async with asyncio.TaskGroup() as tasks:
                for key, data in pictures.items():
                    tasks.create_task(self._bucket.put(self._key(document_id, key), data, "image/jpeg"))
        except* BucketError as errors:
            log.error("pictures not stored in the bucket", reason=str(errors.exceptions[0]), id=document_id)
            self._rests_until = asyncio.get_running_loop().time() + REST_S
        else:
            return picture_urls(document_id, pictures)
        return await self._other.save(document_id, pictures)

    async def load(self, document_id: str, key: str) -> bytes | None:
        if not is_picture_name(document_id, key):
            return None
        if (found := await self._other.load(document_id, key)) is not None:
            return found
        try:
            picture = await self._bucket.get(self._key(document_id, key), PICTURE_MAX_BYTES)
        except BucketError as error:
            raise unavailable(error) from error
        return await asyncio.to_thread(picture.read) if picture else None

    async def tidy(self) -> None:
        """What is in the bucket stays as long as the bucket's own rules say."""
        await self._other.tidy()

    def _key(self, document_id: str, key: str) -> str:
        return f"{self._prefix}{document_id}/{key}"


def create_store(settings: Settings, bucket: Bucket) -> PictureStore:
    """The store that the settings ask for."""
    local = LocalStore(settings.output_dir, retention_of(settings))
    return S3Store(bucket, settings.s3_prefix, local) if bucket.name else local
