"""A chat request's picture as the engine gets it: decoded in a confined worker, sized and encoded by the gateway."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re

from gateway.api.chat.parsing import NamedImage
from gateway.api.chat.request import PixelLimits
from gateway.errors import ServiceError
from gateway.intake.document import open_document
from gateway.intake.sniff import HEAD_BYTES, PDF, media_type
from gateway.intake.spool import SpooledFile
from gateway.model import PageFailure, Pixels
from gateway.parts import Parts
from gateway.recognition.crops import encode, fit, guard
from gateway.tasks import PADDLEOCR_VL_DPI

_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+(?:;[a-z0-9=._-]+)*;base64,", re.IGNORECASE)


async def picture_for_engine(image: NamedImage, limits: PixelLimits | None, parts: Parts) -> str:
    """A data URL of a PNG. ServiceError as of `open_document` and `fetch`, with the field that is at fault."""
    try:
        pixels = await _first_page(await _content(image.url, parts), parts)
    except ServiceError as error:
        error.param = error.param or image.param
        raise
    return await asyncio.to_thread(_encoded, pixels, _pixel_range(limits, parts))


async def _content(url: str, parts: Parts) -> SpooledFile:
    if url[:5].lower() == "data:":
        return await asyncio.to_thread(lambda: SpooledFile.from_bytes(_decoded(url)))
    from gateway.intake.fetch import fetch, fetch_rules

    return await fetch(url, fetch_rules(parts.settings))


def _decoded(url: str) -> bytes:
    head = _DATA_URL.match(url[:200])
    if head is None:
        raise ServiceError(400, "invalid_value", "The picture's data URL must begin with data:image/<type>;base64,")
    try:
        return base64.b64decode("".join(url[head.end() :].split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ServiceError(400, "invalid_base64", f"The picture can't be decoded: {error}.") from None


async def _first_page(content: SpooledFile, parts: Parts) -> Pixels:
    if media_type(content.read(HEAD_BYTES)) == PDF:
        raise ServiceError(
            415, "unsupported_media_type", "A PDF is no picture; POST /ocr takes documents and reads all their pages."
        )
    document = await open_document(
        content, "picture", pages="1", dpi=PADDLEOCR_VL_DPI, pool=parts.pool, settings=parts.settings
    )
    try:
        page = await anext(document.pages())
    finally:
        await document.close()
    if isinstance(page, PageFailure):
        raise ServiceError(400, page.code, page.detail)
    return page.pixels


def _pixel_range(limits: PixelLimits | None, parts: Parts) -> tuple[int, int] | None:
    """Fewest and most pixels; None for an engine that reads pictures best as they are."""
    if not parts.engine.is_scaling:
        return None
    most = parts.settings.vlm_max_pixels
    if limits is None:
        return 0, most
    most = min(limits.max_pixels or most, most)
    return min(limits.min_pixels or 0, most), most


def _encoded(pixels: Pixels, pixel_range: tuple[int, int] | None) -> str:
    guarded = guard(pixels)
    return encode(fit(guarded, *pixel_range) if pixel_range else guarded).data_url
