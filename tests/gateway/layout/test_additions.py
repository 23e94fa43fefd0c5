"""Text lines in what a layout model calls a picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gateway.layout.additions import PictureText, add_text, drop_printed, include_tick_boxes, may_hide_text
from gateway.model import PageImage, PageLayout, Pixels, Region
from gateway.reading_options import LayoutOptions
from tests.support.fakes import FakeLayout
from tests.textlines.test_tick_boxes import LINES, cross, page
from textlines.detection import upright_line
from textlines.glyphs import StrayInk

PICTURE = Region("image", (0, 0, 1000, 800), 1, 0.9)
CAPTION = Region("text", (100, 820, 900, 860), 2, 0.9)


def screenshot() -> PageImage:
    image = Image.new("RGB", (1000, 900), (26, 28, 34))
    draw = ImageDraw.Draw(image)
    for row in range(4):
        draw.text((60, 80 + 90 * row), "remember the crate", fill=(220, 220, 220), font=ImageFont.load_default(32))
    return PageImage(1, np.asarray(image))


async def test_lines_of_a_picture_that_is_the_page_become_regions() -> None:
    layout = PictureText(FakeLayout([PICTURE]))
    found = (await layout.detect(screenshot(), LayoutOptions())).regions
    await layout.close()
    assert [region.order for region in found] == list(range(1, len(found) + 1))
    assert found[0].label == "image"
    for row in range(4):
        middle = 98 + 90 * row
        holding = [region for region in found[1:] if region.bbox[1] < middle < region.bbox[3]]
        assert [region.label for region in holding] == ["text"]


def test_what_a_region_reads_is_not_read_twice() -> None:
    lines = [upright_line((100, 100, 500, 130)), upright_line((110, 825, 880, 855))]
    regions = add_text([PICTURE, CAPTION], lines, 1000, 900)
    assert [region.label for region in regions] == ["image", "text", "text"]
    assert regions[1].bbox[3] < 200
    assert regions[2].bbox == CAPTION.bbox


def test_a_small_picture_on_a_page_of_text_is_left_alone() -> None:
    small = Region("image", (0, 0, 300, 300), 1, 0.9)
    assert not may_hide_text([small, CAPTION], 1000 * 900)
    assert may_hide_text([small], 1000 * 900)
    assert may_hide_text([], 1000 * 900)
    assert may_hide_text([PICTURE, CAPTION], 1000 * 900)


def test_pictures_that_are_read_themselves_have_no_text_beside_them() -> None:
    printed = Region("text", (100, 100, 500, 130), 2)
    assert [region.label for region in drop_printed([PICTURE, printed, CAPTION])] == ["image", "text"]
    assert drop_printed([PICTURE, printed, CAPTION])[1] == CAPTION


def include(layout: PageLayout, pixels: Pixels) -> PageLayout:
    return include_tick_boxes(layout, pixels, StrayInk(pixels))


def test_boxes_join_the_region_of_their_text() -> None:
    region = Region("text", (148, 55, 505, 225), 1)
    grown = include(PageLayout([region], [region], lines=LINES), page([cross, None, None]))
    assert grown.regions[0].bbox[0] <= 100
    assert grown.detections == [region]


def test_boxes_on_a_screen_join_their_text() -> None:
    """The picture that shows both holds neither."""
    screen, region = Region("image", (0, 0, 600, 300), 1, 0.9), Region("text", (148, 55, 505, 225), 2)
    _, grown = include(PageLayout([screen, region], [], lines=LINES), page([cross, None, None])).regions
    assert grown.bbox[0] <= 100


def test_region_of_a_box_alone_is_no_text() -> None:
    """A detector of lines takes it for a letter; one with a letter beside the box stays."""
    alone, region = Region("text", (90, 56, 138, 104), 1), Region("text", (148, 55, 505, 225), 2)
    layout = PageLayout([alone, region], [], lines=[alone.bbox, *LINES])
    (grown,) = include(layout, page([cross, None, None])).regions
    assert grown.bbox[0] <= 100
    wider = replace(alone, bbox=(90, 56, 170, 104))
    assert wider in include(replace(layout, regions=[wider, region]), page([cross, None, None])).regions


def test_region_that_holds_its_boxes_stays() -> None:
    region = Region("text", (90, 55, 505, 225), 1)
    assert include(PageLayout([region], []), page([None, None, None])).regions == [region]


def test_nothing_is_taken_from_another_region() -> None:
    other = Region("image", (96, 40, 140, 240), 2)
    region = Region("text", (148, 55, 505, 225), 1)
    layout = PageLayout([region, other], [], lines=LINES)
    assert include(layout, page([None, None, None])).regions == [region, other]


def test_page_without_boxes() -> None:
    layout = PageLayout([Region("text", (148, 55, 505, 225), 1)], [])
    assert include(layout, np.full((300, 600, 3), 255, np.uint8)).regions == layout.regions
