"""Which paragraphs are read together, and how their crops are put on one canvas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.imaging.block_merging import merge_layout_blocks, stack_crops
from gateway.labels import LABELS
from gateway.model import BBox, Region
from gateway.reading_options import OcrOptions
from tests.support.fakes import blank

COLUMNS = ((0, 0, 200, 300), (210, 0, 410, 100))
SPLIT = ((0, 0, 400, 100), (0, 110, 200, 300))
BESIDE: tuple[str, BBox] = ("image", (210, 105, 400, 300))
BOX = st.tuples(*[st.integers(-10, 300)] * 4).map(lambda b: (b[0], b[1], b[0] + abs(b[2]), b[1] + abs(b[3])))


def groups(*parts: tuple[str, BBox], options: OcrOptions | None = None) -> list[int | None]:
    regions = [Region(label, box, at) for at, (label, box) in enumerate(parts, 1)]
    return [region.group for region in merge_layout_blocks(regions, options or OcrOptions())]


def texts(*boxes: BBox) -> list[tuple[str, BBox]]:
    return [("text", box) for box in boxes]


def test_a_paragraph_over_two_columns_is_one() -> None:
    assert groups(*texts(*COLUMNS)) == [1, 1]


@pytest.mark.parametrize(
    "second",
    [(270, 0, 470, 100), (210, 300, 410, 400), (0, 310, 200, 400)],
    ids=["far away", "below", "under it"],
)
def test_other_paragraphs_stay_apart(second: BBox) -> None:
    assert groups(("text", COLUMNS[0]), ("text", second)) == [None, None]


@pytest.mark.parametrize("label", ["paragraph_title", "table", "reference_content", "display_formula"])
def test_only_running_text_is_joined(label: str) -> None:
    assert groups(("text", COLUMNS[0]), (label, COLUMNS[1])) == [None, None]
    assert groups((label, COLUMNS[0]), ("text", COLUMNS[1])) == [None, None]


def test_a_heading_between_two_columns_keeps_them_apart_and_a_picture_does_not() -> None:
    first, second = texts(*COLUMNS)
    between = (210, 0, 410, 20)
    assert groups(first, ("paragraph_title", between), second) == [None] * 3
    assert groups(first, ("image", between), second) == [1, None, 1]


def test_text_that_flows_around_a_picture_is_one() -> None:
    assert groups(*texts(*SPLIT), BESIDE) == [1, 1, None]
    assert groups(BESIDE, *texts(*SPLIT)) == [None, 2, 2]


def test_without_a_picture_beside_it_a_narrow_paragraph_is_its_own() -> None:
    assert groups(*texts(*SPLIT)) == [None, None]
    assert groups(*texts(*SPLIT), BESIDE, options=OcrOptions(image_text=True)) == [None] * 3


def test_a_stack_three_times_higher_than_wide_is_read_in_parts() -> None:
    columns = [(at * 110, 0, at * 110 + 100, 149) for at in range(2)]
    assert groups(*texts(*columns)) == [1, 1]
    assert groups(*texts(*columns, (220, 0, 320, 149))) == [None] * 3


@given(st.lists(st.tuples(st.sampled_from([*sorted(LABELS), *["text"] * 10]), BOX), max_size=12))
def test_groups_hold_two_texts_or_more_and_begin_with_their_first(parts: list[tuple[str, BBox]]) -> None:
    found = groups(*parts)
    for group in set(found) - {None}:
        members = [at for at, value in enumerate(found, 1) if value == group]
        assert members[0] == group
        assert len(members) > 1
        assert {parts[at - 1][0] for at in members} == {"text"}


def test_columns_are_centred_on_white() -> None:
    canvas = stack_crops(COLUMNS, [blank(200, 30, 10), blank(100, 20, 20)])
    assert canvas.shape == (50, 200, 3)
    assert (canvas[:30] == 10).all()
    assert (canvas[30:, 50:150] == 20).all()
    assert (canvas[30:, :50] == 255).all()


@pytest.mark.parametrize(("below", "left"), [((0, 110, 200, 300), 0), ((200, 110, 400, 300), 200)])
def test_text_around_a_picture_keeps_its_edge(below: BBox, left: int) -> None:
    canvas = stack_crops([SPLIT[0], below], [blank(400, 10, 10), blank(200, 10, 20)])
    assert (canvas[10:, left : left + 200] == 20).all()


def test_a_wider_crop_moves_those_above_it() -> None:
    boxes = [(0, 0, 100, 50), (110, 0, 310, 50), (320, 0, 360, 50)]
    canvas = stack_crops(boxes, [blank(100, 5, 10), blank(200, 5, 20), blank(40, 5, 30)])
    assert (canvas[:5, 50:150] == 10).all()
    assert (canvas[5:10] == 20).all()
    assert (canvas[10:, 80:120] == 30).all()
