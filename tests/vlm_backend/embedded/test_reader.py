"""Single glyphs, leaders and columns as the real engine reads them, on crops drawn here."""

from __future__ import annotations

import re

import numpy as np
import pytest
from openai import OpenAI
from PIL import Image, ImageDraw, ImageFont

from tests.vlm_backend.embedded.test_server import ask
from textlines.detection import Pixels
from vlm_backend.embedded.reader import ReadLine, in_order, text_of
from vlm_backend.embedded.recognizers import LineText

DIGITS = ("1212", "1626", "6912", "1122")


def read(client: OpenAI, crop: Pixels, prompt: str) -> str:
    return ask(client, crop, prompt).choices[0].message.content or ""


def test_single_digits_of_a_grid_are_read_upright(client: OpenAI) -> None:
    image = Image.new("RGB", (800, 250), "white")
    draw = ImageDraw.Draw(image)
    for row, digits in enumerate(DIGITS):
        for column, digit in enumerate(digits):
            corner = (20 + column * 190, 20 + row * 50)
            draw.rectangle((*corner, corner[0] + 190, corner[1] + 50), outline="black", width=2)
            draw.text((corner[0] + 12, corner[1] + 10), digit, fill="black", font=ImageFont.load_default(26))
    otsl = read(client, np.asarray(image), "Table Recognition:")
    rows = ["".join(re.findall(r"<fcel>([^<]*)", row)) for row in otsl.split("<nl>") if row]
    assert rows == list(DIGITS)


def test_a_leader_parts_an_entry_from_its_page(client: OpenAI) -> None:
    image, font = Image.new("RGB", (900, 120), "white"), ImageFont.load_default(28)
    draw = ImageDraw.Draw(image)
    draw.text((30, 40), "Rules for captains", fill="black", font=font)
    for x in range(290, 800, 12):
        draw.ellipse((x, 64, x + 3, 67), fill="black")
    draw.text((830, 40), "28", fill="black", font=font)
    assert re.fullmatch(r"Rules for captains\W+28", read(client, np.asarray(image), "OCR:"))


def test_columns_are_put_in_order_from_right_to_left() -> None:
    words = {"first": 700, "second": 640, "third": 580}
    lines = [ReadLine((x, 50, x + 44, 900), LineText(word, (1.0,) * len(word))) for word, x in words.items()]
    assert "".join(piece.text for piece in text_of(in_order(lines[::-1]))).split() == list(words)


def texts(boxes: dict[str, tuple[int, int, int, int]]) -> str:
    lines = [ReadLine(box, LineText(word, (1.0,) * len(word))) for word, box in boxes.items()]
    return "".join(piece.text for piece in text_of(in_order(lines)))


def test_initial_begins_its_word() -> None:
    """A large figure is no letter of the word beside it."""
    rows = {"amps are lit": (150, 100, 600, 120), "an hour": (150, 130, 600, 150), "before dusk": (84, 160, 600, 180)}
    assert texts({"L": (84, 96, 140, 154), **rows}) == "Lamps are lit\nan hour\nbefore dusk"
    assert "7amps" not in texts({"7": (84, 96, 140, 154), **rows})
    shouted = {"AMPS ARE lit": (150, 100, 600, 120), "an hour": (150, 130, 600, 150)}
    assert texts({"L": (84, 96, 140, 154), **shouted}) == "LAMPS ARE lit\nan hour"


@pytest.mark.parametrize(
    ("letter", "first", "left", "expected"),
    [
        ("A", "long time ago", 158, "A long time ago"),
        ("Я", "помню", 157, "Я помню"),
        ("B", "Baker", 150, "B Baker"),
        ("A", "fter dusk", 152, "After dusk"),
    ],
)
def test_initial_that_is_a_word(letter: str, first: str, left: int, expected: str) -> None:
    """White space stands behind it, or what follows begins anew."""
    rows = {first: (left, 100, 600, 120), "the second row": (150, 130, 600, 150)}
    read = texts({letter: (84, 96, 140, 154), **rows, "and so on": (84, 160, 600, 180)})
    assert read.splitlines()[0] == expected


def test_no_initial_is_lost_beside_another() -> None:
    rows = {"one": (190, 100, 600, 115), "two": (190, 122, 600, 137)}
    read = texts({"O": (20, 96, 150, 164), "N": (154, 98, 186, 139), **rows, "three": (190, 144, 600, 159)})
    assert set("ON") <= set(read)
