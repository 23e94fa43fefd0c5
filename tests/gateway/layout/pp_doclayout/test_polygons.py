"""Which corners of a mask's outline stay."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from gateway.layout.pp_doclayout.polygons import simplify_polygon


def contour(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = max(contours, key=cv2.contourArea)
    return np.asarray(cv2.approxPolyDP(largest, 4, True), dtype=np.int32).reshape(-1, 2)


def test_edge_notch_is_filled() -> None:
    mask = np.zeros((200, 400), dtype=np.uint8)
    mask[20:180, 20:380] = 1
    cv2.fillPoly(mask, [np.array([[200, 60], [190, 0], [210, 0]])], 0)
    notched = contour(mask)
    left = simplify_polygon(notched, 2000)
    assert len(left) < len(notched)
    assert not any(abs(x - 200) < 15 and 30 < y < 100 for x, y in left.tolist())


def test_wide_step_stays() -> None:
    mask = np.zeros((200, 400), dtype=np.uint8)
    mask[20:180, 20:380] = 1
    mask[100:, 200:] = 0
    assert [200, 99] in simplify_polygon(contour(mask), 400).tolist() or [199, 99] in simplify_polygon(
        contour(mask), 400
    ).tolist()


@settings(deadline=None)
@given(arrays.arrays(np.int32, st.tuples(st.integers(0, 12), st.just(2)), elements=st.integers(-5, 50)))
def test_remaining_corners_keep_order(corners: NDArray[np.int32]) -> None:
    left = simplify_polygon(corners, 40).tolist()
    rest = iter(corners.tolist())
    assert all(corner in rest for corner in left)
