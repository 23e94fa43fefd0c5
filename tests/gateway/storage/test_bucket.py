"""The bucket against a real S3 server, and against servers that fail."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.errors import ServiceError
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, BucketError
from tests.support.ports import free_port
from tests.support.s3_server import S3Server, silent_server


@asynccontextmanager
async def bucket_of(s3: S3Server, **changes: Any) -> AsyncIterator[Bucket]:  # noqa: ANN401 - settings
    bucket = Bucket(Settings(_env_file=None, **{**s3.settings, **changes}))
    try:
        yield bucket
    finally:
        await bucket.close()


@pytest.fixture
async def bucket(s3: S3Server) -> AsyncIterator[Bucket]:
    async with bucket_of(s3) as bucket:
        yield bucket


async def read(bucket: Bucket, key: str) -> bytes | None:
    content = await bucket.get(key, 100)
    return content.read() if content else None


async def test_what_was_put_comes_back(bucket: Bucket) -> None:
    await bucket.put("ocr/a b/ж+.jpg", b"jpeg", "image/jpeg")

    assert await read(bucket, "ocr/a b/ж+.jpg") == b"jpeg"
    assert await bucket.get("ocr/none.jpg", 100) is None


async def test_oversized_object_stops_early(bucket: Bucket) -> None:
    await bucket.put("large", bytes(3_000_000), "application/octet-stream")

    with pytest.raises(ServiceError) as caught:
        await bucket.get("large", 1_000_000)

    assert (caught.value.status, caught.value.code) == (413, "s3_too_large")


async def test_answering_bucket_is_ok(bucket: Bucket) -> None:
    assert bucket.state == "error", "nobody has asked it yet"

    await bucket.check()

    assert (bucket.state, bucket.reason) == ("ok", None)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"s3_bucket": "nothing-of-that-name"}, "S3_BUCKET"),
        ({"s3_secret_access_key": "wrong"}, "S3_SECRET_ACCESS_KEY"),
        ({"s3_access_key_id": "nobody"}, "S3_ACCESS_KEY_ID"),
    ],
)
async def test_a_wrong_setting_is_named(s3: S3Server, changes: dict[str, str], word: str) -> None:
    async with bucket_of(s3, **changes) as bucket:
        await bucket.check()

        assert bucket.state == "error"
        assert word in str(bucket.reason)
        assert "wrong" not in str(bucket.reason)


async def test_nobody_there(s3: S3Server) -> None:
    async with bucket_of(s3, s3_endpoint_url=f"http://127.0.0.1:{free_port()}") as bucket:
        await bucket.check()

        assert bucket.state == "error"
        with pytest.raises(BucketError):
            await bucket.put("key", b"data", "text/plain")


async def test_no_bucket_is_no_error() -> None:
    bucket = Bucket(Settings(_env_file=None))
    await bucket.check()
    await bucket.close()

    assert (bucket.state, bucket.reason) == ("not_configured", None)


async def test_concurrent_calls_share_client(bucket: Bucket) -> None:
    await asyncio.gather(*(bucket.put(f"many/{at}", b"%d" % at, "text/plain") for at in range(40)))

    assert await asyncio.gather(*(read(bucket, f"many/{at}") for at in range(40))) == [b"%d" % at for at in range(40)]


async def test_bodies_go_whole_over_tls(s3: S3Server) -> None:
    """Stores other than Amazon's refuse the trailing checksums that botocore sends there by default."""
    seen: dict[str, str] = {}

    def record(request: Any, **_: Any) -> None:  # noqa: ANN401 - botocore's own types
        seen.update({name.lower(): str(value) for name, value in request.headers.items()})
        raise OSError("seen enough")

    async with bucket_of(s3, s3_endpoint_url="https://127.0.0.1:1") as bucket:
        async with bucket._open_client() as client:
            client.meta.events.register("before-send.s3", record)
        with pytest.raises(BucketError):
            await bucket.put("key", b"data", "text/plain")

    assert "x-amz-trailer" not in seen
    assert "transfer-encoding" not in seen


async def test_bucket_that_hangs_is_given_up(s3: S3Server) -> None:
    async with (
        silent_server() as url,
        bucket_of(s3, s3_endpoint_url=url, s3_timeout_s=0.5) as bucket,
    ):
        with pytest.raises(BucketError, match="S3_TIMEOUT_S"):
            await bucket.put("a.jpg", b"jpeg", "image/jpeg")
        with pytest.raises(BucketError, match="S3_TIMEOUT_S"):
            await bucket.get("a.jpg", 100)
        await bucket.check()
        assert (bucket.state, "S3_TIMEOUT_S" in str(bucket.reason)) == ("error", True)


async def test_deadline_of_the_request_comes_first(s3: S3Server) -> None:
    async with silent_server() as url, bucket_of(s3, s3_endpoint_url=url) as bucket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await bucket.get("a.jpg", 100)


async def test_request_that_leaves_before_the_client_is_made_leaves_nothing(s3: S3Server) -> None:
    async with bucket_of(s3) as bucket:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await bucket.get("a.jpg", 100)

        # The thread ends after the request has gone. What it drops then would warn, and warnings are errors.
        await asyncio.get_running_loop().shutdown_default_executor()
        gc.collect()


@pytest.mark.parametrize("prefix", ["../other/", "ocr/../", "./", "ocr/\n"])
def test_prefix_that_leads_elsewhere_is_refused(prefix: str) -> None:
    with pytest.raises(ValidationError, match="prefix"):
        Settings(_env_file=None, s3_prefix=prefix)


class LongList:
    """Of a store that is asked for a second for each of its pages."""

    PAGES = 5

    async def list_objects_v2(self, *, ContinuationToken: str = "0", **_place: str) -> dict[str, Any]:
        await asyncio.sleep(0.5)
        at = int(ContinuationToken)
        content = {"Key": f"jobs/{at}", "Size": 1, "LastModified": datetime.fromtimestamp(at, UTC)}
        is_last = at + 1 == self.PAGES
        return {"Contents": [content], "IsTruncated": not is_last} | (
            {} if is_last else {"NextContinuationToken": str(at + 1)}
        )


async def test_a_list_may_take_longer_than_one_operation(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(_bucket: Bucket) -> LongList:
        return LongList()

    monkeypatch.setattr(Bucket, "_connect", connect)
    async with bucket_of(s3, s3_timeout_s=2) as bucket:
        found = await bucket.list_objects("jobs/")
    assert [(one.key, one.modified) for one in found] == [(f"jobs/{at}", at) for at in range(LongList.PAGES)]
