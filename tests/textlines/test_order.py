"""Reading order as a person would read these pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.geometry import Box
from textlines.order import reading_order


def names_in_order(page: dict[str, Box]) -> list[str]:
    names = list(page)
    return [names[i] for i in reading_order(list(page.values()))]


def test_left_column_is_read_before_the_right_one() -> None:
    page: dict[str, Box] = {
        "right bottom": (520, 500, 900, 900),
        "left bottom": (50, 460, 480, 900),
        "right top": (520, 100, 900, 480),
        "left top": (50, 100, 480, 440),
    }
    assert names_in_order(page) == ["left top", "left bottom", "right top", "right bottom"]


def test_a_title_over_both_columns_comes_first_and_a_wide_figure_parts_the_columns() -> None:
    page: dict[str, Box] = {
        "right lower": (520, 700, 900, 900),
        "left lower": (50, 700, 480, 900),
        "wide figure": (50, 450, 900, 650),
        "right upper": (520, 150, 900, 430),
        "left upper": (50, 150, 480, 430),
        "title": (100, 50, 850, 100),
    }
    assert names_in_order(page) == [
        "title", "left upper", "right upper", "wide figure", "left lower", "right lower",
    ]  # fmt: skip


def test_headings_share_the_column_of_the_text_under_them() -> None:
    page: dict[str, Box] = {
        "text": (100, 300, 900, 600), "heading on the left": (100, 240, 300, 270),
        "subtitle in the middle": (420, 160, 640, 180), "title in the middle": (380, 100, 700, 140),
    }  # fmt: skip
    assert names_in_order(page) == [
        "title in the middle", "subtitle in the middle", "heading on the left", "text",
    ]  # fmt: skip


def test_a_heading_in_the_right_column_waits_for_the_left_one() -> None:
    page: dict[str, Box] = {
        "title": (300, 40, 700, 80), "abstract": (60, 100, 940, 200), "left": (60, 230, 480, 900),
        "right heading": (520, 230, 640, 250), "right": (520, 270, 940, 900),
    }  # fmt: skip
    assert names_in_order(page) == ["title", "abstract", "left", "right heading", "right"]


def test_articles_side_by_side_are_read_one_by_one() -> None:
    """On the left a picture over a box of two columns, on the right two articles, each under a short heading."""
    page: dict[str, Box] = {
        "right: first heading": (510, 100, 640, 125), "right: first, left": (510, 130, 700, 400),
        "right: first, right": (710, 130, 900, 380), "right: second heading": (510, 410, 680, 435),
        "right: second, left": (510, 440, 700, 700), "right: second, right": (710, 440, 900, 690),
        "picture": (50, 100, 495, 430), "caption": (50, 435, 300, 455), "box heading": (60, 470, 200, 495),
        "box left": (60, 500, 270, 720), "box right": (280, 500, 490, 730),
    }  # fmt: skip
    assert names_in_order(page) == [
        "picture", "caption", "box heading", "box left", "box right",
        "right: first heading", "right: first, left", "right: first, right",
        "right: second heading", "right: second, left", "right: second, right",
    ]  # fmt: skip


def test_a_letterhead_comes_before_the_recipient() -> None:
    page: dict[str, Box] = {
        "recipient": (100, 250, 260, 340), "name": (100, 80, 490, 130), "address": (920, 75, 1140, 180),
        "date": (890, 380, 1140, 410), "letter": (100, 500, 1130, 1100),
    }  # fmt: skip
    assert names_in_order(page) == ["name", "address", "recipient", "date", "letter"]


def test_a_name_over_the_page_comes_first() -> None:
    """Nothing below it is as wide, and no column begins right under it."""
    page: dict[str, Box] = {
        "headline": (50, 170, 370, 230), "text": (50, 280, 320, 700), "name": (480, 40, 750, 120),
        "brief": (910, 170, 1190, 690), "second": (335, 280, 615, 700),
    }  # fmt: skip
    assert names_in_order(page)[0] == "name"


def test_columns_that_end_early_are_no_letterhead() -> None:
    """The left one goes on right below."""
    page: dict[str, Box] = {
        "left": (50, 50, 480, 130), "left, next": (50, 140, 480, 900), "right": (520, 50, 940, 130),
        "right, next": (520, 140, 940, 880),
    }  # fmt: skip
    assert names_in_order(page) == ["left", "left, next", "right", "right, next"]


def test_columns_whose_boxes_touch_are_still_columns() -> None:
    page: dict[str, Box] = {"right": (470, 100, 900, 480), "left low": (50, 300, 480, 480), "left": (50, 100, 480, 290)}
    assert names_in_order(page) == ["left", "left low", "right"]


def test_three_columns_of_unequal_length() -> None:
    page: dict[str, Box] = {
        "c": (700, 100, 1000, 300), "b": (360, 100, 660, 900), "a2": (20, 550, 320, 900), "a1": (20, 100, 320, 500),
    }  # fmt: skip
    assert names_in_order(page) == ["a1", "a2", "b", "c"]


boxes = st.tuples(
    st.integers(0, 900), st.integers(0, 900), st.integers(1, 300), st.integers(1, 300)
).map(lambda t: (t[0], t[1], t[0] + t[2], t[1] + t[3]))  # fmt: skip


@given(st.lists(boxes, max_size=25))
def test_every_box_is_read_exactly_once(page: list[Box]) -> None:
    assert sorted(reading_order(page)) == list(range(len(page)))


def test_an_article_ends_before_the_next_one_whose_heading_crosses_its_columns() -> None:
    page: dict[str, Box] = {
        "a1": (60, 100, 280, 500), "a2": (300, 100, 520, 500), "a3": (540, 100, 760, 380), "a4": (780, 100, 1000, 500),
        "heading": (60, 540, 420, 580),
        "b1": (60, 600, 280, 900), "b2": (300, 600, 520, 900), "b3": (540, 600, 760, 900), "b4": (780, 600, 1000, 900),
    }  # fmt: skip
    assert names_in_order(dict(reversed(page.items()))) == list(page)


def test_formulas_with_numbers_do_not_end_a_column() -> None:
    page: dict[str, Box] = {
        "left": (60, 100, 480, 300), "formula": (200, 320, 330, 360), "number": (440, 325, 480, 355),
        "left below": (60, 380, 480, 700), "right": (520, 100, 940, 310), "right below": (520, 330, 940, 700),
    }  # fmt: skip
    assert names_in_order(page) == list(page)


def test_articles_side_by_side_are_read_one_after_the_other() -> None:
    """Each has a heading over two columns of its own, all level with one another."""
    headings = [(0, 0, 400, 40), (500, 0, 900, 40)]
    columns = [(left, 60, left + 190, 400) for left in (0, 210, 500, 710)]
    boxes = [*headings, *columns]
    assert reading_order(boxes) == [0, 2, 3, 1, 4, 5]
