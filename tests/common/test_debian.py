"""Files of packages by the real apt, from a package archive on this machine; and what is said where there are none."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from common.debian import ABANDONED_S, PREFIX, FetchError, put_in_place, unpack

CONTENT = b"traineddata, as far as apt is concerned"
needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="this machine has no apt-get")


def fetch(folder: Path, *extras: str) -> Path:
    return asyncio.run(fetch_data(folder, *extras))


async def fetch_data(folder: Path, *extras: str) -> Path:
    async with unpack(["tesseract-ocr-rus"], folder, extras=extras) as content:
        return put_in_place(content, "rus.traineddata", folder)


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package archive, the only one that apt knows; apt has no lists yet."""
    archive, state = tmp_path / "archive", tmp_path / "machine"
    (state / "lists" / "partial").mkdir(parents=True)
    package = _build_package(tmp_path, archive)
    (archive / "Packages").write_text(_index(package))
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [trusted=yes] file:{archive} ./\n")
    configuration = tmp_path / "apt.conf"
    configuration.write_text(f'Dir::State "{state}";\nDir::Etc::sourcelist "{sources}";\nDir::Etc::sourceparts "-";\n')
    monkeypatch.setenv("APT_CONFIG", str(configuration))
    return archive


def _build_package(folder: Path, archive: Path) -> Path:
    content = folder / "content"
    data = content / "usr" / "share" / "tesseract-ocr" / "5" / "tessdata"
    data.mkdir(parents=True)
    (data / "rus.traineddata").write_bytes(CONTENT)
    (content / "DEBIAN").mkdir()
    (content / "DEBIAN" / "control").write_text(_control())
    archive.mkdir()
    package = archive / "tesseract-ocr-rus.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", str(content), str(package)], check=True, capture_output=True
    )
    return package


def _control() -> str:
    fields = {"Package": "tesseract-ocr-rus", "Version": "1:4.1.0-2", "Architecture": "all"}
    fields |= {"Maintainer": "nobody <nobody@example.org>", "Description": "data for tests"}
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def _index(package: Path) -> str:
    data = package.read_bytes()
    return f"{_control()}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@needs_apt
def test_an_extra_package_that_cannot_be_had_costs_nothing(archive: Path, tmp_path: Path) -> None:
    target = fetch(tmp_path / "models", "tesseract-ocr-eng")
    assert target.read_bytes() == CONTENT
    assert files_in(tmp_path / "models") == ["rus.traineddata"]


@needs_apt
def test_the_data_comes_from_the_archive_into_a_folder_that_is_made(archive: Path, tmp_path: Path) -> None:
    target = fetch(tmp_path / "new" / "models")
    assert target.read_bytes() == CONTENT
    assert files_in(tmp_path / "new" / "models") == ["rus.traineddata"]


@needs_apt
def test_a_package_that_was_changed_is_refused(archive: Path, tmp_path: Path) -> None:
    package = archive / "tesseract-ocr-rus.deb"
    data = bytearray(package.read_bytes())
    data[-1] ^= 1
    package.write_bytes(data)
    with pytest.raises(FetchError):
        fetch(tmp_path / "models")
    assert files_in(tmp_path / "models") == []


@needs_apt
def test_an_archive_that_is_away_is_named(archive: Path, tmp_path: Path) -> None:
    shutil.rmtree(archive)
    with pytest.raises(FetchError, match=str(archive)):
        fetch(tmp_path / "models")
    assert files_in(tmp_path / "models") == []


@needs_apt
def test_a_package_that_the_archive_lacks_is_named(archive: Path, tmp_path: Path) -> None:
    (archive / "Packages").write_text("")
    with pytest.raises(FetchError, match="tesseract-ocr-rus"):
        fetch(tmp_path / "models")


@needs_apt
def test_what_was_interrupted_leaves_no_data_and_is_cleared_away_later(archive: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"

    async def interrupt() -> None:
        task = asyncio.create_task(fetch_data(models))
        while not (models.is_dir() and any(models.iterdir())):  # noqa: ASYNC110 - another program makes it
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(interrupt())
    assert files_in(models) == []
    killed, running = models / f"{PREFIX}killed", models / f"{PREFIX}running"
    killed.mkdir()
    running.mkdir()
    past = time.time() - 2 * ABANDONED_S
    os.utime(killed, (past, past))
    fetch(models)
    assert files_in(models) == [running.name, "rus.traineddata"]


def test_without_apt_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="no apt-get"):
        fetch(tmp_path / "models")


@needs_apt
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchError, match="can't be written"):
        fetch(tmp_path / "file" / "models")
