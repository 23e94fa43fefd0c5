"""Where pictures go that a client wants as URLs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class PictureStore(Protocol):
    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Stores JPEGs by their key in the Markdown; gives the URL of each. ServiceError 503 `storage_unavailable`."""
