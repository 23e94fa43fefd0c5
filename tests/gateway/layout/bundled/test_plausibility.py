"""Headings by their print and place."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gateway.layout.base import Detection
from gateway.layout.bundled.plausibility import correct_label, demote_prose, promote_heads, promote_large
from gateway.model import BBox, Pixels

PROSE: list[BBox] = [(100, 300 + 40 * row, 880, 330 + 40 * row) for row in range(4)]


def page(lines: list[BBox], widths: list[int]) -> Pixels:
    """Slanted strokes of a width stand for letters."""
    image = Image.new("RGB", (1000, 800), "white")
    for (x1, y1, x2, y2), width in zip(lines, widths, strict=True):
        for x in range(x1, x2 - 10, 18):
            ImageDraw.Draw(image).line((x, y1 + 4, x + 6, y2 - 4), fill="black", width=width)
    return np.asarray(image)


def label(own: list[BBox], width: int = 3) -> str:
    x1, y1, x2, y2 = own[0][0], own[0][1], max(line[2] for line in own), own[-1][3]
    found = Detection("paragraph_title", 0.8, (x1 - 4, y1 - 4, x2 + 4, y2 + 4))
    drawing = page([*own, *PROSE], [width] * len(own) + [3] * len(PROSE))
    return demote_prose([found], [*own, *PROSE], drawing)[0].label


@pytest.mark.parametrize(
    "own",
    [
        [(100, 200, 890, 230), (100, 240, 700, 270)],
        [(100, 200, 870, 230)],
        [(100, 200, 560, 230), (100, 240, 400, 270)],
    ],
    ids=["two lines", "one full line", "short measure"],
)
def test_lines_like_all_others_are_text(own: list[BBox]) -> None:
    assert label(own) == ("text" if max(line[2] for line in own) > 600 else "paragraph_title")


def test_large_lines_are_a_heading() -> None:
    assert label([(100, 180, 890, 220), (100, 232, 700, 272)]) == "paragraph_title"


def test_bold_lines_are_a_heading() -> None:
    assert label([(100, 200, 890, 230), (100, 240, 700, 270)], width=7) == "paragraph_title"


def test_centred_lines_are_a_heading() -> None:
    assert label([(150, 200, 830, 230), (200, 240, 780, 270)]) == "paragraph_title"


def test_short_line_is_a_heading() -> None:
    assert label([(100, 200, 400, 230)]) == "paragraph_title"


def test_page_of_a_heading_alone() -> None:
    found = Detection("paragraph_title", 0.8, (90, 190, 900, 240))
    lines: list[BBox] = [(100, 200, 890, 230)]
    assert demote_prose([found], lines, page(lines, [3])) == [found]


def test_page_of_prose_alone() -> None:
    """Two rows that are set like one another and nothing else are no heading."""
    lines: list[BBox] = [(100, 200, 890, 230), (100, 240, 860, 270)]
    found = Detection("paragraph_title", 0.9, (90, 190, 900, 280))
    assert [one.label for one in demote_prose([found], lines, page(lines, [3, 3]))] == ["text"]


def test_most_of_a_page_is_no_heading() -> None:
    """Of lines that all are taken for headings the bold ones stay such."""
    lines: list[BBox] = [(100, 100, 260, 130), (100, 160, 520, 190), (100, 260, 250, 290), (100, 320, 660, 350)]
    found = [Detection("paragraph_title", 0.8, (x1 - 4, y1 - 4, x2 + 4, y2 + 4)) for x1, y1, x2, y2 in lines]
    labels = [one.label for one in demote_prose(found, lines, page(lines, [6, 3, 6, 3]))]
    assert labels == ["paragraph_title", "text", "paragraph_title", "text"]


@pytest.mark.parametrize("count", [1, 2])
def test_cover_keeps_its_heading(count: int) -> None:
    """Its own rows are the longer half of the few lines."""
    title: list[BBox] = [(100, 200, 900, 260), (100, 270, 860, 330)][:count]
    lines: list[BBox] = [*title, (100, 380, 400, 405)]
    found = Detection("paragraph_title", 0.9, (90, 190, 910, 340))
    assert demote_prose([found], lines, page(lines, [5] * count + [3])) == [found]


def test_number_of_a_page_makes_no_heading_of_its_prose() -> None:
    lines: list[BBox] = [(100, 200, 890, 230), (100, 240, 860, 270), (480, 740, 520, 764)]
    found = Detection("paragraph_title", 0.9, (90, 190, 900, 280))
    assert [one.label for one in demote_prose([found], lines, page(lines, [3, 3, 3]))] == ["text"]


def test_lines_whose_boxes_are_loose_are_text() -> None:
    """A model took the first row of two for a heading; its box is a fifth higher, its letters are not."""
    printed: list[BBox] = [(100, 203, 890, 233), (100, 240, 600, 270)]
    lines: list[BBox] = [(100, 200, 890, 236), printed[1]]
    found = Detection("paragraph_title", 0.5, (90, 196, 900, 238))
    assert [one.label for one in demote_prose([found], lines, page(printed, [3, 3]))] == ["text"]


@pytest.mark.parametrize(("height", "expected"), [(44, "paragraph_title"), (32, "text")])
def test_row_in_larger_print_is_a_heading(height: int, expected: str) -> None:
    """The model took it for text."""
    lines: list[BBox] = [(200, 200, 800, 200 + height), *PROSE]
    found = Detection("text", 0.7, (190, 190, 810, 210 + height))
    assert [one.label for one in promote_large([found], lines, page(lines, [3] * len(lines)))] == [expected]


def header_label(own: list[BBox], width: int = 3, rows: int = 4, number: BBox | None = None) -> str:
    text: list[BBox] = [(100, 300 + 40 * row, 880, 330 + 40 * row) for row in range(rows)]
    lines = [*own, *text, *([number] if number else [])]
    x1, y1, x2, y2 = own[0]
    drawing = page(lines, [width] * len(own) + [3] * (len(lines) - len(own)))
    return promote_heads([Detection("header", 0.8, (x1 - 4, y1 - 4, x2 + 4, y2 + 4))], lines, drawing)[0].label


WORD: BBox = (400, 40, 490, 70)
SENTENCE: BBox = (100, 40, 480, 70)


def test_titles_of_notices_are_no_running_heads() -> None:
    assert header_label([WORD]) == "paragraph_title"
    assert header_label([SENTENCE]) == "text"
    assert header_label([SENTENCE], width=7) == "paragraph_title"
    assert header_label([(790, 40, 880, 70)]) == "text"
    assert header_label([(100, 40, 480, 60)]) == "text"


def correct_header(own: BBox, others: list[BBox], titles: list[BBox]) -> str:
    x1, y1, x2, y2 = own
    page = [own, *others, *titles]
    return correct_label(Detection("header", 0.9, (x1 - 4, y1 - 4, x2 + 4, y2 + 4)), page, titles).label


FULL_PAGE: list[BBox] = [(100, 200 + row * 40, 900, 230 + row * 40) for row in range(20)]


def test_place_and_date_below_a_title_are_text() -> None:
    """A contract's. A page's number stands beside a running head as far apart, and is narrower."""
    title: BBox = (350, 50, 650, 80)
    place, date = (100, 100, 210, 130), (790, 100, 900, 130)
    assert correct_header(place, [date, *FULL_PAGE], [title]) == "text"
    number: BBox = (850, 100, 900, 130)
    assert correct_header(place, [number, *FULL_PAGE], []) == "header"


def test_date_below_a_newspapers_name_is_a_running_head() -> None:
    name: BBox = (250, 20, 750, 90)
    assert correct_header((100, 100, 300, 130), [(850, 100, 900, 130), *FULL_PAGE], [name]) == "header"


def test_issuer_close_above_a_larger_title_is_text() -> None:
    title, issuer = (300, 100, 700, 145), (400, 58, 600, 85)
    values: list[BBox] = [(500, 200 + row * 40, 700, 232 + row * 40) for row in range(20)]
    assert correct_header(issuer, values, [title]) == "text"
    assert correct_header((400, 10, 600, 37), values, [title]) == "header"


def test_title_of_a_column_is_no_running_head() -> None:
    """A contract's in two languages: a title on each side, and its text close below."""
    left: list[BBox] = [(80, 60, 440, 90), *((60, 92 + row * 36, 470, 122 + row * 36) for row in range(20))]
    right: list[BBox] = [(520, 92 + row * 36, 940, 122 + row * 36) for row in range(20)]
    assert correct_header((560, 60, 900, 90), left + right, []) == "text"
    assert correct_header((560, 20, 900, 50), [(80, 20, 120, 50), *left[1:], *right], []) == "header"


def test_bold_titles_above_full_pages_are_no_running_heads() -> None:
    assert header_label([WORD], width=7, rows=12) == "paragraph_title"


def test_places_dates_and_signatures_of_full_pages_are_text() -> None:
    """As large as the text, alone, aside or beside each other: nothing says that they are of each page."""
    body: list[BBox] = [(100, 300 + 40 * row, 880, 330 + 40 * row) for row in range(12)]
    for label, top in (("header", 40), ("footer", 1300)):
        for row in ([(100, 480)], [(600, 880)], [(100, 230), (640, 880)], [(100, 230)]):
            own: list[BBox] = [(left, top, right, top + 30) for left, right in row]
            for x1, y1, x2, y2 in own:
                found = Detection(label, 0.8, (x1 - 4, y1 - 4, x2 + 4, y2 + 4))
                lines = [*own, *body]
                assert promote_heads([found], lines, page(lines, [3] * len(lines)))[0].label == "text"


@pytest.mark.parametrize(
    ("own", "width", "number"),
    [
        ((100, 40, 150, 70), 3, None),
        ((100, 40, 400, 58), 3, None),
        (SENTENCE, 7, (850, 40, 880, 70)),
        (SENTENCE, 3, (60, 40, 90, 70)),
    ],
    ids=["number", "small", "beside a number", "beside a number in the margin"],
)
def test_running_heads_of_full_pages_stay(own: BBox, width: int, number: BBox | None) -> None:
    assert header_label([own], width, rows=12, number=number) == "header"
