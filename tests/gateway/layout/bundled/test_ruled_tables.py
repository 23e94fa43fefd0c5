"""Grids that are drawn on a page, with text lines in their cells or elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from gateway.layout.base import Detection
from gateway.layout.bundled.ruled_tables import add_ruled_tables, find_grids
from gateway.model import BBox, Pixels

XS, YS = (100, 180, 420, 520, 660), (200, 240, 280, 320)
FRAME = (100, 200, 660, 320)


def draw_grid(xs: Sequence[int], ys: Sequence[int], thickness: int = 2) -> Pixels:
    page = np.full((1100, 800, 3), 255, dtype=np.uint8)
    for x in xs:
        cv2.line(page, (x, ys[0]), (x, ys[-1]), (0, 0, 0), thickness)
    for y in ys:
        cv2.line(page, (xs[0], y), (xs[-1], y), (0, 0, 0), thickness)
    return page


def write(page: Pixels, boxes: Sequence[BBox]) -> list[BBox]:
    """Ink like letters in each box, which is a text line then."""
    for x1, y1, x2, y2 in boxes:
        for x in range(x1 + 4, x2 - 8, 14):
            cv2.rectangle(page, (x, y1 + 5), (x + 6, y2 - 5), (30, 30, 30), 2)
    return list(boxes)


def cell_lines(xs: Sequence[int], ys: Sequence[int]) -> list[BBox]:
    return [(x + 10, y + 8, x + 64, y + 34) for y in ys[:-1] for x in xs[:-1]]


def is_near(box: Sequence[float], expected: Sequence[float]) -> bool:
    return all(abs(a - b) <= 6 for a, b in zip(box, expected, strict=True))


@pytest.mark.parametrize("thickness", [1, 2, 5])
def test_drawn_grid_with_text_is_a_table(thickness: int) -> None:
    page = draw_grid(XS, YS, thickness)
    lines = write(page, [*cell_lines(XS, YS), (100, 60, 500, 90), (100, 500, 640, 530)])
    (found,) = add_ruled_tables([], lines, page)
    assert found.label == "table"
    assert is_near(found.box, FRAME)


def test_light_rules_on_dark_paper_are_no_grid_of_dark_ones() -> None:
    page = 255 - draw_grid(XS, YS)
    assert find_grids(cell_lines(XS, YS), page) == []


def test_texts_in_a_grid_are_the_tables() -> None:
    """The model often takes its columns for texts side by side."""
    page = draw_grid(XS, YS)
    lines = write(page, cell_lines(XS, YS))
    below = Detection("text", 0.9, (90, 400, 700, 450))
    columns = [Detection("text", 0.8, (100, 200, 420, 320)), Detection("image", 0.7, (425, 205, 655, 315))]
    found = add_ruled_tables([*columns, below], lines, page)
    assert [one.label for one in found] == ["text", "table"]
    assert found[0] == below


def test_table_that_the_model_has_found_stays_as_it_is() -> None:
    page = draw_grid(XS, YS)
    lines = write(page, cell_lines(XS, YS))
    known = Detection("table", 0.8, (98, 190, 664, 330))
    assert add_ruled_tables([known], lines, page) == [known]


def test_two_tables_below_each_other() -> None:
    page = draw_grid(XS, YS)
    lower = [y + 300 for y in YS]
    page = np.minimum(page, draw_grid(XS[:3], lower))
    lines = write(page, [*cell_lines(XS, YS), *cell_lines(XS[:3], lower)])
    assert len(find_grids(lines, page)) == 2


@pytest.mark.parametrize(
    ("xs", "ys", "lines"),
    [
        pytest.param((50, 750), (50, 1050), [(80, y, 700, y + 26) for y in range(80, 1000, 40)], id="page frame"),
        pytest.param(range(60, 760, 28), range(60, 900, 28), [(80, 950, 700, 980)] * 9, id="graph paper"),
        pytest.param(
            (60, 400, 740),
            (60, 1000),
            [(x, y, x + 300, y + 26) for x in (80, 420) for y in range(80, 980, 40)],
            id="columns in frames",
        ),
    ],
)
def test_other_frames_are_no_tables(xs: Sequence[int], ys: Sequence[int], lines: list[BBox]) -> None:
    page = draw_grid(list(xs), list(ys))
    assert find_grids(write(page, lines), page) == []


def test_flow_chart_is_no_table() -> None:
    page = np.full((1100, 800, 3), 255, dtype=np.uint8)
    lines: list[BBox] = []
    for row in range(3):
        for x in (80, 460):
            y = 80 + 200 * row
            cv2.rectangle(page, (x, y), (x + 240, y + 70), (0, 0, 0), 2)
            cv2.line(page, (x + 120, y + 70), (x + 120, y + 200), (0, 0, 0), 2)
            cv2.line(page, (320, y + 35), (460, y + 35), (0, 0, 0), 2)
            lines.append((x + 30, y + 20, x + 200, y + 50))
    assert find_grids(write(page, lines), page) == []


@pytest.mark.parametrize(("box", "is_kept"), [((430, 245, 510, 275), True), ((180, 200, 660, 320), False)])
def test_photo_in_a_cell_stays_a_picture(box: BBox, is_kept: bool) -> None:
    page = draw_grid(XS, YS)
    picture = Detection("image", 0.8, box)
    found = add_ruled_tables([picture], write(page, cell_lines(XS, YS)), page)
    assert (picture in found) == is_kept
    assert [one.label for one in found if one is not picture] == ["table"]
