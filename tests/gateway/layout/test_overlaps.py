"""Which regions are kept: none twice, none lost."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.labels import LABELS
from gateway.layout.overlaps import remove_overlaps
from gateway.model import BBox, Polygon, Region

SIDE = st.integers(0, 60)
CORNER = st.integers(0, 200)
BOX = st.tuples(CORNER, CORNER, SIDE, SIDE).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
POLYGON = st.none() | st.lists(st.tuples(CORNER, CORNER), max_size=6).map(tuple)
LABEL = st.sampled_from(sorted(LABELS))


def region(label: str, box: BBox, score: float = 0.9, polygon: Polygon | None = None) -> Region:
    return Region(label, box, 1, score, polygon)


def labels(*regions: Region) -> list[str]:
    return [kept.label for kept in remove_overlaps(regions)]


def test_separate_regions_keep_order() -> None:
    kept = remove_overlaps([region("text", (0, 200, 90, 290)), region("table", (0, 0, 90, 90))])
    assert [(one.label, one.order) for one in kept] == [("text", 1), ("table", 2)]


def test_bibliography_box_yields_to_entries() -> None:
    entries = [region("reference_content", (0, top, 200, top + 30)) for top in (0, 40)]
    assert labels(region("reference", (0, 0, 200, 70)), *entries) == ["reference_content"] * 2


@pytest.mark.parametrize(("width", "height", "kept"), [(5, 100, 0), (100, 5, 0), (6, 6, 1)])
def test_specks_and_rules_are_dropped(width: int, height: int, kept: int) -> None:
    assert len(remove_overlaps([region("text", (0, 0, width, height))])) == kept


def test_surer_heading_box_stays() -> None:
    titles = [region("doc_title", (10, 10, 410, 50), 0.6), region("paragraph_title", (10, 10, 408, 50), 0.8)]
    assert labels(*titles) == labels(*reversed(titles)) == ["paragraph_title"]


def test_nested_paragraph_read_once() -> None:
    kept = remove_overlaps([region("text", (20, 20, 100, 60), 0.99), region("text", (0, 0, 300, 90), 0.5)])
    assert [(one.bbox, one.order) for one in kept] == [((0, 0, 300, 90), 1)]


def test_dropped_box_rest_is_absorbed() -> None:
    [kept] = remove_overlaps([region("text", (0, 0, 300, 90)), region("text", (100, 60, 200, 100))])
    assert kept.bbox == (0, 0, 300, 100)


def test_inline_and_lone_formulas() -> None:
    paragraph = region("text", (0, 0, 300, 90))
    assert labels(region("inline_formula", (280, 10, 315, 30)), paragraph) == ["text"]
    assert labels(region("inline_formula", (290, 10, 325, 30)), paragraph) == ["inline_formula", "text"]


def test_overlapping_formulas_leave_one() -> None:
    formula = (10, 10, 60, 30)
    assert labels(region("inline_formula", formula, 0.5), region("inline_formula", formula, 0.9)) == ["inline_formula"]


@pytest.mark.parametrize("picture", ["image", "chart", "seal"])
@pytest.mark.parametrize("inner", ["text", "inline_formula", "table", "figure_title"])
def test_text_in_picture_is_read(picture: str, inner: str) -> None:
    assert labels(region(picture, (0, 0, 300, 300)), region(inner, (20, 20, 200, 90))) == [picture, inner]


def test_table_keeps_pictures_not_text() -> None:
    table = region("table", (0, 0, 300, 300))
    assert labels(table, region("image", (20, 20, 90, 90)), region("seal", (100, 20, 190, 90))) == [
        *("table", "image", "seal")
    ]
    assert labels(table, region("text", (20, 100, 200, 190))) == ["table"]


def test_interlocking_outlines_do_not_overlap() -> None:
    corner = ((0, 0), (200, 0), (200, 50), (50, 50), (50, 200), (0, 200))
    inner = (60, 60, 200, 200)
    assert len(remove_overlaps([region("text", (0, 0, 200, 200), polygon=corner), region("text", inner)])) == 2
    assert len(remove_overlaps([region("text", (0, 0, 200, 200)), region("text", inner)])) == 1


def test_dropped_region_drops_none() -> None:
    chain = [region("text", (0, top, 100, top + 100 - top // 5)) for top in (0, 20, 40, 60)]
    kept = remove_overlaps(chain)
    assert min(one.bbox[1] for one in kept) == 0
    assert max(one.bbox[3] for one in kept) == max(one.bbox[3] for one in chain)


@settings(deadline=None)
@given(st.lists(st.builds(region, LABEL, BOX, st.sampled_from([0.3, 0.9]), POLYGON), max_size=12))
def test_left_out_regions_are_covered(regions: list[Region]) -> None:
    kept = remove_overlaps(regions)
    assert [one.order for one in kept] == list(range(1, len(kept) + 1))
    for one in regions:
        x1, y1, x2, y2 = one.bbox
        if one.label != "reference" and min(x2 - x1, y2 - y1) >= 6:
            assert any(_common(one.bbox, other.bbox) > 0.5 * (x2 - x1) * (y2 - y1) for other in kept)


def _common(one: BBox, other: BBox) -> int:
    width, height = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(0, width) * max(0, height)
