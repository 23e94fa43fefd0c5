"""Pictures in a local folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import ServiceError
from gateway.storage.folders import check_folder
from gateway.storage.pictures import LocalStore

ID = "0123456789abcdef" * 2
KEY = "imgs/p1_img_in_image_box_0_0_1_1.jpg"


async def test_saved_picture_found_by_url(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    urls = await store.save(ID, {KEY: b"jpeg"})
    assert urls == {KEY: f"/files/{ID}/{KEY}"}
    assert await store.load(ID, KEY) == b"jpeg"


@pytest.mark.parametrize(("document_id", "key"), [("..", KEY), (ID, "../x.jpg"), (ID, "imgs/../../x.jpg"), ("", "")])
async def test_foreign_names_not_looked_up(tmp_path: Path, document_id: str, key: str) -> None:
    (tmp_path / "x.jpg").write_bytes(b"secret")
    assert await LocalStore(tmp_path / "root").load(document_id, key) is None


async def test_unwritable_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ServiceError) as caught:
        await LocalStore(tmp_path / "file").save(ID, {KEY: b"jpeg"})
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")


def test_missing_folder_is_made(tmp_path: Path) -> None:
    state = check_folder(tmp_path / "a" / "b")
    assert (state.writable, state.reason) == (True, None)
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_unmakeable_folder_has_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    state = check_folder(tmp_path / "file" / "b")
    assert not state.writable
    assert state.reason
