"""Debian's free fonts into `FONT_DIR`, for a machine without; render workers see them as soon as they are there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from common.debian import FetchError, put_in_place, unpack
from gateway.intake.render.fonts import CJK_FAMILIES, TIMES_FAMILIES, FontFolders, font_folders
from gateway.settings import Settings

PACKAGES = {"fonts-liberation": TIMES_FAMILIES, "fonts-wqy-microhei": CJK_FAMILIES}
"""Packages, each with the families that make it needless."""

log = structlog.get_logger(__name__)


async def provide_fonts(settings: Settings) -> None:
    """Fetches the packages that the machine lacks, where that is allowed. What can't be had is logged."""
    missing = await asyncio.to_thread(_list_missing, font_folders(settings.font_dir))
    if not missing:
        return
    if not settings.font_download:
        log.info("fonts_missing", packages=missing, reason="FONT_DOWNLOAD=false")
        return
    try:
        async with unpack(missing, settings.font_dir.absolute()) as content:
            files = await asyncio.to_thread(_move_fonts, content, settings.font_dir.absolute())
    except FetchError as error:
        log.warning("fonts_missing", packages=missing, reason=str(error))
    else:
        log.info("fonts_fetched", packages=missing, files=files)


def _list_missing(folders: FontFolders) -> list[str]:
    return [package for package, families in PACKAGES.items() if not folders.has_any(families)]


def _move_fonts(content: Path, folder: Path) -> int:
    """Puts the font files of unpacked packages into `folder`; gives their number."""
    names = {file.name for file in content.rglob("*.tt[cf]") if not file.is_symlink()}
    for name in sorted(names):
        put_in_place(content, name, folder)
    return len(names)
