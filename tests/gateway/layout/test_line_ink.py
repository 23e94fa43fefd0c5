"""Where lines stand in regions, and the ink that lines hold."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.layout.line_ink import find_region_lines, measure_lines
from gateway.model import BBox, PageLayout, Pixels, Region
from gateway.reading_options import OcrOptions
from gateway.tasks import task_for
from tests.support.script_pages import FONT
from textlines.glyphs import StrayInk

WORDS = ["The keeper of the lighthouse writes", "down each ship that passes before dawn", "and sends the list ashore."]
TOPS = [70, 120, 170]
AROUND: BBox = (60, 60, 800, 220)


def draw_page(paper: str = "white", print_: str = "black") -> Image.Image:
    page = Image.new("RGB", (900, 500), paper)
    font = ImageFont.truetype(str(FONT), 30)
    for top, words in zip(TOPS, WORDS, strict=True):
        ImageDraw.Draw(page).text((80, top), words, fill=print_, font=font)
    return page


def find(page: Image.Image, label: str = "text", bbox: BBox = AROUND, lines: list[BBox] | None = None) -> list[BBox]:
    pixels: Pixels = np.asarray(page)
    layout = PageLayout([Region(label, bbox, 1)], [], lines=lines)
    return find_region_lines(StrayInk(pixels), layout, [task_for(label, OcrOptions())])


@pytest.mark.parametrize(("paper", "print_"), [("white", "black"), ("#1d1f21", "#e0e0d0"), ("#e8e0c8", "#604020")])
def test_rows_of_ink_are_lines(paper: str, print_: str) -> None:
    found = find(draw_page(paper, print_))
    assert [box[1] for box in found] == pytest.approx([top + 8 for top in TOPS], abs=8)
    assert all(box[0] == pytest.approx(81, abs=5) for box in found)
    assert found[0][2] < found[1][2]


def test_rules_are_no_lines() -> None:
    page = draw_page()
    for y in (62, 112, 212):
        ImageDraw.Draw(page).line((60, y, 799, y), fill="black", width=3)
    assert len(find(page)) == len(WORDS)


def test_columns_are_lines_of_their_own() -> None:
    page = draw_page()
    ImageDraw.Draw(page).text((700, TOPS[2]), "148", fill="black", font=ImageFont.truetype(str(FONT), 30))
    assert len(find(page)) == len(WORDS) + 1


@pytest.mark.parametrize("label", ["image", "chart", "display_formula", "table"])
def test_what_is_no_text_has_no_lines(label: str) -> None:
    assert find(draw_page(), label) == []


def test_lines_that_the_layout_tells_are_not_looked_for() -> None:
    assert find(draw_page(), lines=[]) == []


@pytest.mark.parametrize("bbox", [(60, 60, 60, 60), (-40, -40, 950, 20), (880, 480, 990, 600), (60, 300, 800, 480)])
def test_region_without_ink_has_no_lines(bbox: BBox) -> None:
    assert find(draw_page(), bbox=bbox) == []


def test_ink_grows_with_the_text_and_not_with_the_paper() -> None:
    stray = StrayInk(np.asarray(draw_page()))
    short, long, blank = measure_lines(
        stray, [(70, TOPS[2], 800, TOPS[2] + 40), (70, TOPS[1], 800, TOPS[1] + 40), (60, 300, 800, 480)]
    )
    assert blank.ink == 0
    letters = [len(WORDS[row].replace(" ", "")) for row in (2, 1)]
    assert short.ink / long.ink == pytest.approx(letters[0] / letters[1], rel=0.2)
    assert measure_lines(stray, []) == []


def test_a_file_that_names_many_lines_is_measured_by_some_of_them() -> None:
    """From all over the page."""
    lines: list[BBox] = [(0, row % 480, 800, row % 480 + 10) for row in range(50_000)]
    measured = measure_lines(StrayInk(np.asarray(draw_page())), lines)
    assert 1000 < len(measured) <= 2000
    assert lines.index(measured[1].box) > 20
