"""Pictures in a local folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import structlog

from gateway.errors import ServiceError
from gateway.storage.base import is_picture_name, picture_urls

log = structlog.get_logger(__name__)


class LocalStore:
    """`PictureStore` with files at `<root>/<document id>/imgs/….jpg`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        try:
            await asyncio.to_thread(self._write, document_id, pictures)
        except OSError as error:
            log.error("pictures not stored", folder=str(self._root), reason=str(error))
            raise ServiceError(
                503, "storage_unavailable", "Pictures can't be stored now; ask with images=inline or images=none."
            ) from error
        return picture_urls(document_id, pictures)

    async def load(self, document_id: str, key: str) -> bytes | None:
        if not is_picture_name(document_id, key):
            return None
        try:
            return await asyncio.to_thread((self._root / document_id / key).read_bytes)
        except OSError:
            return None

    def _write(self, document_id: str, pictures: Mapping[str, bytes]) -> None:
        for key, data in pictures.items():
            path = self._root / document_id / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
