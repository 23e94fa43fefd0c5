"""A page's text layer in the gateway: what a render worker has found of it, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.intake.render.page_source import CHARACTER, QUARTERS_SHIFT

RECORD = np.dtype(
    [
        ("code", "<u4"),
        ("flags", "<u2"),
        ("font", "<u2"),
        *((name, "<f4") for name in ("x1", "y1", "x2", "y2", "x", "y", "size")),
    ]
)
"""As `CHARACTER` packs it."""
assert RECORD.itemsize == CHARACTER.size
_FLAGS = (1 << QUARTERS_SHIFT) - 1

Characters = NDArray[np.void]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TextLayer:
    """`characters`: records of `RECORD` in the file's order, shape (n,). `fonts`: what tells them apart in the
    document. `ink`: shape (height, width), set where the page's picture would be another one without the characters."""

    fonts: tuple[str, ...]
    characters: Characters
    ink: Mask


def unpack_layer(fonts: tuple[str, ...], characters: bytes, ink: bytes, width: int, height: int) -> TextLayer:
    """Of what a worker has sent: what is no number there stands nowhere."""
    records = np.frombuffer(characters, RECORD).copy()
    for name in ("x1", "y1", "x2", "y2", "x", "y", "size"):
        records[name] = np.clip(np.nan_to_num(records[name], nan=-1.0, posinf=1e6, neginf=-1e6), -1e6, 1e6)
    records["font"] = np.minimum(records["font"], max(len(fonts) - 1, 0))
    rows = np.frombuffer(ink, np.uint8).reshape(height, -1)
    return TextLayer(fonts or ("none",), records, np.unpackbits(rows, axis=1, count=width).astype(np.bool_))


def turn_layer(layer: TextLayer, angle: int) -> TextLayer:
    """As `gateway.imaging.orientation.rotate` turns the picture: counterclockwise by a multiple of 90 degrees."""
    if not angle:
        return layer
    turned = layer.characters.copy()
    x1, y1, x2, y2, x, y = (layer.characters[name] for name in ("x1", "y1", "x2", "y2", "x", "y"))
    height, width = layer.ink.shape
    names = ("x1", "y1", "x2", "y2", "x", "y")
    corners = {
        90: (y1, width - x2, y2, width - x1, y, width - x),
        180: (width - x2, height - y2, width - x1, height - y1, width - x, height - y),
        270: (height - y2, x1, height - y1, x2, height - y, x),
    }[angle]
    for name, values in zip(names, corners, strict=True):
        turned[name] = values
    quarters = (layer.characters["flags"] >> QUARTERS_SHIFT).astype(np.int64) - angle // 90
    turned["flags"] = (layer.characters["flags"] & _FLAGS) | (quarters % 4 << QUARTERS_SHIFT)
    return replace(layer, characters=turned, ink=np.ascontiguousarray(np.rot90(layer.ink, angle // 90)))
