from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from gateway.api.paddlex.visualize import draw_layout, draw_spotting, page_picture, page_pictures
from gateway.model import BBox, Block, PageImage, PageResult, Pixels, Polygon, Region, Spot
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


def opened(picture: bytes) -> Pixels:
    with Image.open(BytesIO(picture)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB"))


def test_a_turned_page_is_shown_as_it_came_and_both_ways() -> None:
    upright = blank(200, 100)
    upright[:, :20] = 0
    pictures = page_pictures(PageImage(1, upright, angle=90), [])
    came, both = opened(pictures["input_img"]), opened(pictures["preprocessed_img"])
    assert came.shape == (200, 100, 3)
    assert came[:15].max() < 60
    assert came[30:].min() > 200
    assert both.shape == (200, 300, 3)


def spotted(*spots: Spot, angle: int | None = None) -> PageResult:
    block = Block(id="p1-b1", label="spotting", bbox=(0, 0, 400, 200), order=1, content="", spots=list(spots))
    return PageResult(page=1, width=400, height=200, angle=angle, markdown="", blocks=[block])


@pytest.mark.parametrize("text", ["Title", "Заголовок", "标题文字"])
def test_spotted_texts_are_marked_and_written_beside(text: str) -> None:
    page, place = PageImage(1, blank(400, 200)), ((40, 60), (360, 60), (360, 140), (40, 140))
    picture = opened(draw_spotting(spotted(Spot(text=text, polygon=place)), page_picture(page, [])["input_img"]))
    assert picture.shape == (200, 800, 3)
    assert tuple(picture[100, 200]) != (255, 255, 255)
    assert picture[20, 200].min() > 240
    ink = (picture[66:134, 446:754] < 100).all(axis=2)
    assert ink.sum() > 500
    assert (picture[:50, 400:] > 200).all()


OUTSIDE = ((-(2**20), 5), (2**20, 5), (2**20, 6), (5, 2**20))
CORNER = ((399, 199), (400, 199), (400, 200), (399, 200))


@pytest.mark.parametrize("place", [((0, 0),) * 4, OUTSIDE, CORNER])
@pytest.mark.parametrize("text", ["", "\x00", "\ud800", "a" * 100_000, "x\ny", "\U0001f600", "\u202eعربي"])
def test_any_spot_can_be_drawn(place: Polygon, text: str) -> None:
    spots = Spot(text=text, polygon=place), Spot(text="no place")
    page = page_picture(PageImage(1, blank()), [])["input_img"]
    assert opened(draw_spotting(spotted(*spots), page)).size


def test_labels_differ_in_colour() -> None:
    page = PageImage(1, blank(200, 400))
    labels = ("text", "table", "image", "doc_title")
    regions = [Region(label, (20, 100 * at + 20, 180, 100 * at + 80), at, 0.5) for at, label in enumerate(labels)]
    drawn = draw_layout(page.pixels, page, regions)
    assert len({tuple(drawn[100 * at + 60, 100]) for at in range(4)}) == 4
