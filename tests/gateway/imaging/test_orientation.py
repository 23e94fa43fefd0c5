from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gateway.imaging.orientation import angle_of, upright
from gateway.model import PageImage, Pixels
from tests.support.fakes import blank

EXAMPLES = Path(__file__).parents[3] / "examples"


def lying(name: str, angle: int) -> Pixels:
    """The example turned clockwise."""
    with Image.open(EXAMPLES / name) as image:
        return np.asarray(image.convert("RGB").rotate(-angle, expand=True))


@pytest.mark.parametrize("name", ["article-en.png", "form-ru.png", "table-zh.png"])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_page_is_told_to_lie_as_it_does(name: str, angle: int) -> None:
    assert angle_of(lying(name, angle)) == angle


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_is_the_page_as_it_was(angle: int) -> None:
    page = upright(PageImage(3, lying("article-en.png", angle), 144), lambda _pixels: angle)
    assert np.array_equal(page.pixels, lying("article-en.png", 0))
    assert page.pixels.flags.c_contiguous
    assert (page.number, page.dpi, page.angle) == (3, 144, angle)


def test_a_page_that_stands_upright_is_not_copied() -> None:
    page = PageImage(1, blank())
    assert upright(page, lambda _pixels: 0).pixels is page.pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (20_000, 3), (223, 224)])
def test_a_page_of_any_size_has_an_angle(size: tuple[int, int]) -> None:
    assert angle_of(blank(*size)) in (0, 90, 180, 270)
