"""Signs that their place and their outline alone tell, so that no reading has to: engines leave many of them out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

EM = 32
"""Parts of an em, in which shapes are told."""
BELOW = 2
"""Parts of an em below the baseline from which a sign hangs: a comma, no full stop."""
STEP = 0.15
"""By how much one part of a drawing is darker than another at least, of cells that vary by a half."""
LEAN, UPRIGHT = 0.12, 0.3
"""By how many cells a bracket's middle lies beside its ends at least, and its upper end beside the lower at most."""
FULL = 0.7
"""Share of ink in the box of a bullet: a disc has more, no letter as much."""

Shape = tuple[int, int, int]
"""As in `Glyph`: width, height and depth below the baseline."""
Cells = NDArray[np.float64]
"""Of one character, as in `Drawings`."""


def is_plain(text: str, shape: Shape, cells: Cells, filled: float) -> bool:
    """Whether a character that is no letter and no digit is drawn as this sign must be, and no other is. `filled`: the
    share of its box that is ink."""
    test = _TESTS.get(text)
    return test is not None and test(shape, cells, filled)


def _is_dot(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width <= 10 and height <= 9 and -2 <= depth < BELOW


def _is_ellipsis(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width >= 12 and height <= 9 and -2 <= depth < BELOW


def _is_comma(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width <= 18 and height <= 14 and depth >= BELOW


def _is_small_and_low(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width <= 16 and height <= 16 and depth >= -8


def _is_colon(shape: Shape, cells: Cells, _filled: float) -> bool:
    _, _, lower, bottom = cells.mean(1)
    return shape[2] < BELOW and _has_two_parts(shape, cells) and bool(lower + STEP < bottom)


def _is_semicolon(shape: Shape, cells: Cells, _filled: float) -> bool:
    return shape[2] >= BELOW and _has_two_parts(shape, cells)


def _has_two_parts(shape: Shape, cells: Cells) -> bool:
    width, height, _ = shape
    top, upper, _, bottom = cells.mean(1)
    return width <= 11 and 8 <= height <= 26 and bool(upper + STEP < min(top, bottom))


def _is_dash(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width >= 4 and height <= 5 and width >= 1.5 * height and -16 <= depth <= -3


def _is_low_line(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width >= 10 and height <= 5 and depth >= 0


def _is_quote(shape: Shape, _cells: Cells, _filled: float) -> bool:
    width, height, depth = shape
    return width <= 20 and height <= 14 and depth <= -9


def _is_opening(shape: Shape, cells: Cells, _filled: float) -> bool:
    return _is_bracket(shape, cells) and _find_lean(cells) < -LEAN


def _is_closing(shape: Shape, cells: Cells, _filled: float) -> bool:
    return _is_bracket(shape, cells) and _find_lean(cells) > LEAN


def _is_bracket(shape: Shape, cells: Cells) -> bool:
    width, height, depth = shape
    top, _, _, bottom = _find_middles(cells)
    return width <= 13 and height >= 24 and depth >= BELOW and abs(top - bottom) <= UPRIGHT


def _points_left(shape: Shape, cells: Cells, _filled: float) -> bool:
    return _is_guillemet(shape, cells) and _find_lean(cells) < -LEAN


def _points_right(shape: Shape, cells: Cells, _filled: float) -> bool:
    return _is_guillemet(shape, cells) and _find_lean(cells) > LEAN


def _is_guillemet(shape: Shape, cells: Cells) -> bool:
    """Letters that are open to a side stand on the baseline."""
    width, height, depth = shape
    top, _, _, bottom = _find_middles(cells)
    return width <= 20 and 8 <= height <= 18 and depth < 0 and abs(top - bottom) <= UPRIGHT


def _find_lean(cells: Cells) -> float:
    top, upper, lower, bottom = _find_middles(cells)
    return float(upper + lower - top - bottom) / 2


def _find_middles(cells: Cells) -> NDArray[np.float64]:
    """Of each row of cells, the column around which its ink lies."""
    ink = cells - cells.min()
    return np.asarray(ink @ np.arange(len(cells)) / np.maximum(ink.sum(1), 1e-6), np.float64)


def _is_bullet(shape: Shape, cells: Cells, filled: float) -> bool:
    width, height, _ = shape
    is_solid = bool(cells[1:3, 1:3].min() >= cells[[0, 0, -1, -1], [0, -1, 0, -1]].max() - STEP)
    return filled >= FULL and is_solid and abs(width - height) <= 3 and 3 <= height <= 26


_TESTS: dict[str, Callable[[Shape, Cells, float], bool]] = {
    **dict.fromkeys(".", _is_dot),
    **dict.fromkeys("…", _is_ellipsis),
    **dict.fromkeys(",‚„", _is_comma),
    **dict.fromkeys("、。，．", _is_small_and_low),
    **dict.fromkeys(":：", _is_colon),
    **dict.fromkeys(";；", _is_semicolon),
    **dict.fromkeys("-‐‑‒–—―−\u00ad", _is_dash),
    **dict.fromkeys("_", _is_low_line),
    **dict.fromkeys("'\"‘’“”′″ʼ", _is_quote),
    **dict.fromkeys("(（", _is_opening),
    **dict.fromkeys(")）", _is_closing),
    **dict.fromkeys("«‹", _points_left),
    **dict.fromkeys("»›", _points_right),
    **dict.fromkeys("•●■▪·∙‣", _is_bullet),
}
PLAIN_SIGNS = frozenset(_TESTS)
"""Those that `is_plain` may find plain."""
