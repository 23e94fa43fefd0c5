"""What of a picture's ink looks like glyphs, and which of it no text line holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, Boxes, clip

Pixels = NDArray[np.uint8]
Corners = NDArray[np.float32]
"""Shape (4, 2): top left, top right, bottom right, bottom left."""
Components = NDArray[np.int32]
"""Rows x, y, width, height, area of connected ink, as OpenCV has them."""

STRIP_PIXELS = 2**21
"""Whose connected ink is looked for at once: half of a page at 200 dpi."""
MIN_GLYPH = 5
"""No print is legible below this many pixels."""
NEIGHBOURHOOD, CONTRAST = 25, 15
"""Ink differs by so many grey levels from the mean of a square of so many pixels around it."""
STRAY_EDGE = 8
"""Grey levels between neighbours, in half the size, from which on there may be ink ..."""
MIN_STRAY_EDGES = 16
"""... if so many pixels have them: a glyph of the smallest print has some more."""
SMEAR = 2
"""Pixels in half the size by which ink reaches out of its box, its edges' neighbours included."""
DARK = 96
"""Typical grey below which a picture is light print on dark."""
ALIKE = 0.6, 2.5
"""A glyph without a line is at least and at most so many times as high as the picture's glyphs."""
LONGEST_WORD = 15
"""Of so many glyph heights is what is connected, at most: blur joins the letters of a word."""
WINDOW_REACH = 3, 1
"""Glyphs closer than so many glyph heights, along a line and across, are looked at together."""
WINDOW_MARGIN = 2.0
"""White space around such glyphs that the detector needs, in glyph heights."""
DOT = 0.4
"""A dot of a leader is at most so large, in glyph heights."""
MANY_DOTS = 0.4
"""Share of a picture's ink that is dots from which they are no part of its glyphs."""


@dataclass(frozen=True, slots=True)
class Ink:
    """Connected ink of a picture; `height` is that of a typical glyph in pixels, 0 where there is none."""

    components: Components
    height: float
    size: tuple[int, int]
    """Height and width of the picture."""


def find_ink(pixels: Pixels) -> Ink:
    """Ink of an RGB picture: dark on light, or light on dark where the picture is dark."""
    is_dark = is_inverted(pixels)

    def threshold(part: Pixels) -> Pixels:
        gray = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
        if is_dark:
            gray = cv2.bitwise_not(gray)
        mean, binary = cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV
        return np.asarray(cv2.adaptiveThreshold(gray, 255, mean, binary, NEIGHBOURHOOD, CONTRAST), dtype=np.uint8)

    components = find_components(map_strips(pixels, threshold, NEIGHBOURHOOD // 2))
    rows, columns = pixels.shape[:2]
    return Ink(components, _typical_height(components[are_glyphs(components, rows, columns)]), (rows, columns))


def is_inverted(pixels: Pixels) -> bool:
    """Whether `find_ink` looks for light print on dark in this RGB picture."""
    sample = np.ascontiguousarray(pixels[::4, ::4])
    return bool(np.median(cv2.cvtColor(sample, cv2.COLOR_RGB2GRAY)) < DARK)


def count_strip_rows(pixels: Pixels) -> int:
    """Rows of a picture that are worked on at a time where what is needed meanwhile is to be of a strip's size."""
    width: int = pixels.shape[1]
    return max(STRIP_PIXELS // width, 1)


def map_strips(pixels: Pixels, work: Callable[[Pixels], Pixels], reach: int) -> Pixels:
    """What `work` makes of a picture, as large as it, strip by strip: what it needs meanwhile is of a strip's size.
    `reach`: rows above and below a pixel that its value depends on."""
    height, rows = pixels.shape[0], count_strip_rows(pixels)
    if rows >= height:
        return work(pixels)
    first = work(pixels[: rows + reach])
    result = np.empty((height, *first.shape[1:]), dtype=np.uint8)
    result[:rows] = first[:rows]
    del first
    for start in range(rows, height, rows):
        top = max(start - reach, 0)
        made = work(pixels[top : start + rows + reach])
        result[start : start + rows] = made[start - top : start - top + rows]
    return result


def find_components(mask: Pixels) -> Components:
    """What is connected, also by its corners, of all that is not 0, in the order of OpenCV's own labels.

    By its algorithm for blocks, which takes half the time of its default; where nothing is, none is looked for. Strip
    by strip: labels take four bytes a pixel.
    """
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return np.empty((0, 5), dtype=np.int32)
    # The order goes by blocks of 2 x 2 pixels.
    left, top, bottom = x & ~1, y & ~1, y + height
    rows = max(STRIP_PIXELS // width, 2) & ~1
    found, pairs, count, above = [], [], 0, None
    for start in range(top, bottom, rows):
        part = mask[start : min(start + rows, bottom), left : x + width]
        _, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(part, 8, cv2.CV_32S, cv2.CCL_BBDT)
        if above is not None:
            numbers = np.array((count - len(found[-1]) - 1, count - 1))
            pairs.append(_list_neighbours(above, labels[0]) + numbers)
        found.append(stats[1:] + np.array((left, start, 0, 0, 0), dtype=np.int32))
        count += len(found[-1])
        above = labels[-1].copy()
    components = np.asarray(np.concatenate(found), dtype=np.int32)
    return _join_components(components, np.concatenate(pairs)) if pairs else components


def _list_neighbours(above: NDArray[np.int32], below: NDArray[np.int32]) -> NDArray[np.int64]:
    """Pairs of labels that touch in two rows, also by their corners: shape (n, 2)."""
    shifted = [(above, below), (above[1:], below[:-1]), (above[:-1], below[1:])]
    pairs = np.concatenate([np.stack(pair, axis=1) for pair in shifted]).astype(np.int64)
    return np.unique(pairs[(pairs > 0).all(axis=1)], axis=0)


def _join_components(components: Components, pairs: NDArray[np.int64]) -> Components:
    """The components, those of the pairs of indices as one each, in the place of its first."""
    firsts = np.arange(len(components))
    for pair in pairs.tolist():
        one, other = (_find_first(firsts, index) for index in pair)
        firsts[max(one, other)] = min(one, other)
    parts = np.unique(pairs)
    for part in parts.tolist():
        firsts[part] = _find_first(firsts, part)
    edges = np.concatenate([components[:, :2], components[:, :2] + components[:, 2:4], components[:, 4:]], axis=1)
    parts = parts[firsts[parts] != parts]
    np.minimum.at(edges[:, :2], firsts[parts], edges[parts, :2])
    np.maximum.at(edges[:, 2:4], firsts[parts], edges[parts, 2:4])
    np.add.at(edges[:, 4], firsts[parts], edges[parts, 4])
    edges[:, 2:4] -= edges[:, :2]
    return np.asarray(edges[firsts == np.arange(len(firsts))], dtype=np.int32)


def _find_first(firsts: NDArray[np.intp], index: int) -> int:
    """The first of those that an index is joined to."""
    while firsts[index] != index:
        firsts[index] = firsts[firsts[index]]
        index = int(firsts[index])
    return index


def _typical_height(glyphs: Components) -> float:
    """Upper quartile; a contents page's dots, where they are many, have no say."""
    if not len(glyphs):
        return 0.0
    size = np.maximum(glyphs[:, cv2.CC_STAT_WIDTH], glyphs[:, cv2.CC_STAT_HEIGHT])
    dots = size <= DOT * np.percentile(glyphs[:, cv2.CC_STAT_HEIGHT], 98)
    counted = glyphs[~dots] if MANY_DOTS <= dots.mean() < 1 else glyphs
    return float(np.percentile(counted[:, cv2.CC_STAT_HEIGHT], 75))


def glyph_height(pixels: Pixels) -> float:
    """Typical height in pixels of what looks like a glyph: upper quartile over the connected ink; 0 if none."""
    return find_ink(pixels).height


def find_glyphs(pixels: Pixels, part: Box) -> Boxes:
    """Boxes of what looks like a glyph of the picture by its size, in a part of it: x1, y1, x2, y2, shape (n, 4)."""
    x1, y1, x2, y2 = part
    components = find_ink(pixels[y1:y2, x1:x2]).components
    left, top, width, height, _ = components[are_glyphs(components, *pixels.shape[:2])].T
    return np.stack([x1 + left, y1 + top, x1 + left + width, y1 + top + height], axis=1).astype(np.float64)


class StrayInk:
    """What may be ink of an RGB picture outside of boxes: a look at half its size, which spares most pages those that
    take ten times as long. Some 2 ms for a page at 200 dpi, when it is first asked; not for two threads at once."""

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels

    @cached_property
    def half(self) -> Pixels:
        """The picture at half its size; one of a single row or column as it is."""
        return halve(self._pixels) if min(self._pixels.shape[:2]) > 1 else self._pixels

    @cached_property
    def edges(self) -> Pixels:
        """Grey levels between neighbours, in half the size."""
        gray = cv2.cvtColor(self.half, cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)), dtype=np.uint8)

    def find_area(self, boxes: Sequence[Box]) -> Box | None:
        """The part of the picture that holds all of it; None where there is none."""
        rows, columns = self._pixels.shape[:2]
        if min(rows, columns) < MIN_GLYPH:
            return None
        _, stray = cv2.threshold(self.edges, STRAY_EDGE - 1, 255, cv2.THRESH_BINARY)
        for box in boxes:
            x1, y1, x2, y2 = (max(value // 2, 0) for value in box)
            stray[max(y1 - SMEAR, 0) : y2 + 1 + SMEAR, max(x1 - SMEAR, 0) : x2 + 1 + SMEAR] = 0
        if cv2.countNonZero(stray) < MIN_STRAY_EDGES:
            return None
        x, y, width, height = (2 * value for value in cv2.boundingRect(stray))
        around = x - NEIGHBOURHOOD, y - NEIGHBOURHOOD, x + width + NEIGHBOURHOOD, y + height + NEIGHBOURHOOD
        return clip(around, columns, rows)


def halve(pixels: Pixels) -> Pixels:
    """The picture with the means of each 2 x 2 pixels; a last odd row or column is left out. Both sides are 2 at least.

    OpenCV does it in a tenth of the time of any other scale.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    halved = cv2.resize(pixels[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(halved, dtype=np.uint8)


def are_glyphs(components: Components, rows: int, columns: int) -> NDArray[np.bool_]:
    _, _, width, height, area = components.T
    result: NDArray[np.bool_] = (
        (height >= MIN_GLYPH) & (width >= 2) & (area >= 12) & (height < max(rows / 4, 40)) & (width < columns / 2)
    )
    return result


def find_stray_windows(ink: Ink, quads: Sequence[Corners]) -> list[Box]:
    """Parts of the picture that hold glyphs outside of all `quads`, those with most of them for their size first."""
    stray = _stray(ink, quads)
    return _windows(stray, ink) if len(stray) else []


def find_stray_glyphs(ink: Ink, quads: Sequence[Corners]) -> list[Box]:
    """Boxes of the glyphs outside of all `quads`."""
    return [(x, y, x + width, y + height) for x, y, width, height, _ in _stray(ink, quads).tolist()]


def glyph_middles(ink: Ink) -> Boxes:
    """Points in the middle of all glyphs that `find_stray_glyphs` may give: x, y, shape (n, 2)."""
    glyphs = ink.components[_are_likely(ink)]
    return (glyphs[:, :2] + glyphs[:, 2:4] // 2).astype(np.float64)


def _stray(ink: Ink, quads: Sequence[Corners]) -> Components:
    stray: Components = ink.components[_are_likely(ink) & ~_are_covered(ink, quads)]
    return stray


def _are_likely(ink: Ink) -> NDArray[np.bool_]:
    width, height = ink.components.T[2:4]
    likely = are_glyphs(ink.components, *ink.size) & (width < LONGEST_WORD * ink.height)
    result: NDArray[np.bool_] = likely & (height >= ALIKE[0] * ink.height) & (height <= ALIKE[1] * ink.height)
    return result


def _are_covered(ink: Ink, quads: Sequence[Corners]) -> NDArray[np.bool_]:
    covered = np.zeros(ink.size, dtype=np.uint8)
    for quad in quads:
        cv2.fillPoly(covered, [quad.round().astype(np.int32)], 1)
    x, y, width, height, _ = ink.components.T
    result: NDArray[np.bool_] = covered[y + height // 2, x + width // 2] > 0
    return result


def _windows(stray: Components, ink: Ink) -> list[Box]:
    cell = max(2, round(ink.height / 2))
    rows, columns = (-(-side // cell) for side in ink.size)
    marks = np.zeros((rows, columns), dtype=np.uint8)
    for x, y, width, height, _ in stray // cell:
        marks[y : y + height + 1, x : x + width + 1] = 1
    reach = np.ones((4 * WINDOW_REACH[1] + 1, 4 * WINDOW_REACH[0] + 1), dtype=np.uint8)
    clusters = find_components(np.asarray(cv2.dilate(marks, reach), dtype=np.uint8))
    margin = round((WINDOW_MARGIN - 2 * WINDOW_REACH[1]) * ink.height), round(WINDOW_MARGIN * ink.height)
    middles = (stray[:, :2] + stray[:, 2:4] // 2) // cell
    boxes = []
    for left, top, width, height, _ in clusters:
        inside = (middles >= (left, top)).all(axis=1) & (middles < (left + width, top + height)).all(axis=1)
        box = (
            max(0, int(left) * cell - margin[1]),
            max(0, int(top) * cell - margin[1]),
            min(ink.size[1], int(left + width) * cell + margin[1]),
            min(ink.size[0], int(top + height) * cell + margin[1]),
        )
        boxes.append((int(inside.sum()) / (width * height), box))
    return [box for _, box in sorted(boxes, reverse=True)]
