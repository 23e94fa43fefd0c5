"""Arithmetic of boxes, against counting pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.geometry import Box, area, clip, clip_nonempty, contains, intersection_area, pairwise_areas, union

SIDE = 12
CORNERS = st.integers(-3, SIDE + 3)
BOXES = st.tuples(CORNERS, CORNERS, CORNERS, CORNERS)


def pixels(box: Box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(box[0], box[2]) for y in range(box[1], box[3])}


@given(BOXES, BOXES)
def test_areas_count_pixels(a: Box, b: Box) -> None:
    assert area(a) == len(pixels(a))
    assert intersection_area(a, b) == len(pixels(a) & pixels(b))
    if pixels(a) and pixels(b):
        common, areas = pairwise_areas([a, b])
        assert np.array_equal(areas, [area(a), area(b)])
        assert np.array_equal(common, [[area(a), intersection_area(a, b)], [intersection_area(a, b), area(b)]])
        assert contains(a, b) == (pixels(b) <= pixels(a))
        assert pixels(a) | pixels(b) <= pixels(union([a, b]))
        assert pairwise_areas([a], last_pixel=1)[1][0] == (a[2] - a[0] + 1) * (a[3] - a[1] + 1)


@given(BOXES)
def test_clip(box: Box) -> None:
    page = pixels((0, 0, SIDE, SIDE - 2))
    assert pixels(clip(box, SIDE, SIDE - 2)) == pixels(box) & page
    inside = pixels(clip_nonempty(box, SIDE, SIDE - 2))
    assert inside
    assert inside <= page


def test_no_boxes() -> None:
    common, areas = pairwise_areas([])
    assert (common.shape, areas.shape) == ((0, 0), (0,))
