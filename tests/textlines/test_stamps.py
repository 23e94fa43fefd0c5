"""Lines of text that a coloured stamp lies over."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textlines.detection import LineDetector, TextLine
from textlines.glyphs import Pixels
from textlines.stamps import find_stamped_lines
from textlines.watermarks import find_page_lines

BODY = ("Portage office of Elmhaven", "12 December 2025")
DATE = (60, 300)


def letter(colour: tuple[int, int, int], *, is_square: bool = False, over_text: bool = True) -> Pixels:
    page = Image.new("RGB", (700, 800), "white")
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(24)
    for row in range(4):
        draw.text((60, 80 + 34 * row), "The gate is locked by the night watchman", fill="black", font=font)
    draw.text((60, 266), BODY[0], fill="black", font=font)
    draw.text(DATE, BODY[1], fill="black", font=font)
    top = DATE[1] + 8 if over_text else 400
    box = (64, top, 314, top + 250)
    stamp = Image.new("RGB", page.size, "white")
    drawn = ImageDraw.Draw(stamp)
    (drawn.rectangle if is_square else drawn.ellipse)(box, outline=colour, width=11)
    return np.minimum(np.asarray(page), np.asarray(stamp))


def holds_date(lines: list[TextLine]) -> bool:
    """Whether lines of usual height cover the date's middle."""
    y = DATE[1] + 14
    own = [line.box for line in lines if line.box[1] < y < line.box[3] and line.box[3] - line.box[1] < 60]
    return sum(x2 - x1 for x1, _, x2, _ in own) > 120


@pytest.mark.parametrize("colour", [(224, 90, 90), (60, 90, 220), (150, 40, 160)])
@pytest.mark.parametrize("is_square", [False, True])
def test_line_under_a_stamp_is_found(colour: tuple[int, int, int], *, is_square: bool) -> None:
    assert holds_date(find_page_lines(LineDetector(), letter(colour, is_square=is_square)))


@pytest.mark.parametrize(
    "pixels",
    [
        pytest.param(letter((224, 90, 90), over_text=False), id="stamp beside the text"),
        pytest.param(letter((120, 120, 120)), id="grey outline"),
        pytest.param(np.full((400, 400, 3), (200, 60, 60), dtype=np.uint8), id="coloured page"),
    ],
)
def test_pages_without_stamps_over_text_are_seen_once(pixels: Pixels) -> None:
    def detect(_: Pixels) -> list[TextLine]:
        raise AssertionError("a second look")

    assert find_stamped_lines(detect, pixels, []) == []
