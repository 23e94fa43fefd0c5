"""Chinese and Japanese columns in a text layer, whose signs make no rows."""

from __future__ import annotations

import numpy as np
import pytest

from gateway.model import PageLayout, Region
from gateway.text_layer.region_text import find_region_texts
from gateway.text_layer.words import Glyph, Word

EM = 40.0
COLUMNS = ("港の事務所は月曜日に", "三人の書記が正午まで", "門は夜番が閉め予備の")


def place_word(text: str, x: float, y: float, first: int) -> Word:
    boxes = tuple((x + at * EM, y, x + at * EM + 36, y + 36) for at in range(len(text)))
    glyphs = tuple(Glyph("Mincho", sign, (90, 90, 10)) for sign in text)
    box = (x, y, boxes[-1][2], y + 36)
    return Word(glyphs, box, boxes, y + 36, EM, first, first + len(text) - 1, is_spaced=False)


def make_columns() -> list[Word]:
    """From right to left, each sign by itself, as PDFium tells them."""
    return [
        place_word(sign, 700 - 70 * column, 100 + EM * row, 10 * column + row)
        for column, text in enumerate(COLUMNS)
        for row, sign in enumerate(text)
    ]


def make_rows() -> list[Word]:
    return [place_word(text, 100, 100 + 60 * row, 10 * row) for row, text in enumerate(COLUMNS)]


@pytest.mark.parametrize(("words", "is_taken"), [(make_columns(), False), (make_rows(), True)])
def test_columns_that_run_down_are_left_to_the_engine(words: list[Word], *, is_taken: bool) -> None:
    region = Region("text", (80, 80, 780, 540), 1)
    (text,) = find_region_texts(PageLayout([region], [region]), words, np.empty((0, 4)))
    assert (text.flaw is None) == is_taken
