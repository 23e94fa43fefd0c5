"""Large initials in notches of a text, on pictures drawn here."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.support.text_layers import SANS
from textlines.detection import LineDetector

PITCH, SIZE, LEFT, TOP = 34, 24, 40, 40
ENGLISH = "sland life is quiet in winter and most of the boats are kept in sheds by the shore until the first days"
RUSSIAN = "бъявление о ремонте причала висит у входа в контору порта с начала весны и до сих пор не снято никем"


@pytest.fixture(scope="module")
def detector() -> LineDetector:
    return LineDetector()


def draw(initial: str, text: str, rows: int) -> tuple[Image.Image, tuple[float, float]]:
    """A text around an initial of so many rows, and where the initial's middle is."""
    picture = Image.new("RGB", (700, 400), "white")
    pen, usual = ImageDraw.Draw(picture), ImageFont.truetype(str(SANS), SIZE)
    large = ImageFont.truetype(str(SANS), round(PITCH * rows))
    x1, y1, x2, y2 = large.getbbox(initial)
    pen.text((LEFT - x1, TOP + 3 - y1), initial, fill="black", font=large)
    row, line = 0, ""
    for word in [*(text + " " + text).split(), None]:
        left = LEFT + (x2 - x1 + 10 if row < rows else 0)
        if word is None or left + usual.getlength(f"{line} {word}") > 660:
            pen.text((left, TOP + PITCH * row), line, fill="black", font=usual)
            row, line = row + 1, ""
        line = f"{line} {word}".strip()
    return picture, (LEFT + (x2 - x1) / 2, TOP + 3 + (y2 - y1) / 2)


@pytest.mark.parametrize(("initial", "text", "rows"), [("Q", ENGLISH, 4), ("O", ENGLISH, 4), ("О", RUSSIAN, 4)])
def test_an_initial_has_a_line_of_its_own(detector: LineDetector, initial: str, text: str, rows: int) -> None:
    picture, (x, y) = draw(initial, text, rows)
    holders = [box for box in (one.box for one in detector(np.asarray(picture))) if box[0] < x < box[2]]
    own = [box for box in holders if box[1] < y < box[3]]
    assert len(own) == 1
    assert own[0][2] - own[0][0] < PITCH * rows * 1.6


def test_a_frame_beside_a_text_is_no_initial(detector: LineDetector) -> None:
    """A picture's frame stands where an initial would."""
    picture, _ = draw(" ", ENGLISH, 1)
    text = picture.crop((30, 0, 700, 400))
    page = Image.new("RGB", (800, 400), "white")
    page.paste(text, (130, 0))
    ImageDraw.Draw(page).rectangle((40, 44, 110, 140), outline="black", width=2)
    assert not [
        one for one in detector(np.asarray(page)) if one.box[0] < 75 < one.box[2] and one.box[1] < 90 < one.box[3]
    ]
