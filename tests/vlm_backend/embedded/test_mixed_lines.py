"""Lines in which Latin words stand between Cyrillic ones, as on any Russian invoice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from tests.support.missing import MIXED_TESSDATA, needs_russian_and_english
from textlines.detection import Pixels
from vlm_backend.embedded.recognizers import TesseractRecognizer

FONT = Path(__file__).resolve().parents[2] / "support" / "fonts" / "OcrTestSans.ttf"


def line(text: str) -> Pixels:
    font = ImageFont.truetype(str(FONT), 34)
    image = Image.new("RGB", (int(font.getlength(text)) + 40, 60), "white")
    ImageDraw.Draw(image).text((20, 8), text, font=font, fill="black")
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
