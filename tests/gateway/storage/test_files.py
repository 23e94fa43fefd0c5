"""Uploaded files, by several threads at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import ServiceError
from gateway.intake.spool import SpooledFile
from gateway.settings import Settings
from gateway.storage.bucket import StoredObject
from gateway.storage import files as files_module
from gateway.storage.files import FileStore, create_file_id
from gateway.storage.objects import FolderObjects
from tests.support.waiting import WAIT_S

SIZE = 600_000


def test_files_that_come_at_once_share_the_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = FileStore(Settings(_env_file=None, files_max_gb=0.001), FolderObjects(tmp_path))
    survey, both = FolderObjects.survey, threading.Barrier(2)

    def survey_together(objects: FolderObjects, folder: str) -> Iterator[StoredObject]:
        yield from survey(objects, folder)
        both.wait(WAIT_S)

    def upload(_at: int) -> str:
        try:
            files.create(create_file_id(), SpooledFile.from_bytes(bytes(SIZE)), "", "a.png", "ocr", None, None)
        except ServiceError as error:
            return error.code
        return "kept"

    with monkeypatch.context() as patch, ThreadPoolExecutor(2) as threads:
        patch.setattr(FolderObjects, "survey", survey_together)
        assert sorted(threads.map(upload, range(2))) == ["kept", "storage_full"]


def test_what_is_being_written_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes lie in the folder already when another file comes."""
    files = FileStore(Settings(_env_file=None, files_max_gb=0.001), FolderObjects(tmp_path))
    write, sizes = FolderObjects.write, [300_000]

    def upload(size: int) -> None:
        files.create(create_file_id(), SpooledFile.from_bytes(bytes(size)), "", "a.png", "ocr", None, None)

    def write_and_upload(objects: FolderObjects, key: str, content: bytes | SpooledFile) -> None:
        write(objects, key, content)
        while sizes:
            upload(sizes.pop())

    monkeypatch.setattr(FolderObjects, "write", write_and_upload)
    upload(SIZE)
    assert sorted(file.size for file in files.list_files("")) == [300_000, SIZE]


def test_files_are_kept_without_a_look_at_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderObjects(tmp_path)
    files, survey, looks = FileStore(Settings(_env_file=None), store), FolderObjects.survey, list[str]()

    def count_looks(objects: FolderObjects, folder: str) -> Iterator[StoredObject]:
        looks.append(folder)
        return survey(objects, folder)

    monkeypatch.setattr(FolderObjects, "survey", count_looks)
    for _ in range(20):
        keep(files, 100)
    assert len(looks) == 1


def test_room_that_another_gateway_has_made_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "LOOK_AGAIN_S", 0.0)
    one, other = (FileStore(Settings(_env_file=None, files_max_gb=0.001), FolderObjects(tmp_path)) for _ in range(2))
    keep(one, SIZE)
    with pytest.raises(ServiceError, match="no room"):
        keep(other, SIZE)
    one.delete(one.list_files("")[0])
    keep(other, SIZE)


def test_files_of_one_byte_take_room(tmp_path: Path) -> None:
    files = FileStore(Settings(_env_file=None, files_max_gb=0.0001), FolderObjects(tmp_path))
    with pytest.raises(ServiceError, match="no room"):
        for _ in range(1000):
            keep(files, 1)


def keep(files: FileStore, size: int) -> None:
    files.create(create_file_id(), SpooledFile.from_bytes(bytes(size)), "", "a.png", "ocr", None, None)
