from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from gateway.imaging.orientation import UNKNOWN, auto_rotate, detect_angle, rotate, warn_of_turn
from gateway.imaging.reading_direction import read_direction
from gateway.model import PageImage, Pixels
from tests.support.fakes import blank
from textlines.detection import LineDetector
from textlines.glyphs import StrayInk

EXAMPLES = Path(__file__).parents[3] / "examples"


def lying(name: str, angle: int) -> Pixels:
    """The example turned clockwise."""
    with Image.open(EXAMPLES / name) as image:
        return np.asarray(image.convert("RGB").rotate(-angle, expand=True))


def warn(page: PageImage) -> PageImage:
    return warn_of_turn(page, StrayInk(page.pixels).half)


@pytest.mark.parametrize("name", ["article-en.png", "form-ru.png", "table-zh.png"])
@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_page_is_told_to_lie_as_it_does(name: str, angle: int) -> None:
    assert detect_angle(lying(name, angle)) == angle


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_a_turned_page_is_the_page_as_it_was(angle: int) -> None:
    page = auto_rotate(PageImage(3, lying("article-en.png", angle), 144), lambda _pixels: angle)
    assert np.array_equal(page.pixels, lying("article-en.png", 0))
    assert page.pixels.flags.c_contiguous
    assert (page.number, page.dpi, page.angle) == (3, 144, angle)


def test_a_page_that_stands_upright_is_not_copied() -> None:
    page = PageImage(1, blank())
    assert auto_rotate(page, lambda _pixels: 0).pixels is page.pixels


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (20_000, 3), (223, 224)])
def test_a_page_of_any_size_has_an_angle(size: tuple[int, int]) -> None:
    assert detect_angle(blank(*size)) in (0, 90, 180, 270)


FONT = Path(__file__).parents[2] / "support" / "fonts" / "OcrTestSans.ttf"
SPARSE = {
    "two lines": ("Annual meeting of the rowing club", "Saturday at noon, boathouse, upper floor"),
    "title": ("Minutes of the garden committee",),
    "russian": ("Собрание гребного клуба в субботу", "начало в полдень, верхний этаж"),
}


def sparse(words: tuple[str, ...], angle: int, place: tuple[int, int] = (120, 90)) -> Pixels:
    """A page with little more than a margin's worth of print, turned clockwise."""
    page = Image.new("RGB", (930, 1300), "white")
    for row, line in enumerate(words):
        position = place[0], place[1] + 60 * row
        ImageDraw.Draw(page).text(position, line, "black", ImageFont.truetype(str(FONT), 32))
    return np.asarray(page.rotate(-angle, expand=True))


@pytest.mark.parametrize(
    ("words", "angle"),
    [("two lines", 0), ("two lines", 90), ("two lines", 180), ("two lines", 270), ("title", 90), ("russian", 180)],
)
def test_a_page_with_a_few_words_is_told_to_lie_as_it_does(words: str, angle: int) -> None:
    assert detect_angle(sparse(SPARSE[words], angle)) == angle


def test_a_page_without_print_is_upright() -> None:
    assert detect_angle(blank(800, 600)) == 0


@pytest.mark.parametrize("angle", [90, 180])
def test_a_page_that_nobody_wants_turned_stays_and_says_so(angle: int) -> None:
    page = PageImage(1, sparse(SPARSE["two lines"], angle))
    told = warn(page)
    assert told.pixels is page.pixels
    assert told.is_partial
    (warning,) = told.warnings
    assert f"{angle}°" in warning
    assert "`orientation`" in warning


@pytest.mark.parametrize("name", ["article-en.png", "form-ru.png", "table-zh.png", "slide-en.png"])
def test_an_upright_page_says_nothing(name: str) -> None:
    page = PageImage(1, lying(name, 0))
    assert warn(page) is page


def test_a_sparse_russian_page_that_lies_turned_says_so() -> None:
    """The lines tell nothing, because the model that reads them both ways knows no Cyrillic."""
    words = "Объявление", "Уважаемые жильцы дома!", "Мастер будет ждать вас во дворе"
    (warning,) = warn(PageImage(1, sparse(words, 90))).warnings
    assert "90°" in warning


@pytest.mark.parametrize("angle", [0, 90])
def test_the_text_of_a_pdf_tells_its_direction(angle: int) -> None:
    page = PageImage(1, lying("article-en.png", angle), text_angle=angle)
    assert auto_rotate(page, _nobody_looks).angle == angle
    assert bool(warn(page).warnings) == bool(angle)


@pytest.mark.parametrize("words", [("האספה השנתית של", "המועדון ביום שבת"), ("ﺍﻟﻌﺮﺑﻴﺔ ﻣﻦ ﺍﻟﻤﺎﺀ",)])
def test_an_upright_page_in_a_script_that_is_not_read_says_nothing(words: tuple[str, ...]) -> None:
    assert warn(PageImage(1, sparse(words, 0))).warnings == ()


def test_lines_that_are_known_are_not_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """To search a page of small print takes seconds."""
    page = PageImage(1, sparse(SPARSE["two lines"], 180))
    lines = [line.box for line in LineDetector()(page.pixels)]
    for search in ("look", "__call__"):
        monkeypatch.setattr(LineDetector, search, _nobody_looks)
    (warning,) = warn_of_turn(page, StrayInk(page.pixels).half, lines).warnings
    assert "180°" in warning


def _nobody_looks(*_: object) -> int:
    raise AssertionError("the picture was looked at")


def test_a_page_whose_direction_is_unclear_is_read_as_it_stands_and_says_so() -> None:
    page = PageImage(1, lying("article-en.png", 90))
    told = auto_rotate(page, lambda _pixels: None)
    assert np.array_equal(told.pixels, page.pixels)
    assert told.warnings == (UNKNOWN,)


def test_columns_of_chinese_are_not_turned() -> None:
    """Five columns of a title's signs, which stand upright."""
    with Image.open(EXAMPLES / "article-zh.png") as image:
        title = image.convert("RGB").crop((200, 130, 1040, 172))
    page = Image.new("RGB", (700, 1100), "white")
    for column in range(5):
        for place in range(20):
            page.paste(title.crop((42 * place, 0, 42 * place + 42, 42)), (560 - 70 * column, 80 + 44 * place))
    assert read_direction(np.asarray(page), rotate) == 0


@pytest.mark.parametrize("angle", [90, 270])
def test_rows_of_chinese_are_turned(angle: int) -> None:
    """Lines that run up or down the page, whose signs lie: some are read as if they stood."""
    with Image.open(EXAMPLES / "article-zh.png") as image:
        title = image.convert("RGB").crop((200, 130, 1040, 172))
    page = Image.new("RGB", (1100, 700), "white")
    for row in range(3):
        page.paste(title, (80, 80 + 70 * row))
    assert read_direction(rotate(np.asarray(page), 360 - angle), rotate) == angle
