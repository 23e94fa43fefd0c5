from __future__ import annotations

import numpy as np
import pytest

from gateway.api.paddlex.drawing import draw_layout, page_pictures
from gateway.model import BBox, PageImage, Polygon, Region
from tests.support.fakes import blank


@pytest.mark.parametrize(
    ("box", "polygon"),
    [
        ((-(2**40), -5, 2**40, 2**40), None),
        ((50, 50, 50, 50), None),
        ((90, 80, 10, 20), None),
        ((500, 500, 600, 600), None),
        ((0, 0, 20, 20), ((-(2**40), 0), (2**40, 2**40))),
        ((0, 0, 20, 20), ((5, 5),)),
    ],
)
def test_any_box_can_be_drawn(box: BBox, polygon: Polygon | None) -> None:
    page = PageImage(1, blank(100, 80))
    pictures = page_pictures(page, [Region("no such label", box, 1, None, polygon)])
    assert all(data.startswith(b"\xff\xd8") for data in pictures.values())


def test_the_page_itself_is_left_as_it_is() -> None:
    page = PageImage(1, blank())
    page_pictures(page, [Region("text", (10, 10, 200, 200), 1, 0.5)])
    assert np.array_equal(page.pixels, blank())


def test_an_outline_is_followed() -> None:
    page = PageImage(1, blank(200, 200))
    triangle = Region("text", (20, 20, 180, 180), 1, 0.5, ((20, 180), (180, 180), (180, 20)))
    drawn = draw_layout(page.pixels, page, [triangle])
    assert tuple(drawn[150, 150]) != (255, 255, 255)
    assert tuple(drawn[80, 60]) == (255, 255, 255)


def test_labels_differ_in_colour() -> None:
    page = PageImage(1, blank(200, 400))
    labels = ("text", "table", "image", "doc_title")
    regions = [Region(label, (20, 100 * at + 20, 180, 100 * at + 80), at, 0.5) for at, label in enumerate(labels)]
    drawn = draw_layout(page.pixels, page, regions)
    assert len({tuple(drawn[100 * at + 60, 100]) for at in range(4)}) == 4
