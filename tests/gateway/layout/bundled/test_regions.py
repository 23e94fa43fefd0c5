"""Regions out of detections and lines: what is said about a page, and that nothing on it is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.geometry import union
from gateway.layout.base import Detection
from gateway.layout.bundled.regions import build_regions
from gateway.model import BBox, Region

WIDTH, HEIGHT = 1000, 1400


def compose(detections: list[Detection], lines: list[BBox]) -> list[Region]:
    return build_regions(detections, lines, WIDTH, HEIGHT)


def lines_of(x1: int, x2: int, top: int, count: int) -> list[BBox]:
    return [(x1, top + i * 30, x2, top + i * 30 + 22) for i in range(count)]


def cells(top: int) -> list[BBox]:
    return [(x, top + i * 40, x + 90, top + i * 40 + 22) for i in range(5) for x in (100, 350, 600)]


def test_missed_lines_become_regions() -> None:
    found = Detection("text", 0.9, (80, 100, 900, 330))
    regions = compose([found], lines_of(90, 890, 110, 7) + lines_of(90, 890, 500, 4))
    assert [(region.label, region.order) for region in regions] == [("text", 1), ("text", 2)]
    missed = regions[1]
    assert missed.score is None
    assert missed.bbox[1] <= 500
    assert missed.bbox[3] >= 612


def test_prose_picture_is_text() -> None:
    regions = compose([Detection("image", 0.77, (50, 80, 950, 700))], lines_of(80, 920, 100, 18))
    assert [region.label for region in regions] == ["text"]


def test_labelled_chart_stays_picture() -> None:
    labels: list[BBox] = [(110, 150 + i * 60, 160, 170 + i * 60) for i in range(7)]
    regions = compose([Detection("image", 0.8, (100, 120, 900, 640))], labels)
    assert [region.label for region in regions] == ["image"]


def test_prose_columns_are_no_table() -> None:
    columns = lines_of(60, 330, 100, 20) + lines_of(345, 640, 100, 20) + lines_of(655, 940, 100, 20)
    regions = compose([Detection("table", 0.96, (50, 90, 950, 720))], columns)
    assert [region.label for region in regions] == ["text"] * 3
    assert [region.bbox[0] < 60 + 300 * i for i, region in enumerate(regions)] == [True] * 3


def test_table_stays_in_one_piece() -> None:
    regions = compose([Detection("table", 0.9, (80, 90, 720, 310))], cells(100))
    assert [region.label for region in regions] == ["table"]


def test_row_labels_join_table() -> None:
    values: list[BBox] = [(x, 100 + i * 40, x + 90, 122 + i * 40) for i in range(5) for x in (450, 650)]
    labels: list[BBox] = [(100, 100 + i * 40, 350, 122 + i * 40) for i in range(5)]
    regions = compose([Detection("table", 0.9, (440, 90, 760, 310))], values + labels)
    assert [region.label for region in regions] == ["table"]
    assert regions[0].bbox[0] <= 100


def test_prose_beside_table_stays() -> None:
    values: list[BBox] = [(x, 100 + i * 40, x + 90, 122 + i * 40) for i in range(8) for x in (550, 750)]
    regions = compose([Detection("table", 0.9, (540, 90, 860, 420))], values + lines_of(80, 480, 80, 12))
    assert sorted(region.label for region in regions) == ["table", "text"]


def test_header_amid_page_is_text() -> None:
    line: BBox = (100, 600, 500, 630)
    assert [r.label for r in compose([Detection("header", 0.7, (90, 590, 510, 640))], [line])] == ["text"]
    top: BBox = (100, 40, 500, 60)
    page = [top, *lines_of(100, 900, 200, 8)]
    assert [r.label for r in compose([Detection("header", 0.7, (90, 30, 510, 70))], page)] == ["header", "text"]


def test_header_below_title_is_text() -> None:
    """As in a table of contents that begins a page."""
    title: BBox = (60, 20, 300, 80)
    entries: list[BBox] = [(60, 90, 160, 115), (900, 90, 925, 115)]
    found = [Detection("paragraph_title", 0.9, (50, 15, 310, 85))]
    found += [Detection("header", 0.8, (x1 - 5, y1 - 5, x2 + 5, y2 + 5)) for x1, y1, x2, y2 in entries]
    assert "header" not in [region.label for region in compose(found, [title, *entries])]


def test_large_header_is_heading() -> None:
    banner = Detection("header", 0.8, (50, 20, 900, 110))
    regions = compose([banner], [(60, 30, 880, 100), *lines_of(60, 900, 200, 8)])
    assert [region.label for region in regions] == ["doc_title", "text"]


def test_only_line_of_a_page_is_text() -> None:
    for label in ("header", "footer"):
        line: BBox = (100, 40, 600, 70) if label == "header" else (100, 1350, 600, 1380)
        assert [r.label for r in compose([Detection(label, 0.9, line)], [line])] == ["text"]


def test_title_at_the_top_is_no_running_head() -> None:
    title: BBox = (100, 60, 700, 88)
    regions = compose([Detection("header", 0.95, (90, 55, 710, 92))], [title, *lines_of(100, 900, 150, 12)])
    assert [region.label for region in regions] == ["paragraph_title", "text"]


def test_running_heads_look_like_such() -> None:
    body = lines_of(100, 900, 160, 12)
    heads: list[list[BBox]] = [
        [(100, 40, 500, 58)],  # small print
        [(100, 40, 400, 66), (840, 40, 900, 66)],  # a title and a number in one row
        [(100, 40, 150, 64)],  # a number
    ]
    for lines in heads:
        x1, x2 = min(line[0] for line in lines), max(line[2] for line in lines)
        regions = compose([Detection("header", 0.9, (x1 - 5, 35, x2 + 5, 70))], [*lines, *body])
        assert [region.label for region in regions] == [*["header"] * len(lines), "text"]


def test_text_of_a_picture_that_is_the_page_is_read_beside_it() -> None:
    texts: list[BBox] = [(200, 200, 400, 230), (600, 500, 640, 530), (200, 900, 700, 930)]
    regions = compose([Detection("image", 0.9, (0, 0, 1000, 1200))], texts)
    assert sorted(region.label for region in regions) == ["image", "text", "text", "text"]


def test_words_in_a_small_picture_are_read_and_numbers_of_a_chart_are_not() -> None:
    words: BBox = (150, 200, 350, 222)
    numbers: list[BBox] = [(110 + at * 60, 350, 140 + at * 60, 372) for at in range(4)]
    regions = compose([Detection("image", 0.8, (100, 120, 400, 400))], [words, *numbers])
    assert sorted(region.label for region in regions) == ["image", "text"]
    text = next(region for region in regions if region.label == "text")
    assert text.bbox[3] < 300


def test_short_labels_of_a_picture_are_read() -> None:
    """Names below icons, fields of a card: hardly any is as long as a line of text, and none as short as a tick."""
    labels: list[BBox] = [
        (120 + 100 * at, 350 + 30 * row, 180 + 100 * at, 372 + 30 * row) for at in range(3) for row in (0, 1)
    ]
    regions = compose([Detection("image", 0.8, (100, 120, 440, 430))], [(120, 200, 220, 222), *labels])
    texts = [region.bbox for region in regions if region.label == "text"]
    assert all(
        any(text[0] <= x1 and text[1] <= y1 and x2 <= text[2] and y2 <= text[3] for text in texts)
        for x1, y1, x2, y2 in labels
    )


def test_number_in_the_margin_is_the_page_s() -> None:
    regions = compose([], [*lines_of(100, 900, 200, 12), (880, 1340, 910, 1362)])
    assert [region.label for region in regions] == ["text", "number"]


def test_text_across_columns_splits() -> None:
    both = Detection("text", 0.9, (50, 90, 950, 420))
    regions = compose([both], lines_of(60, 470, 100, 10) + lines_of(530, 940, 100, 10))
    assert [region.bbox[0] < 500 for region in regions] == [True, False]


def test_shared_text_read_once() -> None:
    around = lines_of(60, 940, 100, 4) + lines_of(60, 400, 220, 4) + lines_of(60, 940, 340, 4)
    inset = lines_of(460, 940, 222, 3)
    regions = compose([], around + inset)
    for x1, y1, x2, y2 in around + inset:
        holders = [region for region in regions if _contains(region, ((x1 + x2) // 2, (y1 + y2) // 2))]
        assert len(holders) == 1


def test_lines_that_the_model_found_twice_stay_in_their_text() -> None:
    """A surer box in the middle of a text held two of its lines nearly whole, which were read after all others then, or
    not at all."""
    text = lines_of(100, 900, 200, 10)
    found = [Detection("text", 0.6, (120, text[2][1] - 5, 880, text[4][1] + 5)), Detection("text", 0.5, union(text))]
    (region,) = compose(found, text)
    assert region.bbox[1] <= text[0][1]
    assert region.bbox[3] >= text[-1][3]


def test_small_lines_in_the_box_of_a_heading_are_text() -> None:
    heading: list[BBox] = [(100, 100, 800, 150)]
    regions = compose([Detection("paragraph_title", 0.9, (90, 90, 820, 190))], heading + lines_of(100, 480, 165, 8))
    assert [region.label for region in regions] == ["doc_title", "text"]
    assert regions[1].bbox[1] <= 165


def test_large_first_rows_of_lines_without_detection_are_a_heading() -> None:
    heading: list[BBox] = [(100, 100, 420, 130)]
    regions = compose([], heading + lines_of(100, 480, 140, 8))
    assert [region.label for region in regions] == ["paragraph_title", "text"]


def test_largest_heading_is_title() -> None:
    detections = [
        Detection("paragraph_title", 0.9, (90, 90, 800, 150)),
        Detection("paragraph_title", 0.9, (90, 200, 500, 230)),
    ]
    lines: list[BBox] = [(100, 95, 790, 145), (100, 204, 490, 228), *lines_of(100, 900, 260, 8)]
    assert [region.label for region in compose(detections, lines)] == ["doc_title", "paragraph_title", "text"]


boxes = st.tuples(
    st.integers(0, WIDTH - 60), st.integers(0, HEIGHT - 60), st.integers(5, 500), st.integers(5, 60)
).map(lambda t: (t[0], t[1], min(WIDTH, t[0] + t[2]), min(HEIGHT, t[1] + t[3])))  # fmt: skip
labels = st.sampled_from(["text", "paragraph_title", "image", "table", "header", "footer", "display_formula"])
detections = st.builds(
    lambda label, score, box, grow: Detection(label, score, (box[0], box[1], box[2] + grow, box[3] + grow)),
    labels, st.floats(0.4, 1.0), boxes, st.integers(0, 500),
)  # fmt: skip


@settings(deadline=None)
@example([], [(0, 0, 40, 5)] * 4)
@given(st.lists(detections, max_size=8), st.lists(boxes, max_size=25))
def test_every_line_in_a_region(found: list[Detection], lines: list[BBox]) -> None:
    regions = compose(found, lines)
    assert [region.order for region in regions] == list(range(1, len(regions) + 1))
    for x1, y1, x2, y2 in lines:
        centre = ((x1 + x2) // 2, (y1 + y2) // 2)
        assert any(_contains(region, centre) for region in regions)
    for region in regions:
        x1, y1, x2, y2 = region.bbox
        assert 0 <= x1 < x2
        assert 0 <= y1 < y2
        assert x2 <= WIDTH
        assert y2 <= HEIGHT


def _contains(region: Region, point: tuple[int, int]) -> bool:
    x, y = point
    if region.polygon is None:
        x1, y1, x2, y2 = region.bbox
        return x1 <= x <= x2 and y1 <= y <= y2
    inside = False
    corners = region.polygon
    for (ax, ay), (bx, by) in zip(corners, (*corners[1:], corners[0]), strict=True):
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def test_numbered_listing_is_one_text() -> None:
    """Models cut listings where lines are blank; numbers go on there."""
    numbers = [(60, 100 + i * 30, 84, 122 + i * 30) for i in range(12)]
    code = [(110 + 40 * (i % 3), 100 + i * 30, 300 + 70 * (i % 4), 122 + i * 30) for i in range(12) if i not in (4, 8)]
    found = [Detection("text", 0.6, (100, 90, 500, 215)), Detection("text", 0.5, (140, 240, 500, 340))]
    (region,) = compose(found, [*numbers, *code])
    assert (region.label, region.bbox[0] <= 60, region.bbox[3] >= 452) == ("text", True, True)


def test_indented_lines_below_each_other_are_one_text() -> None:
    """Prose that the model parts stays parted."""
    tops = [100 + i * 30 + 30 * (i > 4) for i in range(9)]
    code = [(100 + 40 * (i % 3), top, 300 + 60 * (i % 4), top + 22) for i, top in enumerate(tops)]
    found = [Detection("text", 0.6, (90, 90, 500, 255)), Detection("text", 0.9, (90, 270, 500, 410))]
    assert len(compose(found, list(code))) == 1
    prose = [(100, top, 490, bottom) for _, top, _, bottom in code]
    assert len(compose(found, prose)) == 2


def test_last_line_of_a_listing_is_of_it() -> None:
    """A bracket alone, which no detection holds."""
    ends = (300, 330, 460, 380, 310)
    listing: list[BBox] = [(100 + 40 * indent, 100 + 34 * row, ends[row], 124 + 34 * row)
                           for row, indent in enumerate((0, 1, 2, 2, 1))]  # fmt: skip
    regions = compose([Detection("text", 0.7, (90, 95, 470, 262))], [*listing, (100, 270, 112, 296)])
    assert [(region.label, region.bbox[3] >= 296) for region in regions] == [("text", True)]


def test_prose_below_a_listing_is_none_of_it() -> None:
    listing: list[BBox] = [(120 + 40 * indent, 100 + 34 * row, (300, 330, 460, 380, 310)[row], 124 + 34 * row)
                           for row, indent in enumerate((0, 1, 2, 2, 1))]  # fmt: skip
    below: list[BBox] = [(120, 300, 900, 324), (120, 334, 700, 358)]
    found = [Detection("text", 0.7, (110, 95, 470, 262)), Detection("text", 0.8, (110, 296, 905, 360))]
    assert len(compose(found, [*listing, *below])) == 2


def test_paragraph_that_the_model_cut_is_one_text() -> None:
    """Its upper row is full; behind one that ends early, or wider space, another paragraph begins."""
    first: list[BBox] = [(80, 100, 900, 126), (80, 131, 500, 157)]
    assert len(compose([Detection("text", 0.7, (75, 98, 905, 130))], first)) == 1
    assert len(compose([Detection("text", 0.7, (75, 98, 505, 130))], [(80, 100, 500, 126), (80, 131, 900, 157)])) == 2
    assert len(compose([Detection("text", 0.7, (75, 98, 905, 130))], [(80, 100, 900, 126), (80, 150, 500, 176)])) == 2


def test_small_lines_at_the_edges_of_a_cover_are_text() -> None:
    lines: list[BBox] = [(100, 60, 420, 86), (100, 400, 860, 490), (100, 510, 500, 600), (100, 1320, 500, 1346)]
    found = [
        Detection("header", 0.8, (95, 55, 425, 90)),
        Detection("paragraph_title", 0.9, (90, 395, 870, 605)),
        Detection("footer", 0.8, (95, 1315, 505, 1350)),
    ]
    assert [region.label for region in compose(found, lines)] == ["text", "doc_title", "text"]


def test_pages_far_behind_the_entries_of_contents() -> None:
    titles: list[BBox] = [(100, 100 + i * 50, 300 + 40 * (i % 3), 122 + i * 50) for i in range(5)]
    pages: list[BBox] = [(870, 100 + i * 50, 900, 122 + i * 50) for i in range(5)]
    (region,) = compose([Detection("text", 0.7, (95, 95, 400, 330))], [*titles, *pages])
    assert region.bbox[2] >= 900


def test_first_line_of_a_screen_is_no_running_head() -> None:
    """On a page with a smaller picture it is one."""
    lines: list[BBox] = [(40, 20, 180, 36), *lines_of(100, 300, 300, 3)]
    head = Detection("header", 0.8, (30, 15, 190, 40))
    screen = compose([head, Detection("image", 0.8, (0, 100, 1000, 1400))], lines)
    assert "header" not in [region.label for region in screen]
    paper = compose([head, Detection("image", 0.8, (0, 250, 400, 500))], lines)
    assert "header" in [region.label for region in paper]


def rows_at(x1: int, widths: list[int]) -> list[BBox]:
    return [(x1, 100 + i * 30, x1 + width, 120 + i * 30) for i, width in enumerate(widths)]


NAMES = [150, 110, 130, 90, 140], [120, 150, 100, 140, 90]
NUMBERS = [20] * 5


@pytest.mark.parametrize("names", [*NAMES, [150] * 5], ids=["ragged", "other", "even"])
@pytest.mark.parametrize("is_found", [True, False])
def test_numbered_lists_in_two_columns(names: list[int], *, is_found: bool) -> None:
    left = [*rows_at(100, NUMBERS), *rows_at(150, names)]
    right = [*rows_at(500, NUMBERS), *rows_at(550, NAMES[1])]
    found = [Detection("text", 0.8, (95, 95, 305, 245)), Detection("text", 0.8, (495, 95, 705, 245))]
    regions = compose(found if is_found else [], [*left, *right])
    assert [region.label for region in regions] == ["text", "text"]
    assert regions[0].bbox[2] < 400 < regions[1].bbox[0]
    assert regions[0].bbox[0] <= 100


@pytest.mark.parametrize("columns", [2, 3])
def test_prices_in_columns_stay_with_their_names(columns: int) -> None:
    """They stand nearer to the next column's names than to their own."""
    lines: list[BBox] = []
    for at in range(columns):
        lines += [*rows_at(60 + 320 * at, NAMES[at % 2]), *rows_at(280 + 320 * at, [40] * 5)]
    regions = compose([], lines)
    assert [(region.bbox[0] + 9) // 320 * 320 for region in regions] == [320 * at for at in range(columns)]
    assert [region.bbox[2] >= 320 + 320 * at for at, region in enumerate(regions)] == [True] * columns


def test_choices_below_two_columns_stay_in_them() -> None:
    """No detection holds the choices of the questions, which stand level with one another."""
    left, right = lines_of(60, 460, 100, 4), lines_of(520, 920, 100, 4)
    found = [Detection("text", 0.9, (50, 90, 470, 220)), Detection("text", 0.9, (510, 90, 930, 220))]
    choices: list[BBox] = [(x, y, x + 60, y + 22) for y in (260, 300) for x in (90, 290, 550, 750)]
    regions = compose(found, [*left, *right, *choices])
    assert [region.bbox[0] > 480 for region in regions] == [False, False, True, True]


def test_choices_below_a_column_that_no_detection_holds() -> None:
    left, right = lines_of(60, 460, 100, 4), lines_of(520, 920, 100, 4)
    choices: list[BBox] = [(x, y, x + 60, y + 22) for y in (260, 300) for x in (90, 290, 550, 750)]
    regions = compose([Detection("text", 0.9, (50, 90, 470, 220))], [*left, *right, *choices])
    assert [region.bbox[0] > 480 for region in regions] == [False, False, True, True]


def test_foot_of_a_page_in_columns_is_read_last() -> None:
    columns = lines_of(60, 460, 100, 38) + lines_of(520, 920, 100, 38)
    foot = (60, 1310, 300, 1332)
    regions = compose([], [*columns, foot])
    assert [region.bbox[0] > 480 for region in regions] == [False, True, False]
    assert regions[-1].bbox[1] > 1290


def test_feet_below_each_other_are_read_by_rows() -> None:
    feet: list[BBox] = [(60, 1350, 300, 1372), (620, 1310, 920, 1332), (60, 1310, 300, 1332)]
    regions = compose([], [*lines_of(60, 920, 100, 38), *feet])
    assert [(region.bbox[0] > 480, region.bbox[1] > 1335) for region in regions[-3:]] == [
        (False, False), (True, False), (False, True)
    ]  # fmt: skip


def test_choices_of_three_questions_stay_in_their_columns() -> None:
    lefts = (40, 360, 680)
    texts = [line for left in lefts for line in lines_of(left, left + 280, 100, 4)]
    choices: list[BBox] = [
        (left + x, y, left + x + 50, y + 22) for y in (260, 300) for left in lefts for x in (20, 160)
    ]
    regions = compose([], [*texts, *choices])
    assert [region.bbox[0] // 320 for region in regions] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_picture_in_a_typed_page_stays() -> None:
    rows = lines_of(90, 800, 100, 8) + lines_of(90, 450, 340, 6) + lines_of(90, 800, 520, 8)
    photo = Detection("image", 0.9, (500, 340, 800, 510))
    listing = Detection("algorithm", 1.0, (85, 95, 805, 760))
    assert sorted(region.label for region in compose([photo, listing], rows)) == ["algorithm", "image"]
    mistaken = Detection("image", 0.9, (90, 340, 450, 510))
    assert [region.label for region in compose([mistaken, listing], rows)] == ["algorithm"]


def test_text_beside_a_table_that_goes_on_from_above_is_none_of_it() -> None:
    """The model's box of the table reaches over the end of the sidebar, whose rows have a pitch of their own."""
    sidebar: list[BBox] = [(60, 300 + i * 27, 280 - 20 * (i % 3), 322 + i * 27) for i in range(24)]
    numbers: list[BBox] = [(x, 800 + i * 40, x + 90, 822 + i * 40) for i in range(5) for x in (350, 550, 750)]
    regions = compose([Detection("table", 0.9, (50, 790, 900, 990))], sidebar + numbers)
    (table,) = [region for region in regions if region.label == "table"]
    assert 280 < table.bbox[0] <= 350


def test_sidebar_nearly_level_with_the_close_rows_of_a_table_is_none_of_it() -> None:
    sidebar: list[BBox] = [(60, 803 + i * 41, 280 - 20 * (i % 3), 843 + i * 41) for i in range(-12, 5)]
    columns = ((350, -3), (550, 0), (750, 3))
    numbers: list[BBox] = [(x, 800 + i * 34 + y, x + 90, 840 + i * 34 + y) for i in range(6) for x, y in columns]
    regions = compose([Detection("table", 0.9, (50, 795, 900, 1015))], sidebar + numbers)
    (table,) = [region for region in regions if region.label == "table"]
    assert 280 < table.bbox[0] <= 350


def test_items_of_an_invoice_with_wrapped_descriptions_stay_one_table() -> None:
    """Names of the columns stand close above, outside of the model's box; prices beside the middle of descriptions."""
    address = lines_of(100, 400, 200, 6)
    names: list[BBox] = [(x, 388, x + 110, 410) for x in (100, 700, 850)]
    items: list[BBox] = []
    for top, count in ((420, 3), (520, 3), (620, 1)):
        items += [(180, top + 30 * i, 640 - 40 * i, top + 30 * i + 22) for i in range(count)]
        middle = top + 15 * (count - 1)
        items += [(x, middle, x + width, middle + 22) for x, width in ((100, 30), (720, 100), (870, 90))]
    regions = compose([Detection("table", 0.9, (95, 415, 970, 650))], address + names + items)
    (table,) = [region for region in regions if region.label == "table"]
    assert table.bbox[0] <= 100
    assert table.bbox[2] >= 960


def test_a_first_row_whose_box_is_higher_is_no_heading_if_it_fills_its_column() -> None:
    """Boxes in noisy scans are; a heading is shorter."""
    rest = lines_of(100, 500, 240, 12)
    for first, labels in (
        ((100, 200, 500, 230), ["text"]),
        ((100, 200, 300, 230), ["paragraph_title", "text"]),
    ):
        assert [region.label for region in compose([], [first, *rest])] == labels


@pytest.mark.parametrize("is_found", [False, True])
def test_first_column_below_a_caption_stays_with_its_table(*, is_found: bool) -> None:
    caption: list[BBox] = [(60, 740, 240, 762), (60, 770, 200, 792)]
    numbers: list[BBox] = [(x, 830 + i * 40, x + 90, 852 + i * 40) for i in range(5) for x in (60, 350, 550, 750)]
    left = 50 if is_found else 340
    regions = compose([Detection("table", 0.9, (left, 820, 900, 1020))], caption + numbers)
    (table,) = [region for region in regions if region.label == "table"]
    assert table.bbox[0] <= 60


def test_columns_of_several_articles_are_parted_at_their_headings() -> None:
    """The model has taken all four columns for one text."""
    left = [*lines_of(60, 440, 110, 5), (60, 290, 300, 320), *lines_of(60, 440, 330, 5)]
    right = [*lines_of(470, 850, 110, 5), (470, 290, 700, 320), *lines_of(470, 850, 330, 5)]
    regions = compose([Detection("text", 0.8, (50, 100, 900, 520))], left + right)
    assert [region.label for region in regions] == ["text", "paragraph_title", "text"] * 2


def test_short_end_of_a_column_is_no_piece_of_the_next_one() -> None:
    """Two rows stand alone beside many: the white space between goes on far above."""
    left, right = lines_of(60, 440, 110, 20), lines_of(460, 840, 110, 8)
    right += lines_of(460, 840, 650, 2)
    regions = compose([Detection("text", 0.8, (50, 100, 900, 720))], left + right)
    assert all(region.bbox[2] <= 460 or region.bbox[0] >= 440 for region in regions)


def test_text_that_runs_down_the_margin_stands_beside_the_text() -> None:
    """An archive's stamp; within the text's columns, or on a page of a few rows, the same is text."""
    stamp, label, text = (20, 300, 50, 900), (500, 700, 530, 900), lines_of(120, 880, 100, 16)
    regions = {region.bbox[0] // 100: region.label for region in compose([], [stamp, label, *text])}
    assert regions == {0: "aside_text", 1: "text", 4: "text"}
    assert [region.label for region in compose([], [stamp, *text[:4]])] == ["text", "text"]


def test_first_row_of_an_address_is_no_heading() -> None:
    """The parties of a contract, side by side in one text of the model; one name has letters that reach up and down."""
    left, right = lines_of(60, 300, 110, 3), [(500, 104, 700, 134), *lines_of(500, 740, 140, 2)]
    regions = compose([Detection("text", 0.8, (50, 100, 900, 220))], left + right)
    assert [region.label for region in regions] == ["text", "text"]


def test_a_line_above_a_running_head_is_a_head_too() -> None:
    """A publisher's stamp over the head of a full page, which stands close to it."""
    stamp, left, right = (300, 10, 800, 32), (80, 34, 260, 54), (880, 34, 920, 54)
    heads = [
        Detection("header", 0.5, (290, 8, 810, 34)),
        Detection("header", 0.6, (76, 32, 264, 56)),
        Detection("header", 0.9, (876, 32, 924, 56)),
    ]
    regions = compose(heads, [stamp, left, right, *lines_of(80, 920, 120, 12)])
    assert [region.label for region in regions if region.bbox[1] < 100] == ["header"] * 3


def test_no_region_reaches_into_the_rows_of_the_next_one() -> None:
    """Loose boxes of a heading's rows and the text's overlap; each word lies in one region."""
    heading, text = (100, 300, 700, 346), [(100, 332 + 34 * row, 900, 376 + 34 * row) for row in range(5)]
    found = [Detection("paragraph_title", 0.9, (98, 308, 702, 338)), Detection("text", 0.9, (98, 340, 902, 510))]
    upper, lower = compose(found, [heading, *text])
    assert upper.bbox[3] <= lower.bbox[1] + 1
    assert heading[3] > upper.bbox[3] > text[0][1]
