"""The bucket of the settings: one client for the process, whether it works, and the documents that lie in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import structlog

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings
from gateway.storage.keys import is_plain_key, is_private_key

if TYPE_CHECKING:
    from aiobotocore.session import AioSession
    from botocore.exceptions import ClientError

BucketState = Literal["not_configured", "ok", "error"]

CONNECTIONS = 32
CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 5, 15
"""botocore's own are a minute each. What all tries of an operation take together is bounded by `S3_TIMEOUT_S`."""
TRIES = 3
CHUNK_BYTES = 2**18
RETRY_AFTER_S = 10
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
TAKEN = frozenset({"409", "412", "ConditionalRequestConflict", "PreconditionFailed"})
"""Answers to a conditional write where there is an object already."""
PART_BYTES = 8 * 2**20
"""What is larger goes in parts: over plain HTTP each body is hashed in the event loop before it is sent."""
DELETIONS_AT_ONCE = 16
WORDS: Mapping[str, str] = {
    "301": "the bucket is in another region (S3_REGION)",
    "400": "the request was refused; most often the region is another one (S3_REGION)",
    "403": "the key may not use the bucket, or is not right (S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY)",
    "404": "there is no such bucket (S3_BUCKET)",
    "AccessDenied": "the key may not do this in the bucket",
    "InvalidAccessKeyId": "the key is not known there (S3_ACCESS_KEY_ID)",
    "NoSuchBucket": "there is no such bucket (S3_BUCKET)",
    "SignatureDoesNotMatch": "the secret is not that of the key (S3_SECRET_ACCESS_KEY)",
}
"""Codes of S3's answers; the head of a bucket gives HTTP statuses only."""

log = structlog.get_logger(__name__)


class BucketError(Exception):
    """An operation failed; the text says why, without names of keys or secrets."""


@dataclass(frozen=True, slots=True)
class S3Source:
    """A document in a bucket. `bucket` None: that of the settings."""

    key: str
    bucket: str | None = None


class StoredObject(NamedTuple):
    """`modified`: seconds since 1970; `size` in bytes."""

    key: str
    size: int
    modified: float


class Bucket:
    """Objects by their whole key. `state` is `not_configured` without a bucket in the settings."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.s3_bucket
        self.prefix = settings.s3_prefix
        self.state: BucketState = "error" if self.name else "not_configured"
        self.reason: str | None = "The bucket has not been asked yet." if self.name else None
        self._settings = settings
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._open = AsyncExitStack()

    async def close(self) -> None:
        await self._open.aclose()
        self._client = None

    async def check(self) -> None:
        """Asks for the bucket and sets `state` and `reason`. Never raises."""
        if not self.name:
            return
        try:
            async with self._open_client() as client:
                await client.head_bucket(Bucket=self.name)
        except BucketError as error:
            if self.reason != str(error):
                log.warning("bucket", name=self.name, reason=str(error))
            self.state, self.reason = "error", str(error)
        else:
            self.state, self.reason = "ok", None

    async def put(self, key: str, data: bytes, media_type: str, *, replaces: bool = True) -> None:
        """`replaces`: False leaves an object that is there already. Raises BucketError."""
        condition = {} if replaces else {"IfNoneMatch": "*"}
        async with self._open_client() as client:
            try:
                await client.put_object(Bucket=self.name, Key=key, Body=data, ContentType=media_type, **condition)
            except client.exceptions.ClientError as error:
                if replaces or _code(error) not in TAKEN:
                    raise

    async def put_pieces(self, key: str, pieces: Iterable[bytes], media_type: str) -> None:
        """An object of any size, whose pieces are read in threads. Raises BucketError."""
        parts = _join_pieces(pieces)
        first = await asyncio.to_thread(next, parts, b"")
        if len(first) < PART_BYTES:
            await self.put(key, first, media_type)
            return
        place = {"Bucket": self.name, "Key": key}
        async with self._open_client() as client:
            upload = {
                **place,
                "UploadId": (await client.create_multipart_upload(**place, ContentType=media_type))["UploadId"],
            }
        try:
            tags: list[dict[str, Any]] = []
            part: bytes | None = first
            while part is not None:
                async with self._open_client() as client:
                    answer = await client.upload_part(**upload, PartNumber=len(tags) + 1, Body=part)
                tags.append({"PartNumber": len(tags) + 1, "ETag": answer["ETag"]})
                part = await asyncio.to_thread(next, parts, None)
            async with self._open_client() as client:
                await client.complete_multipart_upload(**upload, MultipartUpload={"Parts": tags})
        except BaseException:
            with suppress(BucketError):
                async with self._open_client() as client:
                    await client.abort_multipart_upload(**upload)
            raise

    async def exists(self, key: str) -> bool:
        """Raises BucketError."""
        async with self._open_client() as client:
            try:
                await client.head_object(Bucket=self.name, Key=key)
            except client.exceptions.ClientError as error:
                if _code(error) in MISSING:
                    return False
                raise
        return True

    async def list_objects(self, prefix: str, delimiter: str = "") -> list[StoredObject]:
        """Those whose keys begin with the prefix and, after it, hold no delimiter. Raises BucketError."""
        found: list[StoredObject] = []
        place = {"Bucket": self.name, "Prefix": prefix, "Delimiter": delimiter}
        while True:  # an operation for each thousand: all of a large store take longer than one may
            async with self._open_client() as client:
                page = await client.list_objects_v2(**place)
            found += [
                StoredObject(one["Key"], one["Size"], one["LastModified"].timestamp())
                for one in page.get("Contents", ())
            ]
            if not page.get("IsTruncated"):
                return found
            place["ContinuationToken"] = page["NextContinuationToken"]

    async def delete(self, keys: Sequence[str]) -> None:
        """One by one: many stores refuse a deletion of several without an MD5, which botocore sends no more. Keys that
        are not there are no error. Raises BucketError."""
        rest = iter(keys)

        async def delete_some() -> None:
            for key in rest:
                async with self._open_client() as client:
                    await client.delete_object(Bucket=self.name, Key=key)

        await asyncio.gather(*(delete_some() for _ in range(min(DELETIONS_AT_ONCE, len(keys)))))

    async def get(self, key: str, max_bytes: int) -> SpooledFile | None:
        """The object; None where there is none.

        Raises BucketError; ServiceError 413 `s3_too_large`, 503 `storage_unavailable`.
        """
        async with self._open_client() as client:
            try:
                answer = await client.get_object(Bucket=self.name, Key=key)
            except client.exceptions.ClientError as error:
                if _code(error) in MISSING:
                    return None
                raise
            async with answer["Body"] as body:
                return await SpooledFile.from_stream(_limit_stream(body, max_bytes))

    @asynccontextmanager
    async def _open_client(self) -> AsyncIterator[Any]:
        """The client; whatever it raises comes out as BucketError."""
        from aiohttp import ClientError as ConnectionFailed
        from botocore.exceptions import BotoCoreError, ClientError

        bound_s = self._settings.s3_timeout_s
        try:
            async with asyncio.timeout(bound_s) as patience:
                yield await self._connect()
        except ClientError as error:
            raise BucketError(f"S3 answered {_code(error)}: {_words(error)}.") from error
        except BotoCoreError as error:
            raise BucketError(f"S3 can't be reached ({type(error).__name__}).") from error
        except (ConnectionFailed, OSError, TimeoutError) as error:
            if patience.expired():
                raise BucketError(f"S3 did not answer within {bound_s:g} s (S3_TIMEOUT_S).") from error
            raise BucketError(f"The connection to S3 broke off ({type(error).__name__}).") from error

    async def _connect(self) -> Any:  # noqa: ANN401 - botocore makes its clients' types at run time
        async with self._opening:
            if self._client is None:
                session = await asyncio.to_thread(_load_session)
                # Made on the loop: a request cancelled during the load would leave its coroutine never awaited.
                self._client = await self._open.enter_async_context(_new_client(session, self._settings))
        return self._client


def check_place(bucket: Bucket, source: S3Source) -> None:
    """ServiceError 400 `source_not_supported`, `s3_not_allowed` for a document that is never read, whatever the bucket
    holds."""
    if not bucket.name:
        raise ServiceError(400, "source_not_supported", "This service has no S3_BUCKET; send the document.")
    if not is_plain_key(source.key):
        raise ServiceError(400, "s3_not_allowed", "Not a key of a document: parts that are `.` or `..` are refused.")
    if is_private_key(source.key, bucket.prefix):
        raise ServiceError(400, "s3_not_allowed", "Not a key of a document: the service keeps jobs and files there.")
    if source.bucket not in (None, bucket.name):
        raise ServiceError(400, "s3_not_allowed", "Documents are read from the bucket of this service only.")


async def load_source(bucket: Bucket, source: S3Source, max_bytes: int) -> SpooledFile:
    """A document. Raises as `check_place`, and ServiceError: 400 `s3_not_found`; 413 `s3_too_large`; 503
    `storage_unavailable`."""
    check_place(bucket, source)
    try:
        content = await bucket.get(source.key, max_bytes)
    except BucketError as error:
        raise unavailable(error) from error
    if content is None:
        raise ServiceError(400, "s3_not_found", "The bucket holds no object of that key.")
    return content


def unavailable(error: BucketError) -> ServiceError:
    return ServiceError(503, "storage_unavailable", str(error), retry_after_s=RETRY_AFTER_S)


def _load_session() -> AioSession:
    """Reads megabytes of service descriptions: not for the event loop."""
    from aiobotocore.session import get_session

    session = get_session()
    session.get_component("data_loader").load_service_model("s3", "service-2")
    return session


def _new_client(session: AioSession, settings: Settings) -> Any:  # noqa: ANN401 - as above
    """A client that is still to be entered."""
    from aiobotocore.config import AioConfig

    config = AioConfig(
        signature_version="s3v4",
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=CONNECTIONS,
        retries={"mode": "standard", "max_attempts": TRIES},
        s3={"addressing_style": "path"},
        # Many S3-compatible stores refuse the checksum trailers that botocore sends over TLS by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.create_client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=settings.s3_secret_access_key,
        config=config,
    )


async def _limit_stream(body: Any, max_bytes: int) -> AsyncIterator[bytes]:  # noqa: ANN401 - as above
    size = 0
    async for chunk in body.iter_chunks(CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            raise ServiceError(
                413, "s3_too_large", f"The object is larger than {max_bytes / 1e6:g} MB (MAX_UPLOAD_MB)."
            )
        yield chunk


def _join_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, `PART_BYTES` at a time."""
    pending = bytearray()
    for piece in pieces:
        pending += piece
        while len(pending) >= PART_BYTES:
            yield bytes(pending[:PART_BYTES])
            del pending[:PART_BYTES]
    if pending:
        yield bytes(pending)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "an error"))


def _words(error: ClientError) -> str:
    return WORDS.get(_code(error), "S3's documentation names the error")
