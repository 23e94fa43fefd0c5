"""Pixels as PNG, which loses nothing.

Compressed by ISA-L, Intel's library for deflate: a page's fifteen crops in 6 ms, where the zlib of OpenCV takes 20 and
that of Pillow 50 for files of the same size (grey scan of A4 at 144 dpi). It has no writer of PNG, so the few bytes
around what it compresses are written here (PNG specification, third edition, section 5).
"""

from __future__ import annotations

import struct
import zlib

import numpy as np
from isal import isal_zlib

from gateway.model import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS, _GREY, _COLOUR = 8, 0, 2
_LEVEL = 1


def encode_png(pixels: Pixels) -> bytes:
    """`pixels`: (height, width, 3) in RGB, or (height, width) of grey; at least one of each."""
    height, width = pixels.shape[:2]
    kind = _GREY if pixels.ndim == 2 else _COLOUR
    # Each row begins with the number of its filter, 0 for none: others make neither print nor its background smaller.
    rows = np.zeros((height, 1 + pixels.size // height), np.uint8)
    rows[:, 1:] = pixels.reshape(height, -1)
    return b"".join(
        (
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">2I5B", width, height, _BITS, kind, 0, 0, 0)),
            _chunk(b"IDAT", isal_zlib.compress(rows, _LEVEL)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))))
