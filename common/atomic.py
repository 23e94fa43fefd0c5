"""Files that are replaced in one step, so that nobody reads half of one."""

from __future__ import annotations

import uuid
from pathlib import Path


def replace_file(target: Path, text: str) -> None:
    """Writes the whole text or nothing, and makes the folder if it is missing. Raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
