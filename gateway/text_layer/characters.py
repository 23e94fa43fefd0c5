"""A page's text layer in the gateway: what a render worker has found of it, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box
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
Color = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class TextLayer:
    """`characters`: records of `RECORD` in the file's order, shape (n,). `fonts`: what tells them apart in the
    document. `ink`: shape (height, width), set where the page's picture would be another one without the characters.

    Without them the page has the one color `paper`, but in the boxes `drawn`; None: in no part of it is that known.
    `edges`: of the ink's shape, set where what is drawn there has an edge; None: where nothing is.
    """

    fonts: tuple[str, ...]
    characters: Characters
    ink: Mask
    paper: Color | None = None
    drawn: tuple[Box, ...] = ()
    edges: Mask | None = None


def unpack_characters(fonts: tuple[str, ...], characters: bytes) -> Characters:
    """Of what a worker has sent: what is no number there stands nowhere."""
    records = np.frombuffer(characters, RECORD).copy()
    for name in ("x1", "y1", "x2", "y2", "x", "y", "size"):
        records[name] = np.clip(np.nan_to_num(records[name], nan=-1.0, posinf=1e6, neginf=-1e6), -1e6, 1e6)
    records["font"] = np.minimum(records["font"], max(len(fonts) - 1, 0))
    return records


def turn_layer(layer: TextLayer, angle: int) -> TextLayer:
    """As `gateway.imaging.orientation.rotate` turns the picture: counterclockwise by a multiple of 90 degrees."""
    if not angle:
        return layer
    turned = layer.characters.copy()
    x1, y1, x2, y2, x, y = (layer.characters[name] for name in ("x1", "y1", "x2", "y2", "x", "y"))
    height, width = layer.ink.shape
    for names, values in ((("x1", "y1", "x2", "y2"), (x1, y1, x2, y2)), (("x", "y"), (x, y, x, y))):
        for name, side in zip(names, _turn_box(*values, width, height, angle), strict=False):
            turned[name] = side
    quarters = (layer.characters["flags"] >> QUARTERS_SHIFT).astype(np.int64) - angle // 90
    turned["flags"] = (layer.characters["flags"] & _FLAGS) | (quarters % 4 << QUARTERS_SHIFT)
    drawn = tuple(_turn_box(*box, width, height, angle) for box in layer.drawn)
    ink = np.ascontiguousarray(np.rot90(layer.ink, angle // 90))
    edges = None if layer.edges is None else np.ascontiguousarray(np.rot90(layer.edges, angle // 90))
    return replace(layer, characters=turned, ink=ink, drawn=drawn, edges=edges)


def _turn_box(x1: Any, y1: Any, x2: Any, y2: Any, width: int, height: int, angle: int) -> Any:  # noqa: ANN401
    """Sides of boxes on a page of that size, numbers or arrays, after the turn."""
    return {
        90: (y1, width - x2, y2, width - x1),
        180: (width - x2, height - y2, width - x1, height - y1),
        270: (height - y2, x1, height - y1, x2),
    }[angle]
