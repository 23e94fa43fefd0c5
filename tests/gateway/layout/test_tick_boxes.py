"""Regions and the boxes to tick beside them."""

from __future__ import annotations

import numpy as np

from gateway.layout.tick_boxes import include_tick_boxes
from gateway.model import PageLayout, Pixels, Region
from tests.textlines.test_tick_boxes import LINES, cross, page
from textlines.glyphs import StrayInk


def include(layout: PageLayout, pixels: Pixels) -> PageLayout:
    return include_tick_boxes(layout, pixels, StrayInk(pixels))


def test_boxes_join_the_region_of_their_text() -> None:
    region = Region("text", (148, 55, 505, 225), 1)
    grown = include(PageLayout([region], [region], lines=LINES), page([cross, None, None]))
    assert grown.regions[0].bbox[0] <= 100
    assert grown.detections == [region]


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
