"""Setting text: where lines break, what the truth says about them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

from examples.fonts import Face
from examples.typeset import Column, OverfullError, Sheet, Style, natural_width, split_words, wrap


def stand_in(_face: Face, size: int) -> FreeTypeFont:
    """Pillow's own font in place of every face: tests of layout need no fonts on the machine."""
    font = ImageFont.load_default(size)
    assert isinstance(font, FreeTypeFont)
    return font


BODY = Style(Face.SERIF, 20, 30)


def lines_of(text: str, width: int) -> list[str]:
    return ["".join(" " * word.spaced + word.text for word in line).strip() for line in wrap(text, _font(), width)]


def _font() -> FreeTypeFont:
    return stand_in(Face.SERIF, 20)


@given(st.text("ab я图书，。（）“”1.", min_size=1))
def test_breaking_loses_no_character(text: str) -> None:
    found = "".join(word.text for line in wrap(text, _font(), 90) for word in line)
    assert found == "".join(text.split())


def test_no_line_is_wider_than_asked() -> None:
    text = "The harbour was quiet and the lamps along the quay burned low until the morning came"
    assert all(natural_width(line, _font()) <= 180 for line in wrap(text, _font(), 180))


def test_latin_breaks_only_at_spaces() -> None:
    assert " ".join(lines_of("seven quiet ships waited outside", 110)) == "seven quiet ships waited outside"
    assert len(lines_of("seven quiet ships waited outside", 110)) > 1


def test_chinese_line_neither_begins_with_closing_nor_ends_with_opening_mark() -> None:
    lines = lines_of("库房原在一座旧祠堂里，夏天潮湿，（冬天）干冷。“虫蛀”、霉斑和脆裂随处可见。", 66)
    assert len(lines) > 5
    assert not any(line[0] in "，。、）”" for line in lines)
    assert not any(line[-1] in "（“" for line in lines)


def test_numbers_within_chinese_stay_whole() -> None:
    assert "2017" in [word.text for word in split_words("最早在2017年秋天")]


def test_block_covers_its_ink_and_keeps_its_words() -> None:
    sheet = Sheet(400, 300, stand_in, "en")
    sheet.write("text", "Two lines of words that do not fit on one", BODY, (40, 50, 200))
    [block] = sheet.blocks
    ink = sheet.image.convert("L").point(lambda value: 255 - value).getbbox()
    assert ink is not None
    assert block.text == "Two lines of words that do not fit on one"
    assert all(abs(own - drawn) <= 2 for own, drawn in zip(block.bbox, ink, strict=True))


def test_justified_lines_but_the_last_fill_the_column() -> None:
    sheet = Sheet(400, 300, stand_in, "en")
    style = Style(Face.SERIF, 20, 30, "justify")
    sheet.write("text", "seven quiet ships waited outside the harbour until the fog lifted", style, (40, 50, 200))
    first_line = sheet.image.crop((0, 50, 400, 80)).convert("L").point(lambda value: 255 - value).getbbox()
    assert first_line is not None
    assert abs(first_line[2] - 240) <= 3


def test_text_that_does_not_fit_its_column_is_an_error_that_names_it() -> None:
    column = Column(Sheet(400, 300, stand_in, "en"), 40, 50, 60, bottom=100)
    with pytest.raises(OverfullError, match="seven quiet ships"):
        column.write("text", "seven quiet ships waited outside", BODY)
