"""Leaders and glyphs without a line on pages drawn here."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import upright_line
from textlines.glyphs import Pixels, StrayInk, find_components, find_ink, find_stray_windows
from textlines.leaders import find_leaders, join_at_leaders

FONT = ImageFont.load_default(28)


def contents(entries: int) -> Pixels:
    """Entries with dots from x 400 to 900 and a number at 920, 60 pixels apart."""
    page = Image.new("RGB", (1000, 100 + 60 * entries), "white")
    draw = ImageDraw.Draw(page)
    for row in range(entries):
        draw.text((60, 50 + 60 * row), "Quays and piers", fill="black", font=FONT)
        draw.text((920, 50 + 60 * row), str(row + 1), fill="black", font=FONT)
        for x in range(400, 900, 14):
            draw.ellipse((x, 74 + 60 * row, x + 4, 78 + 60 * row), fill="black")
    return np.asarray(page)


def test_a_leader_reaches_from_its_dots_to_the_number_behind_them() -> None:
    leaders = find_leaders(find_ink(contents(5)))
    assert len(leaders) == 5
    for leader in leaders:
        assert abs(leader.left - 400) < 8
        assert abs(leader.right - 896) < 8
        assert 920 < leader.end < 950


def test_no_entry_of_dense_contents_is_lost() -> None:
    """The boxes of lines so close to each other reach into the next rows, and indented entries begin further right."""
    names = ["Preface", "Instruments", "    Receivers", "    Calibration", "Results"]
    page = Image.new("RGB", (1000, 260), "white")
    draw = ImageDraw.Draw(page)
    lines = []
    for row, name in enumerate(names):
        y, left = 50 + 30 * row, 60 + 40 * name.startswith(" ")
        draw.text((left, y), name.strip(), fill="black", font=FONT)
        draw.text((920, y), str(row + 1), fill="black", font=FONT)
        for x in range(320, 900, 14):
            draw.ellipse((x, y + 24, x + 3, y + 27), fill="black")
        lines += [upright_line((left - 4, y - 8, 310, y + 34)), upright_line((912, y - 8, 950, y + 34))]
    joined = join_at_leaders(lines, find_ink(np.asarray(page)))
    assert len(joined) == len(names)
    for row, line in enumerate(sorted(joined, key=lambda line: line.box[1])):
        left = 60 + 40 * names[row].startswith(" ")
        assert (line.box[0], line.box[1], line.box[3]) == (left - 4, 42 + 30 * row, 84 + 30 * row)
        assert line.leader


def test_a_dotted_rule_under_a_row_is_no_leader() -> None:
    page = Image.new("RGB", (1000, 200), "white")
    draw = ImageDraw.Draw(page)
    draw.text((60, 60), "All of this row stands above the dots that part it", fill="black", font=FONT)
    for x in range(60, 900, 12):
        draw.ellipse((x, 98, x + 4, 102), fill="black")
    assert find_leaders(find_ink(np.asarray(page))) == []


def test_small_line_beside_large_print() -> None:
    """Its letters are as small beside the title's as a leader's dots are beside those of text."""
    page = Image.new("RGB", (1200, 500), "white")
    draw = ImageDraw.Draw(page)
    draw.text((60, 60), "Night Watchmen", fill="black", font=ImageFont.load_default(140))
    draw.text((60, 400), "Second edition, corrected and enlarged, June", fill="black", font=FONT)
    assert find_leaders(find_ink(np.asarray(page))) == []


def test_a_glyph_that_no_line_holds_is_looked_at() -> None:
    page = Image.new("RGB", (1000, 300), "white")
    draw = ImageDraw.Draw(page)
    draw.text((60, 60), "A line that was found", fill="black", font=FONT)
    draw.text((700, 200), "7", fill="black", font=FONT)
    ink, line = find_ink(np.asarray(page)), upright_line((50, 50, 500, 110))
    ((x1, y1, x2, y2),) = find_stray_windows(ink, [line.quad])
    assert x1 < 700 < 716 < x2
    assert y1 < 205 < 225 < y2
    assert find_stray_windows(ink, [line.quad, upright_line((690, 190, 730, 240)).quad]) == []


def test_light_print_on_a_dark_page_is_ink() -> None:
    light = contents(3)
    dark = 255 - light
    assert abs(find_ink(dark).height - find_ink(light).height) <= 2


def test_ink_in_boxes_is_not_stray() -> None:
    page = contents(3)
    stray = StrayInk(page)
    assert stray.find_area([(50, 40, 960, 240)]) is None
    area = stray.find_area([(50, 40, 960, 140)])
    assert area is not None
    assert 120 < area[1] < 175
    assert area[3] > 190


def test_smallest_print_is_stray_ink() -> None:
    page = Image.new("RGB", (400, 200), (235, 235, 228))
    ImageDraw.Draw(page).text((100, 100), "7 of 9", fill=(205, 205, 200), font=ImageFont.load_default(8))
    area = StrayInk(np.asarray(page)).find_area([])
    assert area is not None
    assert area[0] < 100 < area[2]


def test_paper_with_grain_has_no_stray_ink() -> None:
    grain = np.random.default_rng(3).normal(240, 1.5, (400, 300, 1)).round().astype(np.uint8)
    assert StrayInk(np.repeat(grain, 3, axis=2)).find_area([]) is None


def test_picture_of_a_few_pixels_has_no_stray_ink() -> None:
    assert StrayInk(np.zeros((3, 1, 3), np.uint8)).find_area([]) is None


def test_ink_that_reaches_over_strips_is_connected() -> None:
    """A picture of 12 million pixels, whose labels are looked at in parts: shapes down all of it, and in steps."""
    mask = np.zeros((6000, 2000), np.uint8)
    mask[10:5990, 20:30] = mask[10:5990, 100:110] = mask[5980:5990, 20:110] = 255
    mask[40:5990, 60:70] = mask[40:50, 60:80] = 255
    steps = np.arange(1000)
    mask[2000 + steps, 300 + steps] = 255
    mask[30:35, 1500:1510] = 255
    found = find_components(mask)
    assert found[:, :4].tolist() == [[20, 10, 90, 5980], [1500, 30, 10, 5], [300, 2000, 1000, 1000]]
    assert found[:, 4].tolist() == [int((mask[:, :200] > 0).sum()), 50, 1000]


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_labels_are_those_of_the_whole_picture(share: float) -> None:
    mask = (np.random.default_rng(1).random((2500, 2000)) < share).astype(np.uint8)
    whole = cv2.connectedComponentsWithStatsWithAlgorithm(mask, 8, cv2.CV_32S, cv2.CCL_BBDT)[2][1:]
    assert np.array_equal(find_components(mask), whole)


def test_labels_take_no_memory_of_the_picture_s_size() -> None:
    mask = np.zeros((6000, 6000), np.uint8)
    mask[::50, ::50] = 255
    tracemalloc.start()
    try:
        find_components(mask)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < mask.nbytes
