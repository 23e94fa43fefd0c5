"""Fractions that are set one number above the other: detectors take one for a line, in which recognisers read 34 where
3/4 stands, and say that they are sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from common.geometry import Box, union
from textlines.glyphs import Components, Ink

BAR = 3.5
"""Width of a fraction's bar in its thickness, at least."""
BAR_WIDTHS, BAR_THICKNESS = (0.4, 8.0), 0.3
"""Of a bar, in glyph heights: its width at least and at most, its thickness at most."""
DIGITS = 0.45, 1.35
"""Heights of a fraction's digits, in glyph heights: at least, at most."""
GAP = 0.55
"""White space between the bar and the digits, in glyph heights, at most."""
MIN_HEIGHT = 1.15
"""Of a fraction, in glyph heights: strokes of Chinese signs stand above each other too, but within one sign."""
OVERHANG = 0.3
"""By so many glyph heights digits may reach beyond the bar."""
CENTRED = 0.2
"""By which share of its width the digits' middle may be off the bar's."""
FILLED = 0.5
"""Share of the bar that the wider of the two numbers takes, at least."""
APART = 0.3
"""Glyph heights of white space beside the digits: what is underlined goes on, and so does the row below it."""
TALLER = 0.85
"""Height of the glyphs beside a fraction, in its own, at most."""
BESIDE, RULE = 3.0, 2.0
"""So far away, in heights of the fraction, glyphs in its row tell; what is so many times as high is a rule."""
SAME_ROW = 0.2
"""By so many glyph heights bottoms of what stands in one row differ at most, and right ends in a column of numbers."""
LINE = 0.62
"""Height of a line of text in that of a fraction in it."""
MAX_BARS = 2000
"""Strokes that are looked at: a page of exercises has some hundreds, a pattern any number."""


@dataclass(frozen=True, slots=True)
class Fraction:
    """`box` around both numbers, `top` and `bottom` of the bar between them, in pixels."""

    box: Box
    top: int
    bottom: int


def find_fractions(ink: Ink) -> list[Fraction]:
    """The fractions among the ink of a level picture: a short bar with one to some digits above and below it, which
    stand apart from all else."""
    height = ink.height
    if not height:
        return []
    width, thickness = ink.components[:, 2], ink.components[:, 3]
    are_bars = (width >= BAR * thickness) & (thickness <= max(BAR_THICKNESS * height, 2))
    are_bars &= (width >= BAR_WIDTHS[0] * height) & (width <= BAR_WIDTHS[1] * height)
    bars = ink.components[are_bars]
    if not 0 < len(bars) <= MAX_BARS:
        return []
    glyphs = ink.components[ink.components[:, 3] >= DIGITS[0] * height]
    by_left = glyphs[np.argsort(glyphs[:, 0])]
    found = (_find_at(bar, _find_near(by_left, bar, height), bars, height) for bar in bars)
    return [one for one in found if one]


def _find_near(by_left: Components, bar: NDArray[np.int32], height: float) -> Components:
    """The glyphs so near to a bar's columns and rows that they may be the fraction's, or tell against one."""
    x, y, width, thickness, _ = bar
    reach = BESIDE * 4 * height
    first, last = np.searchsorted(by_left[:, 0], (x - reach, x + width + reach))
    near = by_left[first:last]
    rise = 2 * (GAP + DIGITS[1]) * height  # to the bottom of the row above
    result: Components = near[(near[:, 1] + near[:, 3] > y - rise) & (near[:, 1] < y + thickness + rise)]
    return result


def _find_at(bar: NDArray[np.int32], near: Components, bars: Components, height: float) -> Fraction | None:
    x, y, width, thickness, _ = (int(value) for value in bar)
    left, top, right, bottom = near[:, 0], near[:, 1], near[:, 0] + near[:, 2], near[:, 1] + near[:, 3]
    middle = (left + right) / 2
    over = (middle > x) & (middle < x + width)
    above = over & (bottom <= y + 1) & (bottom >= y - GAP * height)
    below = over & (top >= y + thickness - 1) & (top <= y + thickness + GAP * height)
    if not (above.any() and below.any()):
        return None
    numbers = [_bounds(near[above]), _bounds(near[below])]
    whole = union([*numbers, (x, y, x + width, y + thickness)])
    pairs = zip(numbers, (above, below), strict=True)
    is_own = all(_is_number(one, near[own], (x, x + width), height) for one, own in pairs)
    is_wide = max(one[2] - one[0] for one in numbers) >= FILLED * width
    tall = whole[3] - whole[1]
    if not is_own or not is_wide or tall < MIN_HEIGHT * height:
        return None
    others = ~above & ~below
    beside = others & (right > whole[0] - APART * height) & (left < whole[2] + APART * height)
    touching = beside & (bottom > whole[1]) & (top < whole[3]) & ((bottom <= y + thickness) | (top >= y))
    if touching.any():
        return None
    row = others & (top < y + thickness) & (bottom > y) & (bottom - top < RULE * tall)
    row &= (right > x - BESIDE * tall) & (left < x + width + BESIDE * tall)
    if row.any() and float(np.median(near[row, 3])) > TALLER * tall:
        return None
    crossing = others & (top < y) & (bottom > y + thickness) & (bottom - top < RULE * tall)
    if not crossing.any() and _are_rows(numbers, near[others], bars, height):
        return None
    return Fraction(whole, y, y + thickness)


def _are_rows(numbers: Sequence[Box], others: Components, bars: Components, height: float) -> bool:
    """Whether the numbers are rows of a column with a rule above its sum: each has its own words beside it, or they go
    on above. What has a bar too is another fraction."""
    room, gap = max(SAME_ROW * height, 2), GAP * height
    top, right, bottom = others[:, 1], others[:, 0] + others[:, 2], others[:, 1] + others[:, 3]
    middles = (others[:, 0] + others[:, 2] / 2)[:, None]
    bars = bars[(bars[:, 1] > numbers[0][1] - 4 * height) & (bars[:, 1] < numbers[1][3] + height)]
    with_bar = (middles > bars[:, 0]) & (middles < bars[:, 0] + bars[:, 2])
    under = (with_bar & (bars[:, 1] < top[:, None]) & (bars[:, 1] > top[:, None] - gap)).any(axis=1)
    over = (with_bar & (bars[:, 1] >= bottom[:, None] - 1) & (bars[:, 1] < bottom[:, None] + gap)).any(axis=1)
    if all((~under & ~over & (np.abs(bottom - one[3]) <= room)).any() for one in numbers):
        return True
    upper, lower = numbers
    next_bottom = 2 * upper[3] - lower[3]
    return bool((~under & (np.abs(bottom - next_bottom) <= room) & (np.abs(right - upper[2]) <= room)).any())


def _bounds(glyphs: Components) -> Box:
    left, top = (int(value) for value in glyphs[:, :2].min(axis=0))
    right, bottom = (int(value) for value in (glyphs[:, :2] + glyphs[:, 2:4]).max(axis=0))
    return left, top, right, bottom


def _is_number(box: Box, glyphs: Components, bar: tuple[int, int], height: float) -> bool:
    """Whether glyphs above or below a bar may be digits: as high as such, in one row, in the middle of the bar."""
    is_high = bool((glyphs[:, 3] <= DIGITS[1] * height).all()) and box[3] - box[1] <= DIGITS[1] * height
    reach = OVERHANG * height
    is_within = box[0] >= bar[0] - reach and box[2] <= bar[1] + reach
    is_centred = abs(box[0] + box[2] - bar[0] - bar[1]) <= 2 * max(CENTRED * (bar[1] - bar[0]), 2)
    return is_high and is_within and is_centred


def level_box(box: Box, bar: tuple[float, float]) -> Box:
    """The box of a fraction, whose bar begins and ends at these shares of its height, made as high as a line of text
    that it stands in."""
    x1, y1, x2, y2 = box
    middle, half = y1 + (bar[0] + bar[1]) / 2 * (y2 - y1), LINE * (y2 - y1) / 2
    return x1, round(middle - half), x2, round(middle + half)
