from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from common.debian import FetchError
from gateway.intake import font_packages
from gateway.intake.font_packages import PACKAGES, provide_fonts
from gateway.intake.render import fonts
from gateway.settings import Settings


class Archive:
    """In place of apt: every package holds one font of its name, in a folder of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.error: str | None = None

    @asynccontextmanager
    async def unpack(self, packages: Sequence[str], folder: Path) -> AsyncIterator[Path]:
        self.asked += packages
        if self.error:
            raise FetchError(self.error)
        content = folder / ".content"
        for package in packages:
            (content / package).mkdir(parents=True)
            (content / package / f"{package}.ttf").write_bytes(b"font")
            (content / package / "copyright").write_text("free")
        yield content


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Archive:
    """The machine has no fonts of its own."""
    found = Archive()
    monkeypatch.setattr(font_packages, "unpack", found.unpack)
    monkeypatch.setattr(fonts, "SYSTEM_FOLDERS", ())
    return found


def fonts_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.glob("*.ttf"))


def settings_with(folder: Path, **changes: object) -> Settings:
    return Settings.model_validate({"font_dir": folder, **changes})


async def test_missing_fonts_are_fetched(archive: Archive, tmp_path: Path) -> None:
    await provide_fonts(settings_with(tmp_path))
    assert sorted(archive.asked) == sorted(PACKAGES)
    assert fonts_in(tmp_path) == sorted(f"{name}.ttf" for name in PACKAGES)


async def test_only_what_is_missing_is_fetched(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "NotoSansCJK-Regular.ttc").write_bytes(b"font")
    await provide_fonts(settings_with(tmp_path))
    assert archive.asked == ["fonts-liberation"]


async def test_nothing_is_fetched_where_all_is_there(archive: Archive, tmp_path: Path) -> None:
    for name in ("times.ttf", "wqy-zenhei.ttc"):
        (tmp_path / name).write_bytes(b"font")
    await provide_fonts(settings_with(tmp_path))
    assert archive.asked == []


async def test_nothing_is_fetched_where_that_is_forbidden(archive: Archive, tmp_path: Path) -> None:
    await provide_fonts(settings_with(tmp_path, font_download=False))
    assert archive.asked == []


async def test_the_service_goes_on_without_them(archive: Archive, tmp_path: Path) -> None:
    archive.error = "no network"
    await provide_fonts(settings_with(tmp_path))
    assert fonts_in(tmp_path) == []
