"""Pictures in a local folder, served by the gateway itself under `/files`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

import structlog

from gateway.errors import ServiceError

_DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"imgs/\w[\w-]*\.jpg", re.ASCII)

log = structlog.get_logger(__name__)


class LocalStore:
    """Files at `<root>/<document id>/imgs/….jpg`. Only names that the gateway itself makes are written or read."""

    def __init__(self, root: Path, prefix: str = "/files") -> None:
        self._root = root
        self._prefix = prefix

    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        try:
            await asyncio.to_thread(self._write, document_id, pictures)
        except OSError as error:
            log.error("pictures not stored", folder=str(self._root), reason=str(error))
            raise ServiceError(
                503, "storage_unavailable", "Pictures can't be stored now; ask with images=inline or images=none."
            ) from error
        return {key: f"{self._prefix}/{document_id}/{key}" for key in pictures}

    def find(self, document_id: str, key: str) -> Path | None:
        """The file, if the names are ours and it exists."""
        if not (_DOCUMENT_ID.fullmatch(document_id) and _KEY.fullmatch(key)):
            return None
        path = self._root / document_id / key
        return path if path.is_file() else None

    def _write(self, document_id: str, pictures: Mapping[str, bytes]) -> None:
        for key, data in pictures.items():
            path = self._root / document_id / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
