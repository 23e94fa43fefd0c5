"""Names of what is stored, and which names are refused: a key must not lead out of its bucket or folder.

Clients of S3 put a key into the path of a URL, whose parts `.` and `..` they resolve: with them a key names another
bucket.
"""

from __future__ import annotations

import re
import unicodedata

DOCUMENT_ID = re.compile(r"[0-9a-f]{32}")
PICTURE_FOLDER = "imgs"
PRIVATE_FOLDER = "service/"
"""Where a bucket, below its prefix, holds what the service keeps for itself."""
_PICTURE = re.compile(rf"{PICTURE_FOLDER}/\w[\w-]{{0,199}}\.jpg", re.ASCII)
"""No longer than file systems and buckets take a name."""
_MAX_KEY_BYTES = 1024
"""S3's own limit."""


def is_plain_key(key: str) -> bool:
    """Whether a bucket takes the key as it is: short enough, no part `.` or `..`, no control characters."""
    is_text = not any(unicodedata.category(char) in ("Cc", "Cs") for char in key)
    has_dots = any(part in (".", "..") for part in re.split(r"[/\\]", key))
    return is_text and not has_dots and len(key.encode()) <= _MAX_KEY_BYTES


def is_private_key(key: str, prefix: str) -> bool:
    """Whether the key may name what the service keeps for itself. Some stores take several slashes for one."""
    return re.sub(r"/+", "/", key).lstrip("/").startswith(re.sub(r"/+", "/", prefix + PRIVATE_FOLDER).lstrip("/"))


def is_picture_name(document_id: str, key: str) -> bool:
    """Whether the gateway itself makes such names: no others are written or read."""
    return bool(DOCUMENT_ID.fullmatch(document_id) and _PICTURE.fullmatch(key))
