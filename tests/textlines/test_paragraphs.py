"""Lines into paragraphs and rows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.geometry import Box
from tests.textlines.test_order import boxes
from textlines.paragraphs import find_initials, find_labelled, paragraphs, rows, split_paragraphs


def groups(lines: list[Box]) -> list[set[int]]:
    return sorted((set(group) for group in paragraphs(lines)), key=min)


def column(x1: int, x2: int, top: int, count: int, pitch: int = 30) -> list[Box]:
    return [(x1, top + i * pitch, x2, top + i * pitch + 20) for i in range(count)]


def test_a_narrow_gutter_keeps_two_columns_apart() -> None:
    lines = column(50, 300, 100, 6) + column(312, 560, 100, 6)
    assert groups(lines) == [set(range(6)), set(range(6, 12))]


def test_a_heading_over_two_columns_belongs_to_neither() -> None:
    lines = [(50, 70, 560, 90), *column(50, 290, 100, 4), *column(320, 560, 100, 4)]
    assert groups(lines) == [{0}, {1, 2, 3, 4}, {5, 6, 7, 8}]


def test_a_heading_in_the_reach_of_a_narrow_gutter_does_not_join_its_columns() -> None:
    heading: Box = (50, 70, 380, 92)
    left, right = column(50, 290, 100, 8), column(305, 545, 100, 8)
    found = groups([heading, *left, *right])
    assert not any(group & set(range(1, 9)) and group & set(range(9, 17)) for group in found)


def test_words_that_justified_print_has_torn_apart_are_a_column_too() -> None:
    """In most rows of the right one, whose first words are long."""
    left, right = column(50, 300, 100, 8), column(312, 560, 160, 2, pitch=90)
    torn = [(x1, top, x2, top + 20) for top in (100, 130, 190, 220) for x1, x2 in ((312, 420), (440, 480), (510, 560))]
    assert set(range(8)) in groups([*left, *right, *torn])


def test_white_space_between_paragraphs_parts_them() -> None:
    lines = column(50, 500, 100, 3) + column(50, 500, 230, 3)
    assert groups(lines) == [{0, 1, 2}, {3, 4, 5}]


def test_a_text_that_is_set_wide_throughout_is_one_paragraph() -> None:
    assert groups(column(50, 500, 100, 8, pitch=40)) == [set(range(8))]


def test_bullets_stay_with_their_text() -> None:
    bullets, texts = [(50, 100 + i * 30, 60, 120 + i * 30) for i in range(4)], column(75, 500, 100, 4)
    assert groups(bullets + texts) == [set(range(8))]


def test_large_print_is_not_joined_to_the_small_print_under_it() -> None:
    assert groups([(50, 50, 500, 100), (50, 110, 500, 130), (50, 140, 500, 160)]) == [{0}, {1, 2}]


def test_choices_that_stand_in_a_small_grid_are_read_row_by_row() -> None:
    grid = [(50, 100, 110, 120), (180, 100, 240, 120), (50, 130, 110, 150), (180, 130, 240, 150)]
    assert groups(grid) == [{0, 1, 2, 3}]
    assert rows(grid) == [[0, 1], [2, 3]]


def ragged(x: int, widths: list[int]) -> list[Box]:
    return [(x, 100 + 34 * row, x + width, 126 + 34 * row) for row, width in enumerate(widths)]


def test_two_addresses_side_by_side_are_read_one_after_the_other() -> None:
    """Unlike names with their values, which stand near to each other."""
    left, right = [90, 180, 120, 150, 110], [80, 170, 200, 140]
    addresses = groups([*ragged(50, left), *ragged(450, right)])
    assert addresses == [set(range(5)), set(range(5, 9))]
    assert groups([*ragged(50, left), *ragged(300, right)]) == [set(range(9))]
    figures = [60, 40, 60, 60, 50]
    assert groups([*ragged(50, left), *ragged(450, figures)]) == [set(range(10))]


def test_columns_of_digits_are_read_row_by_row() -> None:
    """However many they are, and as far apart as in a grid without rules."""
    grid = [(200 + 190 * x, 100 + 60 * y, 230 + 190 * x, 140 + 60 * y) for y in range(8) for x in range(5)]
    assert groups(grid) == [set(range(40))]


def test_a_skewed_row_is_one_row() -> None:
    line = [(i * 110, 100 + i * 3, i * 110 + 100, 120 + i * 3) for i in range(6)]
    below = [(i * 110, 130 + i * 3, i * 110 + 100, 150 + i * 3) for i in range(6)]
    assert rows(line + below) == [list(range(6)), list(range(6, 12))]


def test_running_text_is_parted_where_the_space_is_wider_than_usual() -> None:
    rows_of_text = [*column(50, 500, 100, 4, pitch=22), *column(50, 500, 202, 3, pitch=22)]
    assert split_paragraphs(rows_of_text) == [[0, 1, 2, 3], [4, 5, 6]]
    assert split_paragraphs(column(50, 500, 100, 7, pitch=40)) == [list(range(7))]


@given(st.lists(boxes, max_size=25))
def test_no_line_is_lost_or_doubled(page: list[Box]) -> None:
    assert sorted(i for group in paragraphs(page) for i in group) == list(range(len(page)))
    assert sorted(i for row in rows(page) for i in row) == list(range(len(page)))


def test_line_numbers_stay_with_their_listing() -> None:
    numbers = [(50, 100 + i * 30, 75, 120 + i * 30) for i in range(6)]
    code = [(110 + 40 * (i % 3), 100 + i * 30, 300 + 50 * (i % 2), 120 + i * 30) for i in range(6)]
    assert groups(numbers + code) == [set(range(12))]


def test_line_numbers_in_the_margin_of_prose_stay_apart() -> None:
    numbers = [(50, 100 + i * 30, 75, 120 + i * 30) for i in range(6)]
    assert set(range(6)) in groups(numbers + column(120, 600, 100, 6))


def test_paragraphs_of_two_rows_are_parted() -> None:
    """As many gaps are wide as are narrow; the rows before the wide ones end early."""
    tops = [100, 150, 180, 230, 260, 310, 340]
    rights = [180, 500, 400, 490, 380, 500, 350]
    lines = [(50, top, right, top + 25) for top, right in zip(tops, rights, strict=True)]
    assert split_paragraphs(lines) == [[0], [1, 2], [3, 4], [5, 6]]


def test_initial_belongs_to_its_text() -> None:
    """A large figure beside a single row does not."""
    text = [*column(150, 600, 100, 3), *column(50, 600, 190, 4)]
    assert groups([(50, 98, 140, 186), *text]) == [set(range(8))]
    assert find_initials([(50, 98, 140, 186), *text]) == {0: 1}
    assert find_initials([(50, 98, 140, 186), (150, 130, 600, 150)]) == {}


def test_narrow_label_beside_a_paragraph_is_no_initial() -> None:
    """An I is narrow, too."""
    text = [*column(150, 600, 100, 3), *column(50, 600, 190, 4)]
    assert find_initials([(126, 98, 142, 186), *text]) == {}
    assert find_initials([(114, 98, 144, 186), *text]) == {0: 1}


def test_numbers_go_on_beside_blank_lines() -> None:
    numbers = [(50, 100 + i * 30, 75, 120 + i * 30) for i in range(8)]
    code = [(110 + 40 * (i % 3), 100 + i * 30, 300 + 50 * (i % 2), 120 + i * 30) for i in (0, 1, 2, 3, 6, 7)]
    assert groups(numbers + code) == [set(range(14))]
    assert find_labelled(numbers + code) == [list(range(14))]
    assert find_labelled(column(50, 600, 100, 8)) == []


def test_narrow_column_at_the_end_of_rows() -> None:
    """Beside prose it stays apart."""
    pages = [(870, 100 + i * 30, 900, 120 + i * 30) for i in range(6)]
    entries = [(50, 100 + i * 30, 200 + 60 * (i % 3), 120 + i * 30) for i in range(6)]
    assert groups(entries + pages) == [set(range(12))]
    assert len(groups(column(50, 600, 100, 6) + pages)) == 2


def test_narrow_columns_of_a_newspaper_stay_apart() -> None:
    """Choices as narrow as they are fewer, and are read row by row."""
    rows = [(left, 24 * row, left + 176, 24 * row + 22) for row in range(20) for left in (0, 185)]
    assert sorted(map(sorted, paragraphs(rows))) == [list(range(0, 40, 2)), list(range(1, 40, 2))]
    assert sorted(map(sorted, paragraphs([(x1, y1, x1 + 120, y2) for x1, y1, _, y2 in rows[:6]]))) == [list(range(6))]


def test_heading_over_narrow_gutter_joins_no_columns() -> None:
    """The white space between the columns is narrower than the heading is high, but goes on below."""
    heading = (10, 0, 300, 15)
    columns = [(left, 17 + 12 * row, left + 140, 28 + 12 * row) for left in (10, 158) for row in range(10)]
    assert sorted(map(sorted, paragraphs([heading, *columns]))) == [[0], list(range(1, 11)), list(range(11, 21))]
