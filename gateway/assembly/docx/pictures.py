"""Pictures in a Word document."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import structlog
from docx.shared import Emu

log = structlog.get_logger(__name__)

_LEAST = 36_000
"""A millimetre, in English metric units."""


def add_picture(run: Any, pictures: Mapping[str, bytes], key: str, width: int, room: tuple[int, int]) -> bool:  # noqa: ANN401
    """Puts a picture into a python-docx run, as wide as asked for and inside the room; False where it can't be.

    `width`, `room` (width, height): English metric units.
    """
    data = pictures.get(key)
    if not data:
        return False
    try:
        shape = run.add_picture(io.BytesIO(data), width=Emu(max(_LEAST, min(width, room[0]))))
        if shape.height > room[1]:
            shape.width, shape.height = Emu(max(1, round(shape.width * room[1] / shape.height))), Emu(room[1])
    except Exception as error:  # A client's own bytes go through python-docx's parsers of headers.
        log.info("picture_left_out", key=key[:200], reason=str(error)[:200])
        return False
    return True
