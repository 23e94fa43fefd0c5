"""What the PP-DocLayout models give to regions: what is dropped, and that nothing else is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gateway.layout.pp_doclayout.postprocess import LABELS, build_page_layout
from gateway.model import BBox, Region
from gateway.reading_options import LayoutOptions, MergeMode, ShapeMode

WIDTH, HEIGHT = 600, 800
AS_USUAL = LayoutOptions()
SHAPES: list[ShapeMode] = ["rect", "quad", "poly", "auto"]
MODES: list[MergeMode] = ["large", "small", "union"]


def found(
    *rows: tuple[str, float, BBox], masks: np.ndarray | None = None, options: LayoutOptions = AS_USUAL
) -> Sequence[Region]:
    values = [[LABELS.index(label), score, *box, at] for at, (label, score, box) in enumerate(rows)]
    boxes = np.array(values, dtype=np.float32).reshape(-1, 7)
    return build_page_layout(boxes, masks, (WIDTH, HEIGHT), options).detections


def labels(*rows: tuple[str, float, BBox], options: LayoutOptions = AS_USUAL) -> list[str]:
    return [region.label for region in found(*rows, options=options)]


def test_double_heading_kept_once() -> None:
    one, other = (50, 50, 450, 90), (50, 50, 448, 90)
    assert labels(("doc_title", 0.6, one), ("paragraph_title", 0.9, other)) == ["paragraph_title"]
    assert labels(("paragraph_title", 0.5, one), ("doc_title", 0.9, other)) == ["doc_title"]


def test_same_label_duplicates_merge() -> None:
    assert labels(("image", 0.6, (0, 0, 100, 100)), ("image", 0.9, (5, 5, 105, 105))) == ["image"]


def test_chart_owns_content_image_not() -> None:
    inner = ("figure_title", 0.9, (20, 20, 100, 40))
    assert labels(("chart", 0.8, (0, 0, 300, 300)), inner) == ["chart"]
    assert labels(("image", 0.8, (0, 0, 300, 300)), inner) == ["image", "figure_title"]


def test_page_picture_yields_to_content() -> None:
    page = ("image", 0.9, (0, 0, WIDTH, HEIGHT))
    assert labels(page, ("text", 0.9, (20, 20, 500, 90))) == ["text"]
    assert labels(page) == ["image"]


def test_unsure_or_outside_is_dropped() -> None:
    assert labels(("text", 0.29, (0, 0, 90, 90)), ("text", 0.9, (700, 0, 790, 90))) == []
    assert [region.bbox for region in found(("text", 0.9, (-5, -5, 90, 900)))] == [(0, 0, 90, HEIGHT)]


def test_full_mask_needs_no_outline() -> None:
    [region] = found(("text", 0.9, (0, 0, 300, 400)), masks=np.ones((1, 200, 200), dtype=np.int32))
    assert region.polygon is None


def test_tilted_mask_tilted_outline() -> None:
    place = np.arange(200)
    masks = (np.abs(place[:, None] * 4 - place[None, :] * 3) < 40).astype(np.int32)[None]
    [region] = found(("text", 0.9, (0, 0, 600, 800)), masks=masks)
    assert region.polygon is not None
    assert not any(x > 450 and y < 300 for x, y in region.polygon)


@pytest.mark.parametrize("label", LABELS)
def test_each_class_has_its_label(label: str) -> None:
    boxes = np.array([[LABELS.index(label), 0.9, 50, 60, 400, 300, 1]], dtype=np.float32)
    layout = build_page_layout(boxes, None, (WIDTH, HEIGHT), AS_USUAL)
    assert [region.label for region in layout.detections] == [label]
    assert len(layout.regions) == (0 if label == "reference" else 1)


def test_duplicate_seen_but_read_once() -> None:
    boxes = [[LABELS.index("text"), 0.9, 50, 60, 400, 300, 0], [LABELS.index("content"), 0.8, 50, 60, 400, 250, 1]]
    layout = build_page_layout(np.array(boxes, dtype=np.float32), None, (WIDTH, HEIGHT), AS_USUAL)
    assert [region.label for region in layout.detections] == ["text", "content"]
    assert [region.label for region in layout.regions] == ["text"]


SURE, UNSURE = ("text", 0.6, (0, 0, 90, 90)), ("table", 0.2, (0, 200, 90, 290))


@pytest.mark.parametrize(
    ("threshold", "left"),
    [
        (None, ["text"]),
        (0.1, ["text", "table"]),
        (0.7, []),
        ({"text": 0.7, "table": 0.1}, ["table"]),
        ({"image": 0.9}, ["text"]),
    ],
)
def test_thresholds_global_or_per_label(threshold: float | dict[str, float] | None, left: list[str]) -> None:
    assert labels(SURE, UNSURE, options=LayoutOptions(threshold=threshold)) == left


def test_nms_can_be_off() -> None:
    twins = ("image", 0.6, (0, 0, 100, 100)), ("image", 0.9, (2, 2, 102, 102))
    assert len(labels(*twins, options=LayoutOptions(nms=False))) == 2


OUTER, INNER = ("figure_title", 0.5, (0, 0, 300, 300)), ("text", 0.9, (20, 20, 200, 200))


@pytest.mark.parametrize(
    ("merge", "left"),
    [
        ("union", ["figure_title", "text"]),
        ("large", ["figure_title"]),
        ("small", ["text"]),
        ({"figure_title": "large"}, ["figure_title"]),
        ({"figure_title": "small", "text": "large"}, ["figure_title", "text"]),
        ({"text": "small"}, ["text"]),
    ],
)
def test_merge_mode_picks_box(merge: MergeMode | dict[str, MergeMode], left: list[str]) -> None:
    assert labels(OUTER, INNER, options=LayoutOptions(merge=merge)) == left


PAIR = ("doc_title", 0.6, (50, 50, 450, 90)), ("paragraph_title", 0.9, (50, 50, 440, 90))


@pytest.mark.parametrize(
    ("merge", "left"),
    [
        ("large", ["paragraph_title"]),
        (dict.fromkeys(("doc_title", "paragraph_title"), "large"), ["paragraph_title"]),
        (dict.fromkeys(("doc_title", "paragraph_title"), "small"), ["paragraph_title"]),
        ({"doc_title": "large"}, ["doc_title"]),
        ({"doc_title": "small"}, ["doc_title"]),
        ("small", ["doc_title", "paragraph_title"]),
    ],
)
def test_mutual_boxes_leave_one(merge: MergeMode | dict[str, MergeMode], left: list[str]) -> None:
    assert labels(*PAIR, options=LayoutOptions(merge=merge)) == left


def test_unclip_stays_on_page() -> None:
    boxes = ("text", 0.9, (100, 100, 200, 200)), ("table", 0.9, (400, 400, 600, 600))
    wider = found(*boxes, options=LayoutOptions(stretch=(2, 1)))
    assert [region.bbox for region in wider] == [(50, 100, 250, 200), (300, 400, 600, 600)]
    one = found(*boxes, options=LayoutOptions(stretch={"table": (0.5, 0.5)}))
    assert [region.bbox for region in one] == [(100, 100, 200, 200), (450, 450, 550, 550)]


@pytest.mark.parametrize(("shape", "corners"), [("rect", 0), ("quad", 4), ("poly", 6)])
def test_outlines_have_the_wished_shape(shape: ShapeMode, corners: int) -> None:
    """A mask like stairs, two steps of which are blunt enough to be kept."""
    masks = np.zeros((1, 200, 200), dtype=np.int32)
    masks[0, :100] = 1
    masks[0, 100:, :100] = 1
    [region] = found(("text", 0.9, (0, 0, 600, 800)), masks=masks, options=LayoutOptions(shape=shape))
    assert len(region.polygon or ()) == corners


def test_broken_boxes_do_not_raise() -> None:
    broken = [float("nan"), float("inf"), -float("inf"), 1e30, -1.0, 0.0]
    rows = [[at % 27 - 1, 0.9, *np.roll([*broken, 300.0, 500.0], at)[:4], at] for at in range(300)]
    layout = build_page_layout(np.array(rows, dtype=np.float32), None, (WIDTH, HEIGHT), AS_USUAL)
    assert all(0 <= region.bbox[0] < region.bbox[2] <= WIDTH for region in layout.detections)


@pytest.mark.parametrize("columns", [7, 8])
@settings(deadline=None)
@given(data=st.data())
def test_any_boxes_stay_on_page(columns: int, data: st.DataObject) -> None:
    values = st.floats(-100, 1000, width=32) | st.just(float("nan")) | st.floats(0, 24, width=32)
    rows = data.draw(arrays.arrays(np.float32, st.tuples(st.integers(0, 8), st.just(columns)), elements=values))
    masks = data.draw(st.sampled_from([None, np.ones((len(rows), 200, 200)), np.eye(200)[None].repeat(len(rows), 0)]))
    shape = data.draw(st.sampled_from(SHAPES))
    merge = data.draw(st.sampled_from(MODES) | st.dictionaries(st.sampled_from(LABELS), st.sampled_from(MODES)))
    factor = st.floats(0.01, 100)
    stretch = data.draw(st.none() | st.tuples(factor, factor))
    options = LayoutOptions(nms=data.draw(st.booleans()), stretch=stretch, merge=merge, shape=shape)
    layout = build_page_layout(rows, None if masks is None else masks.astype(np.int32), (WIDTH, HEIGHT), options)
    for region in (*layout.regions, *layout.detections):
        x1, y1, x2, y2 = region.bbox
        assert 0 <= x1 < x2 <= WIDTH
        assert 0 <= y1 < y2 <= HEIGHT
