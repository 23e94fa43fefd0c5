"""Pictures and documents in a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.storage.base import PictureStore, is_picture_name, picture_urls
from gateway.storage.bucket import Bucket, BucketError

PICTURE_MAX_BYTES = 64 * 2**20
RETRY_AFTER_S = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class S3Source:
    """A document in a bucket. `bucket` None: that of the settings."""

    key: str
    bucket: str | None = None


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
            raise _unavailable(error) from error
        return await asyncio.to_thread(picture.read) if picture else None

    def _key(self, document_id: str, key: str) -> str:
        return f"{self._prefix}{document_id}/{key}"


async def load_source(bucket: Bucket, source: S3Source, max_bytes: int) -> SpooledFile:
    """A document. Raises ServiceError: 501 `source_not_supported`; 400 `s3_not_allowed`, `s3_not_found`;
    413 `s3_too_large`; 503 `storage_unavailable`."""
    if not bucket.name:
        raise ServiceError(501, "source_not_supported", "This service has no S3_BUCKET; send the document.")
    if source.bucket not in (None, bucket.name):
        raise ServiceError(400, "s3_not_allowed", "Documents are read from the bucket of this service only.")
    try:
        content = await bucket.get(source.key, max_bytes)
    except BucketError as error:
        raise _unavailable(error) from error
    if content is None:
        raise ServiceError(400, "s3_not_found", "The bucket holds no object of that key.")
    return content


def _unavailable(error: BucketError) -> ServiceError:
    return ServiceError(503, "storage_unavailable", str(error), retry_after_s=RETRY_AFTER_S)
