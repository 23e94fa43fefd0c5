"""Folders that are full, read-only or another user's."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vlm_backend.doctor.conftest import Machine, Mount, fill


@pytest.fixture
def nobody(bare: Machine) -> Iterator[Path]:
    """This process may do what a user without any rights may, and has his id; the folder is one that he may write."""
    if os.getuid() != 0:
        pytest.skip("this test becomes another user, which only root can")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    os.setresgid(54321, 54321, 0)
    os.setresuid(54321, 54321, 0)
    yield folder
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    shutil.rmtree(folder)


def test_a_full_disk_is_called_full(bare: Machine, mount: Mount) -> None:
    full = mount("size=256k")
    fill(full)
    check = bare.check("temp-dir", temp_dir=full)
    assert check.status == "fail"
    assert "the file system is full (ENOSPC)" in check.detail
    assert check.remedy is not None
    assert "TEMP_DIR" in check.remedy


def test_a_read_only_file_system_is_called_that(bare: Machine, mount: Mount) -> None:
    check = bare.check("temp-dir", temp_dir=mount("ro"))
    assert check.status == "fail"
    assert "the file system is read-only (EROFS)" in check.detail


def test_a_disk_too_small_for_the_download_fails_before_it(
    bare: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = mount("size=10m")
    monkeypatch.setenv("HF_HOME", str(small))
    check = bare.check("disk")
    assert check.status == "fail"
    assert f"0.0 GB are free under {small}" in check.detail
    bare.add_model()
    assert bare.check("disk").status == "ok"


def test_little_room_for_uploads_is_a_warning(bare: Machine, mount: Mount) -> None:
    bare.add_model()
    assert bare.check("disk", temp_dir=mount("size=10m")).status == "warn"


def test_a_file_in_the_folders_place_is_named(bare: Machine) -> None:
    (bare.folder / "file").touch()
    check = bare.check("temp-dir", temp_dir=bare.folder / "file" / "temp")
    assert check.status == "fail"
    assert "a part of the path is a file" in check.detail


@pytest.mark.usefixtures("nobody")
def test_a_folder_of_another_user_is_said_to_be_one(bare: Machine) -> None:
    check = bare.check("temp-dir")
    assert check.status == "fail"
    assert "this user may not write there (EACCES)" in check.detail
    assert check.remedy is not None
    assert "54321" in check.remedy


def test_a_home_that_cannot_be_written_is_replaced_by_one_that_can(bare: Machine, nobody: Path) -> None:
    said = {check.name: check for check in bare.report(temp_dir=nobody).checks}
    assert said["cache"].status == "ok"
    assert str(nobody / "home") in said["cache"].detail
    assert said["user"].status == "ok"
    assert f"HOME={nobody / 'home'}" in said["user"].detail
    assert "54321 has no name" in said["user"].detail


def test_a_cache_that_cannot_be_written_fails(bare: Machine, mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_CACHE_ROOT", str(mount("ro") / "vllm"))
    check = bare.check("cache")
    assert check.status == "fail"
    assert "read-only" in check.detail
