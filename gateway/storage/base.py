"""Where pictures go that a client wants as URLs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol

FILES = "/files"
"""Route under which the gateway serves what it has stored, wherever that lies."""

_DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r"imgs/\w[\w-]*\.jpg", re.ASCII)


class PictureStore(Protocol):
    async def save(self, document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
        """Stores JPEGs by their key in the Markdown; gives the URL of each. ServiceError 503 `storage_unavailable`."""

    async def load(self, document_id: str, key: str) -> bytes | None:
        """The JPEG; None where there is none of that name. ServiceError 503 `storage_unavailable`."""


def is_picture_name(document_id: str, key: str) -> bool:
    """Whether the gateway itself makes such names: no others are written or read."""
    return bool(_DOCUMENT_ID.fullmatch(document_id) and _KEY.fullmatch(key))


def picture_urls(document_id: str, pictures: Mapping[str, bytes]) -> dict[str, str]:
    return {key: f"{FILES}/{document_id}/{key}" for key in pictures}
