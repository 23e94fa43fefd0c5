"""Outlines of masks without their dents: a corner that points inwards is more often noise of the mask than shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLUNT = 120
"""Degrees from which two or more corners in a row that point inwards are the shape's own."""
REACH = 0.3
"""An edge longer than this share of the region's width gets corners back. PaddleX's numbers, all three."""

Corners = NDArray[np.int32]


def cleaned(corners: Corners, width: int) -> Corners:
    """The corners that stay, in their order; `corners`: (N, 2), as OpenCV goes around a mask, `width` in pixels.

    PaddleX also moves corners of 44 to 46 degrees far into the region; that cuts text off and is left out.
    """
    if len(corners) < 4:
        return corners
    outward, angles = _bends(corners)
    inward = ~outward
    in_a_row = inward & (np.roll(inward, 1) | np.roll(inward, -1))
    kept = np.flatnonzero(outward | (in_a_row & (angles >= BLUNT)))
    if len(kept) < 3:
        return corners
    restored = [
        place
        for start, end in zip(kept, np.roll(kept, -1), strict=True)
        for place in _between(corners, int(start), int(end), REACH * width)
    ]
    return corners[sorted({*kept.tolist(), *restored})]


def _bends(corners: Corners) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Of each corner: whether it points outwards, and its angle in degrees."""
    back = (np.roll(corners, 1, axis=0) - corners).astype(np.float64)
    on = (np.roll(corners, -1, axis=0) - corners).astype(np.float64)
    turn = on[:, 0] * back[:, 1] - on[:, 1] * back[:, 0]
    lengths = np.maximum(np.linalg.norm(back, axis=1) * np.linalg.norm(on, axis=1), 1e-9)
    return turn < 0, np.degrees(np.arccos(np.clip((back * on).sum(axis=1) / lengths, -1, 1)))


def _between(corners: Corners, start: int, end: int, longest: float) -> list[int]:
    """Places of corners to put back between two neighbours, evenly chosen, so that no edge is longer than `longest`."""
    skipped = [place % len(corners) for place in range(start + 1, end if end > start else end + len(corners))]
    distance = float(np.linalg.norm(corners[start] - corners[end]))
    needed = int(np.ceil(distance / max(longest, 1))) - 1
    if len(skipped) <= needed:
        return skipped
    return [skipped[int(at * len(skipped) / needed)] for at in range(needed)]
