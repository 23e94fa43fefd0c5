"""Where pictures are kept that clients fetch later: in a folder or in a bucket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from gateway.errors import ServiceError
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, BucketError, unavailable

FILES = "/files"
"""Route under which the gateway serves what it has stored, wherever that lies."""
_DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"imgs/\w[\w-]*\.jpg", re.ASCII)
log = structlog.get_logger(__name__)
PICTURE_MAX_BYTES = 64 * 2**20


class PictureStore(Protocol):
    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Stores JPEGs by their key in the Markdown; gives the URL of each. ServiceError 503 `storage_unavailable`."""

    async def load(self, document_id: str, key: str) -> bytes | None:
        """The JPEG; None where there is none of that name. ServiceError 503 `storage_unavailable`."""


def is_picture_name(document_id: str, key: str) -> bool:
    """Whether the gateway itself makes such names: no others are written or read."""
    return bool(_DOCUMENT_ID.fullmatch(document_id) and _KEY.fullmatch(key))


def picture_urls(document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
    return {key: f"{FILES}/{document_id}/{key}" for key in pictures}


class LocalStore:
    """`PictureStore` with files at `<root>/<document id>/imgs/….jpg`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        try:
            await asyncio.to_thread(self._write, document_id, pictures)
        except OSError as error:
            log.error("pictures not stored", folder=str(self._root), reason=str(error))
            raise ServiceError(
                503, "storage_unavailable", "Pictures can't be stored now; ask with images=inline or images=none."
            ) from error
        return picture_urls(document_id, pictures)

    async def load(self, document_id: str, key: str) -> bytes | None:
        if not is_picture_name(document_id, key):
            return None
        try:
            return await asyncio.to_thread((self._root / document_id / key).read_bytes)
        except OSError:
            return None

    def _write(self, document_id: str, pictures: Mapping[str, bytes]) -> None:
        for key, data in pictures.items():
            path = self._root / document_id / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


class S3Store:
    """`PictureStore` with objects at `<prefix><document id>/imgs/….jpg`.

    What the bucket doesn't take goes into `other`: pictures must not cost a document that was read.
    """

    def __init__(self, bucket: Bucket, prefix: str, other: PictureStore) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._other = other

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        try:
            async with asyncio.TaskGroup() as tasks:
                for key, data in pictures.items():
                    tasks.create_task(self._bucket.put(self._key(document_id, key), data, "image/jpeg"))
        except* BucketError as errors:
            log.error("pictures not stored in the bucket", reason=str(errors.exceptions[0]), id=document_id)
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

    def _key(self, document_id: str, key: str) -> str:
        return f"{self._prefix}{document_id}/{key}"


def create_store(settings: Settings, bucket: Bucket) -> PictureStore:
    """The store that the settings ask for."""
    local = LocalStore(settings.output_dir)
    return S3Store(bucket, settings.s3_prefix, local) if bucket.name else local
