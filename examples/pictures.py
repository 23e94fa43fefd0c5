"""Drawings for the examples' figures. Each fills the box that it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from examples.fonts import Face, Fonts
from examples.truth import BBox
from examples.typeset import Draw, DrawPicture

Point = tuple[float, float]

# Positions in the frame, 0 to 1: the seven bright stars of Orion first, then faint ones.
_ORION = ((0.40, 0.14), (0.58, 0.18), (0.46, 0.36), (0.50, 0.35), (0.54, 0.33), (0.44, 0.56), (0.62, 0.58))
_FAINT = (
    (0.08, 0.10),
    (0.18, 0.32),
    (0.27, 0.08),
    (0.30, 0.47),
    (0.70, 0.08),
    (0.76, 0.40),
    (0.88, 0.16),
    (0.93, 0.50),
)
_ROOFS = (0.80, 0.72, 0.72, 0.84, 0.66, 0.78, 0.74, 0.88)


def bar_chart(bars: Sequence[tuple[str, int]], fonts: Fonts) -> DrawPicture:
    """A chart of named values, each written above its bar."""

    def draw_chart(draw: Draw, box: BBox) -> None:
        left, top, right, bottom = box[0] + 20, box[1] + 30, box[2] - 10, box[3] - 34
        font = fonts(Face.SANS, 17)
        step = (right - left) / len(bars)
        scale = (bottom - top) / max(value for _, value in bars)
        for index, (name, value) in enumerate(bars):
            middle = left + (index + 0.5) * step
            draw.rectangle((middle - 0.32 * step, bottom - value * scale, middle + 0.32 * step, bottom), fill="#888888")
            draw.text((middle, bottom - value * scale - 5), str(value), font=font, fill="#111111", anchor="ms")
            draw.text((middle, bottom + 24), name, font=font, fill="#111111", anchor="ms")
        draw.line((left, top - 20, left, bottom, right, bottom), fill="#111111", width=2)

    return draw_chart


def night_sky(draw: Draw, box: BBox) -> None:
    """Orion above dark roofs."""
    at = _frame(box)
    draw.rectangle(_inner(box), fill="#333333")
    draw.polygon([at(_ORION[index]) for index in (0, 2, 5, 6, 4, 1)], outline="#777777", width=2)
    for centre in _FAINT:
        _dot(draw, at(centre), 2, "#bbbbbb")
    for centre in _ORION:
        _dot(draw, at(centre), 5, "#ffffff")
    edges = [index / len(_ROOFS) for index in range(len(_ROOFS) + 1)]
    for (left, right), roof in zip(pairwise(edges), _ROOFS, strict=True):
        draw.rectangle((*at((left, roof)), *at((right, 1.0))), fill="#111111")
        window = (left + right) / 2
        draw.rectangle((*at((window - 0.01, 0.91)), *at((window + 0.01, 0.95))), fill="#dddddd")


def work_bench(draw: Draw, box: BBox) -> None:
    """An open book, a brush and a pressing board on a table."""
    at = _frame(box)
    draw.rectangle(_inner(box), fill="#eeeeee")
    draw.rectangle((*at((0.02, 0.72)), *at((0.98, 0.80))), fill="#777777")
    for leg in (0.10, 0.86):
        draw.rectangle((*at((leg, 0.80)), *at((leg + 0.04, 0.98))), fill="#777777")
    draw.polygon([at(p) for p in ((0.14, 0.70), (0.10, 0.38), (0.30, 0.44), (0.30, 0.72))], "#ffffff", "#222222", 2)
    draw.polygon([at(p) for p in ((0.46, 0.70), (0.50, 0.38), (0.30, 0.44), (0.30, 0.72))], "#ffffff", "#222222", 2)
    for row in range(5):
        y = 0.48 + 0.045 * row
        draw.line((*at((0.15, y - 0.02)), *at((0.27, y))), fill="#999999", width=2)
        draw.line((*at((0.33, y)), *at((0.45, y - 0.02))), fill="#999999", width=2)
    draw.line((*at((0.58, 0.30)), *at((0.66, 0.60))), fill="#444444", width=9)
    draw.polygon([at(p) for p in ((0.63, 0.60), (0.69, 0.57), (0.71, 0.72), (0.66, 0.72))], "#bbbbbb", "#222222", 2)
    for layer in range(3):
        draw.rectangle((*at((0.76, 0.66 - 0.07 * layer)), *at((0.95, 0.71 - 0.07 * layer))), "#cccccc", "#222222", 2)


def toaster(draw: Draw, box: BBox) -> None:
    """A toaster with a slice of bread, and a screwdriver beside it."""
    at = _frame(box)
    draw.rounded_rectangle(_inner(box), 24, fill="#f3e3c3")
    draw.ellipse((*at((0.08, 0.08)), *at((0.92, 0.80))), fill="#f9f1de")
    draw.rounded_rectangle((*at((0.30, 0.18)), *at((0.58, 0.50))), 18, fill="#c98b4b", outline="#7a4a1c", width=4)
    draw.rounded_rectangle((*at((0.18, 0.36)), *at((0.70, 0.76))), 26, fill="#2f6f8f", outline="#1d4457", width=4)
    draw.rectangle((*at((0.70, 0.46)), *at((0.76, 0.50))), fill="#1d4457")
    _dot(draw, at((0.60, 0.66)), 14, "#f3e3c3")
    for foot in (0.24, 0.58):
        draw.rectangle((*at((foot, 0.76)), *at((foot + 0.06, 0.80))), fill="#1d4457")
    draw.rounded_rectangle((*at((0.82, 0.22)), *at((0.89, 0.48))), 8, fill="#c0392b")
    draw.rectangle((*at((0.845, 0.48)), *at((0.865, 0.80))), fill="#666666")


def signature(draw: Draw, box: BBox) -> None:
    """A scribble that stands for a name."""
    at = _frame(box)
    waves = ((0.0, 0.6), (0.08, 0.1), (0.14, 0.9), (0.24, 0.3), (0.32, 0.7), (0.42, 0.35), (0.52, 0.7), (0.62, 0.4))
    draw.line([at(point) for point in (*waves, (0.74, 0.65), (1.0, 0.45))], fill="#333333", width=3, joint="curve")


def _frame(box: BBox) -> Callable[[Point], Point]:
    """Maps places in the unit square, its edges included, to whole pixels of a box."""
    left, top, right, bottom = _inner(box)

    def at(point: Point) -> Point:
        return round(left + point[0] * (right - left)), round(top + point[1] * (bottom - top))

    return at


def _inner(box: BBox) -> BBox:
    """Pillow draws the far edge too; the box excludes it."""
    return box[0], box[1], box[2] - 1, box[3] - 1


def _dot(draw: Draw, centre: Point, radius: int, colour: str) -> None:
    x, y = centre
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
