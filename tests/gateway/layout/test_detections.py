"""What the PP-DocLayout models give to regions: what is dropped, and that nothing else is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.layout.detections import LABELS, regions_of
from gateway.model import BBox, Region

WIDTH, HEIGHT = 600, 800


def found(*rows: tuple[str, float, BBox], masks: np.ndarray | None = None) -> list[Region]:
    values = [[LABELS.index(label), score, *box, at] for at, (label, score, box) in enumerate(rows)]
    return regions_of(np.array(values, dtype=np.float32).reshape(-1, 7), masks, WIDTH, HEIGHT)


def labels(*rows: tuple[str, float, BBox]) -> list[str]:
    return [region.label for region in found(*rows)]


def test_two_sorts_of_heading_around_one_line_are_one_and_it_is_not_lost() -> None:
    one, other = (50, 50, 450, 90), (50, 50, 448, 90)
    assert labels(("doc_title", 0.6, one), ("paragraph_title", 0.9, other)) == ["paragraph_title"]
    assert labels(("paragraph_title", 0.5, one), ("doc_title", 0.9, other)) == ["doc_title"]


def test_boxes_of_one_label_over_each_other_are_one() -> None:
    assert labels(("image", 0.6, (0, 0, 100, 100)), ("image", 0.9, (5, 5, 105, 105))) == ["image"]


def test_what_lies_in_a_chart_belongs_to_it_and_what_lies_in_an_image_does_not() -> None:
    inner = ("figure_title", 0.9, (20, 20, 100, 40))
    assert labels(("chart", 0.8, (0, 0, 300, 300)), inner) == ["chart"]
    assert labels(("image", 0.8, (0, 0, 300, 300)), inner) == ["image", "figure_title"]


def test_a_picture_of_the_whole_page_gives_way_to_what_is_on_it_unless_it_is_all_there_is() -> None:
    page = ("image", 0.9, (0, 0, WIDTH, HEIGHT))
    assert labels(page, ("text", 0.9, (20, 20, 500, 90))) == ["text"]
    assert labels(page) == ["image"]


def test_what_is_unsure_or_off_the_page_is_dropped() -> None:
    assert labels(("text", 0.29, (0, 0, 90, 90)), ("text", 0.9, (700, 0, 790, 90))) == []
    assert [region.bbox for region in found(("text", 0.9, (-5, -5, 90, 900)))] == [(0, 0, 90, HEIGHT)]


def test_a_mask_that_fills_its_box_needs_no_outline() -> None:
    [region] = found(("text", 0.9, (0, 0, 300, 400)), masks=np.ones((1, 200, 200), dtype=np.int32))
    assert region.polygon is None


def test_a_tilted_mask_has_a_tilted_outline() -> None:
    place = np.arange(200)
    masks = (np.abs(place[:, None] * 4 - place[None, :] * 3) < 40).astype(np.int32)[None]
    [region] = found(("text", 0.9, (0, 0, 600, 800)), masks=masks)
    assert region.polygon is not None
    assert not any(x > 450 and y < 300 for x, y in region.polygon)


@pytest.mark.parametrize("columns", [7, 8])
@settings(deadline=None)
@given(data=st.data())
def test_nothing_raises_and_all_is_on_the_page(columns: int, data: st.DataObject) -> None:
    values = st.floats(-100, 1000, width=32) | st.just(float("nan")) | st.floats(0, 24, width=32)
    rows = data.draw(arrays.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(columns)), elements=values))
    masks = data.draw(st.sampled_from([None, np.ones((len(rows), 200, 200)), np.eye(200)[None].repeat(len(rows), 0)]))
    for region in regions_of(rows, None if masks is None else masks.astype(np.int32), WIDTH, HEIGHT):
        x1, y1, x2, y2 = region.bbox
        assert 0 <= x1 < x2 <= WIDTH
        assert 0 <= y1 < y2 <= HEIGHT
