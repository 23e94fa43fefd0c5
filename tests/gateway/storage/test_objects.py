"""What is promised of a store, of a folder and of a bucket on a real S3 server alike."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, S3Source, load_source
from gateway.storage.objects import ObjectStore, create_objects, load_or_create
from tests.support.s3_server import S3Server, client_of, silent_server

T = TypeVar("T")
LARGE = hashlib.shake_128(b"a document").digest(20_000_000)
MARKER = "jobs/a/job.json"


@asynccontextmanager
async def store_of(settings: Settings) -> AsyncIterator[ObjectStore]:
    bucket = Bucket(settings)
    store = create_objects(settings, bucket)
    store.start(asyncio.get_running_loop())
    try:
        yield store
    finally:
        await bucket.close()


@pytest.fixture(params=["folder", "bucket"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, s3: S3Server) -> AsyncIterator[ObjectStore]:
    own = {"data_store": request.param, "data_dir": tmp_path, "s3_prefix": f"{tmp_path.name}/"}
    async with store_of(Settings(_env_file=None, **{**s3.settings, **own})) as store:
        yield store


async def ask(operation: Callable[..., T], *arguments: object, **named: object) -> T:
    return await asyncio.to_thread(operation, *arguments, **named)


async def test_what_was_written_is_read(store: ObjectStore) -> None:
    await ask(store.write, MARKER, "ж".encode())
    await ask(store.write, "jobs/a/document", SpooledFile.from_bytes(LARGE))

    assert await ask(store.read, MARKER) == "ж".encode()
    document = await ask(store.open, "jobs/a/document")
    assert document is not None
    assert hashlib.sha256(document.read()).digest() == hashlib.sha256(LARGE).digest()
    assert await ask(store.read, "jobs/a/end.json") is None
    assert [await ask(store.exists, key) for key in (MARKER, "jobs/a/end.json", "jobs/b/job.json")] == [1, 0, 0]


async def test_a_hundred_may_ask_at_once(store: ObjectStore) -> None:
    """As clients do who look at their jobs."""
    assert await asyncio.gather(*(ask(store.exists, f"jobs/{at}/job.json") for at in range(100))) == [False] * 100


async def test_the_first_of_two_stays_where_it_may_not_be_replaced(store: ObjectStore) -> None:
    await ask(store.write, MARKER, b"1", replaces=False)
    await ask(store.write, MARKER, b"2", replaces=False)
    assert await ask(store.read, MARKER) == b"1"

    await ask(store.write, MARKER, b"3")
    assert await ask(store.read, MARKER) == b"3"


async def test_all_that_begin_at_once_hold_the_same_secret(store: ObjectStore) -> None:
    with ThreadPoolExecutor(8) as threads:
        loop = asyncio.get_running_loop()
        made = [loop.run_in_executor(threads, load_or_create, store, "secret", bytes([one] * 32)) for one in range(8)]
        assert len(set(await asyncio.gather(*made))) == 1


async def test_names_are_those_of_the_folder_itself(store: ObjectStore) -> None:
    for key in (MARKER, "jobs/a/pages/00002.json", "jobs/a/pages/00010.json", "jobs/ab/pages/00001.json"):
        await ask(store.write, key, b"x")

    assert sorted(await ask(store.list_names, "jobs/a/pages")) == ["00002.json", "00010.json"]
    assert await ask(store.list_names, "jobs/a/warnings") == []
    found = await ask(lambda: {one.key: one.size for one in store.survey("jobs")})
    assert found == dict.fromkeys(
        ("jobs/a/job.json", "jobs/a/pages/00002.json", "jobs/a/pages/00010.json", "jobs/ab/pages/00001.json"), 1
    )


async def test_nothing_is_written_into_what_was_deleted(store: ObjectStore) -> None:
    await ask(store.write, MARKER, b"123")
    await ask(store.write, "jobs/a/pages/00001.json", b"4567", within=MARKER)
    await ask(store.write, "jobs/ab/job.json", b"8")

    assert await ask(store.delete, "jobs/a", MARKER) == 7
    assert await ask(store.delete, "jobs/a", MARKER) == 0
    for key in ("jobs/a/pages/00002.json", "jobs/a/end.json"):
        with pytest.raises(FileNotFoundError):
            await ask(store.write, key, b"late", within=MARKER)
    assert await ask(lambda: [one.key for one in store.survey("jobs")]) == ["jobs/ab/job.json"]


async def test_listings_go_beyond_one_answer_of_the_server(s3: S3Server) -> None:
    s3_client = client_of(s3)

    def put(number: int) -> None:
        s3_client.put_object(Bucket=s3.settings["s3_bucket"], Key=f"many/service/jobs/a/{number:05d}", Body=b"x")

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(put, range(1_050)))
    settings = Settings(_env_file=None, **{**s3.settings, "data_store": "bucket", "s3_prefix": "many/"})
    async with store_of(settings) as store:
        assert len(await ask(store.list_names, "jobs/a")) == 1_050


async def test_a_bucket_that_is_away_is_told() -> None:
    settings = Settings(
        _env_file=None,
        s3_endpoint_url="http://127.0.0.1:9",
        s3_bucket="b",
        s3_access_key_id="a",
        s3_secret_access_key="b",
        data_store="bucket",
    )
    async with store_of(settings) as store:
        with pytest.raises(ServiceError) as caught:
            await ask(store.read, MARKER)
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")


async def test_a_bucket_that_hangs_leaves_threads_for_others() -> None:
    async with AsyncExitStack() as server:
        settings = Settings(
            _env_file=None,
            s3_endpoint_url=await server.enter_async_context(silent_server()),
            s3_bucket="b",
            s3_access_key_id="a",
            s3_secret_access_key="b",
            s3_timeout_s=3600,
            data_store="bucket",
        )
        async with store_of(settings) as store:
            reads = [asyncio.create_task(ask(store.read, MARKER)) for _ in range(200)]
            await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            assert await asyncio.to_thread(sum, [1, 2]) == 3
            assert not all(read.done() for read in reads), "the bucket still hangs"
            await server.aclose()
            ends = await asyncio.gather(*reads, return_exceptions=True)
    assert {(end.status, end.code) for end in ends if isinstance(end, ServiceError)} == {(503, "storage_unavailable")}


def test_a_store_without_a_bucket_is_refused() -> None:
    with pytest.raises(ValueError, match="S3_BUCKET"):
        Settings(_env_file=None, data_store="bucket")


@pytest.mark.parametrize("key", ["ocr/service/jobs/a/document", "ocr//service/link-secret", "/ocr/service/instance"])
async def test_what_the_service_keeps_is_no_document(s3: S3Server, key: str) -> None:
    bucket = Bucket(Settings(_env_file=None, **s3.settings))
    with pytest.raises(ServiceError) as caught:
        await load_source(bucket, S3Source(key), 100)
    assert (caught.value.status, caught.value.code) == (400, "s3_not_allowed")
