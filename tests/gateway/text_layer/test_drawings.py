"""How characters are drawn: which drawings are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from reportlab.pdfgen.canvas import Canvas

from gateway.text_layer.characters import TextLayer
from gateway.text_layer.drawings import MAX_DRAWINGS, DrawingIndex, Drawn, find_drawings
from gateway.text_layer.words import find_visible, find_words
from tests.gateway.text_layer.pages import open_page
from tests.support.text_layers import ENGLISH, Line, draw_lines, paragraph, write_page


def draw(text: str) -> tuple[TextLayer, Drawn]:
    """Letters with room between them, and their drawings."""
    lines = [Line(letter, 60 + 25 * at, 700 + 0.37 * at, 14) for at, letter in enumerate(text)]
    image = open_page(write_page("letters", [lines]))
    assert image.layer is not None
    layer = replace(image.layer, characters=image.layer.characters[find_visible(image.layer).is_seen])
    return layer, find_drawings(image.pixels, layer, layer.characters)


def test_a_letter_is_known_again_wherever_it_stands() -> None:
    _, drawn = draw("6a6a6a6a6a6a")
    assert DrawingIndex().number(["6", "a"] * 6, drawn) == [0] * 12


def test_another_letter_that_is_told_for_it_is_not() -> None:
    _, drawn = draw("696696bdbdnunu3838")
    numbers = DrawingIndex().number([*["6"] * 6, *["b"] * 4, *["n"] * 4, *["3"] * 4], drawn)
    assert numbers == [0, 1, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_light_print_on_dark_paper_is_the_same_print() -> None:
    def draw_on_dark(canvas: Canvas, lines: Sequence[Line]) -> None:
        canvas.setFillGray(0.1)
        canvas.rect(0, 300, 595, 542, stroke=0, fill=1)
        canvas.setFillGray(1)
        draw_lines(canvas, lines)

    index, glyphs = DrawingIndex(), []
    for way in (draw_lines, draw_on_dark):
        image = open_page(write_page("page", [paragraph(ENGLISH, 130)], way))
        assert image.layer is not None
        words = find_words(image.layer, find_visible(image.layer).is_seen, image.pixels, index)
        glyphs.append([glyph.drawing for word in words for glyph in word.glyphs])
    assert glyphs[0] == glyphs[1]


def test_no_two_of_very_many_drawings_are_one() -> None:
    """Of a text on a photograph: what one of them was read as proves nothing of the others."""
    rng = np.random.default_rng(7)
    count = 40 * MAX_DRAWINGS
    cells = rng.normal(0, 0.5, (count, 4, 4))
    drawn = Drawn(cells, np.ones(count, np.bool_), np.ones(count), np.zeros(count, np.int64))
    numbers = DrawingIndex().number(["a"] * count, drawn)
    assert len(set(numbers)) == count
