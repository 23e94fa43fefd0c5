"""Pictures in a local folder: written whole, found by their URL, kept as long as the settings say."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.errors import ServiceError
from gateway.settings import Settings
from gateway.storage.bucket import Bucket, BucketError
from gateway.storage.folders import FolderState, check_folder
from gateway.storage.pictures import LocalStore, S3Store
from gateway.storage.retention import Retention

ID = "0123456789abcdef" * 2
KEY = "imgs/p1_img_in_image_box_0_0_1_1.jpg"


def store_of(root: Path, max_age_s: float | None = None, max_bytes: int | None = None) -> LocalStore:
    return LocalStore(root, Retention(max_age_s, max_bytes))


def numbered(number: int) -> str:
    return f"{number:032x}"


async def save_aged(store: LocalStore, root: Path, number: int, *, age_s: float, size: int = 1000) -> None:
    """A document of one picture that was stored `age_s` ago."""
    await store.save(numbered(number), {KEY: bytes(size)})
    then = time.time() - age_s
    os.utime(root / numbered(number) / "imgs", (then, then))


async def stay(store: LocalStore, count: int) -> list[int]:
    return [number for number in range(count) if await store.load(numbered(number), KEY) is not None]


async def test_saved_picture_found_by_url(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    urls = await store.save(ID, {KEY: b"jpeg"})
    assert urls == {KEY: f"/files/{ID}/{KEY}"}
    assert await store.load(ID, KEY) == b"jpeg"


@pytest.mark.parametrize(("document_id", "key"), [("..", KEY), (ID, "../x.jpg"), (ID, "imgs/../../x.jpg"), ("", "")])
async def test_foreign_names_not_looked_up(tmp_path: Path, document_id: str, key: str) -> None:
    (tmp_path / "x.jpg").write_bytes(b"secret")
    assert await store_of(tmp_path / "root").load(document_id, key) is None


async def test_unwritable_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ServiceError) as caught:
        await store_of(tmp_path / "file").save(ID, {KEY: b"jpeg"})
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")


async def test_pictures_go_when_they_are_old(tmp_path: Path) -> None:
    store = store_of(tmp_path, max_age_s=100)
    for number, age_s in enumerate((5000, 50, 0)):
        await save_aged(store, tmp_path, number, age_s=age_s)
    await store.tidy()
    assert await stay(store, 3) == [1, 2]
    assert not (tmp_path / numbered(0)).exists()


async def test_the_oldest_go_when_there_are_too_many(tmp_path: Path) -> None:
    store = store_of(tmp_path, max_bytes=5500)
    for number in range(8):
        await save_aged(store, tmp_path, number, age_s=1000 - number)
    kept = await stay(store, 8)
    assert kept
    assert kept == list(range(8 - len(kept), 8))
    assert 1000 * len(kept) <= 5500


async def test_what_lies_there_from_before_counts(tmp_path: Path) -> None:
    before = store_of(tmp_path)
    for number in range(8):
        await save_aged(before, tmp_path, number, age_s=1000 - number)
    store = store_of(tmp_path, max_bytes=3000)
    await store.tidy()
    assert (await stay(store, 8))[-1] == 7
    assert len(await stay(store, 8)) <= 3


async def test_without_bounds_all_stays(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    await save_aged(store, tmp_path, 0, age_s=1e9)
    await store.tidy()
    assert await stay(store, 1) == [0]


async def test_what_others_keep_there_is_never_touched(tmp_path: Path) -> None:
    theirs = [tmp_path / "report.pdf", tmp_path / "a" / "imgs" / "p1.jpg", tmp_path / numbered(1) / "notes.txt"]
    for file in theirs:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(5000))
    await save_aged(store_of(tmp_path), tmp_path, 1, age_s=5000)
    store = store_of(tmp_path, max_age_s=1, max_bytes=1)
    await store.tidy()
    assert all(file.is_file() for file in theirs)
    assert await stay(store, 2) == []


WRITER = f"""
import asyncio, sys
from pathlib import Path
from gateway.storage import retention
from gateway.storage.pictures import LocalStore

def write_half(descriptor, data):
    import os
    os.write(descriptor, data[: len(data) // 2])
    print("half", flush=True)
    sys.stdin.read()

retention._write_all = write_half
asyncio.run(LocalStore(Path(sys.argv[1]), retention.Retention(None, None)).save({ID!r}, {{{KEY!r}: bytes(100_000)}}))
"""


def test_no_half_of_a_picture_is_ever_found(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"half\n"
        assert asyncio.run(store.load(ID, KEY)) is None
        asyncio.run(store.tidy())
        assert drafts(tmp_path) == 1, "what another process is writing was removed"
        writer.kill()
    assert asyncio.run(store.load(ID, KEY)) is None
    asyncio.run(store.tidy())
    assert drafts(tmp_path) == 0


def drafts(root: Path) -> int:
    return sum(file.is_file() for file in root.rglob("*"))


class HangingBucket(Bucket):
    """Takes nothing, and counts what it is asked."""

    puts = 0

    async def put(self, key: str, data: bytes, media_type: str, *, replaces: bool = True) -> None:
        self.puts += 1
        raise BucketError("S3 did not answer.")


async def test_a_bucket_that_failed_is_left_alone_for_a_while(tmp_path: Path) -> None:
    bucket = HangingBucket(Settings(_env_file=None, s3_bucket="b"))
    store = S3Store(bucket, "", store_of(tmp_path))
    for number in range(5):
        await store.save(numbered(number), {KEY: b"jpeg"})
    assert bucket.puts == 1
    assert await stay(store_of(tmp_path), 5) == [0, 1, 2, 3, 4]


async def test_pictures_that_are_stored_at_the_same_time_are_all_counted(tmp_path: Path) -> None:
    store = store_of(tmp_path, max_bytes=20_000)
    await asyncio.gather(*(store.save(numbered(number), {KEY: bytes(1000)}) for number in range(60)))
    assert len(await stay(store, 60)) <= 20


def test_missing_folder_is_made(tmp_path: Path) -> None:
    state = check_folder(tmp_path / "a" / "b")
    assert (state.writable, state.reason) == (True, None)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_unmakeable_folder_has_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    state = check_folder(tmp_path / "file" / "b")
    assert not state.writable
    assert state.reason
    assert not state.is_full


def test_full_folder_is_told_from_one_that_is_forbidden() -> None:
    with pytest.raises(OSError, match="No space left") as caught, open("/dev/full", "wb", buffering=0) as full:
        full.write(b"x")
    assert FolderState("/x", writable=False, reason=caught.value.strerror).is_full
