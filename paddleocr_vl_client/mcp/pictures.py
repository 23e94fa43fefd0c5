"""Parts of pictures of pages."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from paddleocr_vl_client.models import BBox

_MARGIN = 8
"""Pixels around a block."""


def crop_picture(data: bytes, box: BBox, page_size: tuple[int, int]) -> bytes:
    """`box` in pixels of a page of `page_size`, which the picture may show smaller; as JPEG."""
    with Image.open(BytesIO(data)) as picture:
        scale_x, scale_y = (size / full for size, full in zip(picture.size, page_size, strict=True))
        left, top, right, bottom = box
        part = picture.crop(
            (
                max(0, round(left * scale_x) - _MARGIN),
                max(0, round(top * scale_y) - _MARGIN),
                min(picture.width, round(right * scale_x) + _MARGIN),
                min(picture.height, round(bottom * scale_y) + _MARGIN),
            )
        )
        stream = BytesIO()
        part.save(stream, "JPEG", quality=90)
    return stream.getvalue()
