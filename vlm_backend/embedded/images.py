"""Crops as they arrive: data URLs of PNG, JPEG or WebP, nothing that would have to be fetched."""

from __future__ import annotations

import base64
import binascii
import io
import re

import numpy as np
from PIL import Image

from textlines.detection import Pixels
from vlm_backend.embedded.protocol import ApiError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 64_000_000
DATA_URL = re.compile(r"data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)


def decode_image(url: str) -> Pixels:
    """RGB pixels of a data URL. Raises `ApiError` 400 for anything else, before a bomb is unpacked."""
    match = DATA_URL.match(url)
    if match is None:
        raise ApiError(400, "an image must be a base64 data URL of type image/*", "BadRequestError", "messages")
    try:
        data = base64.b64decode(url[match.end() :], validate=True)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ApiError(400, f"the image has more than {MAX_PIXELS} pixels", "BadRequestError", "messages")
            return np.asarray(image.convert("RGB"))
    except (binascii.Error, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ApiError(400, f"the image can't be read: {error}", "BadRequestError", "messages") from error
