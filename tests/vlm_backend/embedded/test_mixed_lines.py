"""Lines in which Latin words stand between Cyrillic ones, as on any Russian invoice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from tests.support.missing import MIXED_TESSDATA, needs_russian_and_english
from tests.vlm_backend.embedded.conftest import pixels
from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import TesseractRecognizer

FONT = Path(__file__).resolve().parents[2] / "support" / "fonts" / "OcrTestSans.ttf"


def line(text: str, size: int = 34) -> Pixels:
    # The same on all machines: Pillow sets text otherwise where it finds libraqm.
    font = ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)
    image = Image.new("RGB", (int(font.getlength(text)) + 6 * size // 5, 7 * size // 4), "white")
    ImageDraw.Draw(image).text((3 * size // 5, size // 4), text, font=font, fill="black")
    return np.asarray(image)


@needs_russian_and_english
@pytest.mark.parametrize(
    "text",
    [
        "Поставщик: Siemens AG, Berlin",
        "Company ООО Ромашка, Invoice",
        "Четыре зимы подряд школьники считали звёзды",
        "Договор № 12/7 от 3 мая 2024 г.",
    ],
)
def test_mixed_lines_and_plain_ones(text: str) -> None:
    recognizer = TesseractRecognizer(Path(MIXED_TESSDATA or ""), "rus", "rus+eng")
    assert recognizer(line(text)).text == text


@needs_russian_and_english
@pytest.mark.parametrize(("text", "size"), [("BANK OF ARDEN", 20), ("MATHEMATICS", 16), ("COMPANY PROTECTORATE", 12)])
def test_latin_capitals_are_no_look_alikes(text: str, size: int) -> None:
    """The model of one language is nearly sure of their Cyrillic twins."""
    recognizer = TesseractRecognizer(Path(MIXED_TESSDATA or ""), "rus", "rus+eng")
    assert recognizer(line(text, size)).text == text


@needs_russian_and_english
def test_small_print() -> None:
    """A newspaper's at 150 dpi."""
    texts = [
        "бюджет и выделил на ремонт мостов 4,2 миллиона рублей",
        "В субботу музей открывает зал, которого не видели с войны",
        "электричества, чем две лампы над ним. Инженеры обещали",
        "Хор собирается в часовне, потому что в зале холодно",
        "Каждое десятое письмо возвращается с пометкой",
    ]
    recognizer = TesseractRecognizer(Path(MIXED_TESSDATA or ""), "rus", "rus+eng")
    errors = [Levenshtein.distance(recognizer(line(text, 9)).text, text) for text in texts]
    assert sum(errors) <= 0.02 * sum(map(len, texts))


@needs_russian_and_english
def test_clear_print_keeps_its_short_words() -> None:
    """Enlarged, this line loses one."""
    recognizer = TesseractRecognizer(Path(MIXED_TESSDATA or ""), "rus", "rus+eng")
    found = recognizer(pixels("article-ru.png", (196, 284, 1043, 313)))
    assert found.text == "Четыре зимы подряд школьники Заречья считали звёзды в созвездии Ориона с балкона,"
