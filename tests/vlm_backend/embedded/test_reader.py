"""Single glyphs, leaders and columns as the real engine reads them, on crops drawn here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from openai import OpenAI
from PIL import Image, ImageDraw, ImageFont

from tests.support.missing import needs_russian
from tests.support.script_pages import FONT
from tests.textlines.test_fractions import draw_fraction
from tests.vlm_backend.embedded.conftest import pixels
from tests.vlm_backend.embedded.test_server import ask
from textlines.box_shapes import TickBox
from textlines.detection import LineDetector, Pixels, upright_line
from vlm_backend.embedded.languages import Recognizers
from vlm_backend.embedded.line_order import join_paragraphs, order_lines
from vlm_backend.embedded.read_lines import ReadLine, add_tick_boxes
from vlm_backend.embedded.reader import CropReader
from vlm_backend.embedded.recognizers import LineText, PaddleRecognizer

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


@needs_russian
@pytest.mark.parametrize("degrees", [0, 3])
def test_dots_leave_nothing_in_entries(client: OpenAI, degrees: float) -> None:
    """A dot that is cut looks like a dash; on a page that lies askew dots are a leader, too."""
    entries = {"Введение": 3, "Термины и сроки": 12, "Порядок учёта": 24, "Приложения": 42}
    image, font = Image.new("RGB", (1100, 520), "white"), ImageFont.truetype(str(FONT), 28)
    draw = ImageDraw.Draw(image)
    for y, (text, page) in zip(range(110, 400, 70), entries.items(), strict=False):
        start, end = 64 + draw.textlength(text, font), 1020 - draw.textlength(str(page), font)
        draw.text((60, y), text + "." * int((end - start) / draw.textlength(".", font)), fill="black", font=font)
        draw.text((1030, y), str(page), fill="black", font=font, anchor="ra")
    crop = np.asarray(image.rotate(-degrees, Image.Resampling.BICUBIC, fillcolor="white"))
    assert read(client, crop, "OCR:").split("\n") == [f"{text} … {page}" for text, page in entries.items()]


def test_fractions_are_no_numbers_of_two_digits(client: OpenAI) -> None:
    image, font = Image.new("RGB", (700, 220), "white"), ImageFont.load_default(28)
    draw = ImageDraw.Draw(image)
    draw.text((30, 40), "Which is less than", fill="black", font=font)
    draw_fraction(draw, 290, 58, "4", "8")
    draw.text((30, 140), "A", fill="black", font=font)
    draw_fraction(draw, 70, 158, "3", "4")
    draw.text((200, 140), "B", fill="black", font=font)
    draw_fraction(draw, 240, 158, "5", "12")
    text = re.sub(r"\s", "", read(client, np.asarray(image), "OCR:"))
    assert text == r"Whichislessthan$\frac{4}{8}$A$\frac{3}{4}$B$\frac{5}{12}$"


@pytest.mark.parametrize(("above", "below"), [("12", "$9"), ("1000", "100%"), ("12", "1:8")])
def test_one_number_above_another_text_is_a_line(client: OpenAI, above: str, below: str) -> None:
    """Neither a fraction nor a line of both."""
    image, font = Image.new("RGB", (700, 160), "white"), ImageFont.load_default(28)
    draw = ImageDraw.Draw(image)
    draw.text((30, 60), "The share of the town", fill="black", font=font)
    draw_fraction(draw, 360, 78, above, below)
    text = read(client, np.asarray(image), "OCR:")
    assert {above, below} <= set(text.split())


def set_column(text: str) -> Pixels:
    """A column of signs of the example's title, 42 pixels each; full stops stand at the upper right of their cells."""
    title = "一张旧纸的寿命：县级图书馆古籍修复五年记"
    row = Image.fromarray(pixels("article-zh.png", (200, 130, 1040, 172)))
    image = Image.new("RGB", (100, 42 * len(text) + 60), "white")
    for place, sign in enumerate(text):
        top = 30 + 42 * place
        if sign == "。":
            ImageDraw.Draw(image).ellipse((58, top + 3, 69, top + 14), outline="black", width=2)
        else:
            left = 42 * title.index(sign)
            image.paste(row.crop((left, 0, left + 42, 42)), (30, top))
    return np.asarray(image)


def test_marks_of_columns_are_read(client: OpenAI) -> None:
    text = "县级图书馆古籍修复五年。张旧纸的寿命。"
    assert read(client, set_column(text), "OCR:") == text


def draw_box(draw: ImageDraw.ImageDraw, x: float, y: float, *, is_ticked: bool) -> None:
    draw.rectangle((x, y, x + 22, y + 22), outline="black", width=2)
    if is_ticked:
        draw.line((x + 5, y + 5, x + 17, y + 17), fill="black", width=3)
        draw.line((x + 5, y + 17, x + 17, y + 5), fill="black", width=3)


def draw_choices() -> Image.Image:
    image, font = Image.new("RGB", (900, 160), "white"), ImageFont.load_default(26)
    draw = ImageDraw.Draw(image)
    lines: list[list[str | bool]] = [
        ["Dangerous goods:", True, "yes", False, "never"],
        ["Paid by", False, "card,", True],
    ]
    for top, parts in zip((20, 90), lines, strict=True):
        x = 30.0
        for part in parts:
            if isinstance(part, str):
                draw.text((x, top), part, fill="black", font=font)
                x += font.getlength(part) + 9
            else:
                draw_box(draw, x, top + 5, is_ticked=part)
                x += 31
    return image


@pytest.mark.parametrize("angle", [0, 180])
def test_boxes_within_lines_keep_their_state(client: OpenAI, angle: int) -> None:
    pixels_of_it = np.asarray(draw_choices().rotate(angle))
    assert read(client, pixels_of_it, "OCR:") == "Dangerous goods: ☒ yes ☐ never\nPaid by ☐ card, ☒"


class ArabicRecognizer(PaddleRecognizer):
    """Reads parts of a line by their width."""

    def __init__(self) -> None:
        pass

    def read_all(self, lines: Sequence[Pixels], check: Callable[[], None]) -> list[LineText]:
        check()
        words = ("نعم" if line.shape[1] > 150 else "لا" for line in lines)
        return [LineText(word, (0.99,) * len(word)) for word in words]


class MarkedRecognizer(PaddleRecognizer):
    """Reads a line for sure whose dark mark is on its left, and nothing of it turned."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read_all(self, lines: Sequence[Pixels], check: Callable[[], None]) -> list[LineText]:
        check()
        return [
            LineText(self._text, (0.97,) * len(self._text)) if line[:, :5].min() < 100 else LineText(".", (0.6,))
            for line in lines
        ]


@pytest.mark.parametrize(
    ("turned", "confidence", "expected"),
    [
        ("copy the figures into the green ledger", 0.6, "copy the figures into the green ledger"),
        ("copy the figures into the green ledger", 0.9, "рыба и хлеб"),
        ("3 2024", 0.6, "рыба и хлеб"),
    ],
    ids=["sure", "Cyrillic for sure", "figures alone"],
)
def test_doubtful_cyrillic_may_stand_upside_down(turned: str, confidence: float, expected: str) -> None:
    cyrillic = LineText("рыба и хлеб", (confidence,) * 11)
    reader = CropReader(LineDetector(), Recognizers(MarkedRecognizer(turned), "", cyrillic=lambda _: cyrillic))
    crop = np.full((60, 700, 3), 255, np.uint8)
    crop[:, 690:] = 0
    assert [line.text.text for line in reader.read(crop, [upright_line((0, 5, 700, 55))], lambda: False)] == [expected]


def test_boxes_of_text_from_right_to_left() -> None:
    """Within a line, and beside one: a box stands on the right of its text."""
    reader = CropReader(LineDetector(), Recognizers(ArabicRecognizer(), ""))
    line, boxes = upright_line((100, 20, 440, 60)), [TickBox((210, 29, 232, 51), False)]
    lines = reader.read(np.full((80, 500, 3), 255, np.uint8), [line], lambda: False, boxes=[boxes])
    assert [one.text.text for one in lines] == ["نعم ☐ لا"]
    beside = [TickBox((455, 29, 477, 51), True), TickBox((485, 29, 507, 51), False)]
    assert [one.text.text for one in add_tick_boxes(lines, beside, with_words=False)] == ["☐ ☒ نعم ☐ لا"]


def test_table_drawn_with_bars_is_read_row_by_row() -> None:
    """As databases print it: the pieces of its rows stand in columns, and are no texts side by side."""
    table = (
        ["id | ship", "| berth"],
        ["1 | Grey Heron |", "3 |"],
        ["2 | Marsk II", "7 |"],
        ["3 | Orchard", "12 |"],
        ["(3 rows)"],
    )
    lines = [
        ReadLine(
            (40 + 400 * column, 20 + 40 * row, 340 + 400 * column, 55 + 40 * row), LineText(text, (1.0,) * len(text))
        )
        for row, texts in enumerate(table)
        for column, text in enumerate(texts)
    ]
    (paragraph,) = order_lines(lines)
    assert [[line.text.text for line in row] for row in paragraph] == [list(row) for row in table]


class ScriptedRecognizer(PaddleRecognizer):
    """Gives these texts, one for each line."""

    def __init__(self, *texts: str) -> None:
        self._texts = texts

    def __call__(self, line: Pixels) -> LineText:
        return LineText("", ())

    def read_all(self, lines: Sequence[Pixels], check: Callable[[], None]) -> list[LineText]:
        return [LineText(text, (0.99,) * len(text)) for text, _ in zip(self._texts, lines, strict=False)]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["十", "net = crate.gross", "一"], ["+", "net = crate.gross", "—"]),
        (["十", "月份", "一"], ["十", "月份", "一"]),
        (["十"], ["十"]),
    ],
)
def test_marks_that_chinese_script_has_too(texts: list[str], expected: list[str]) -> None:
    """A plus sign or a dash alone is Chinese on a Chinese page only."""
    reader = CropReader(LineDetector(), Recognizers(ScriptedRecognizer(*texts), ""))
    places = [upright_line((20, 20 + 50 * row, 60, 60 + 50 * row)) for row in range(len(texts))]
    lines = reader.read(np.full((200, 500, 3), 255, np.uint8), places, lambda: False)
    assert [one.text.text for one in lines] == expected


def test_box_between_texts_from_right_to_left() -> None:
    lines = [
        ReadLine((x, 20, x + 100, 60), LineText(word, (1.0,) * len(word))) for x, word in ((20, "لا"), (170, "نعم"))
    ]
    read_lines = add_tick_boxes(lines, [TickBox((134, 29, 156, 51), True)], with_words=False)
    assert [one.text.text for one in read_lines] == ["☒ لا", "نعم"]


def test_boxes_alone_in_cells(client: OpenAI) -> None:
    image, font = Image.new("RGB", (900, 220), "white"), ImageFont.load_default(26)
    draw = ImageDraw.Draw(image)
    rows: list[tuple[str | bool, ...]] = [("Item", "Yes", "No", "Remark"), ("Refrigerated", True, False, "none")]
    rows.append(("Fragile", False, True, "glass"))
    edges = (20, 330, 450, 570, 860)
    for row, cells in enumerate(rows):
        for left, right, cell in zip(edges, edges[1:], cells, strict=False):
            top = 20 + 60 * row
            draw.rectangle((left, top, right, top + 60), outline="black", width=2)
            if isinstance(cell, str):
                draw.text((left + 12, top + 14), cell, fill="black", font=font)
            else:
                draw_box(draw, (left + right) / 2 - 11, top + 19, is_ticked=cell)
    otsl = read(client, np.asarray(image), "Table Recognition:")
    assert [re.findall(r"<fcel>([^<]*)", row) for row in otsl.split("<nl>") if row] == [
        ["Item", "Yes", "No", "Remark"],
        ["Refrigerated", "☒", "☐", "none"],
        ["Fragile", "☐", "☒", "glass"],
    ]


def test_boxes_stand_between_the_rules_of_their_cells(client: OpenAI) -> None:
    """However near the text of the next cell is: a narrow column of boxes, a box behind a word."""
    image, font = Image.new("RGB", (760, 260), "white"), ImageFont.load_default(26)
    draw = ImageDraw.Draw(image)
    rows = (("Check tyres", "Weekly", True), ("Fill tank", "Daily", False), ("Wash car", "Monthly", True))
    for row, (text, when, is_ticked) in enumerate(rows):
        top = 20 + 60 * row
        for left, right in ((20, 62), (62, 330), (330, 500), (500, 740)):
            draw.rectangle((left, top, right, top + 60), outline="black", width=2)
        draw_box(draw, 30, top + 19, is_ticked=is_ticked)
        draw.text((70, top + 14), text, fill="black", font=font)
        draw.text((342, top + 14), when, fill="black", font=font)
        draw_box(draw, 342 + font.getlength(when) + 9, top + 19, is_ticked=not is_ticked)
        draw.text((508, top + 14), "by hand", fill="black", font=font)
    otsl = read(client, np.asarray(image), "Table Recognition:")
    assert [re.findall(r"<fcel>([^<]*)", row) for row in otsl.split("<nl>") if row] == [
        ["☒", "Check tyres", "Weekly ☐", "by hand"],
        ["☐", "Fill tank", "Daily ☒", "by hand"],
        ["☒", "Wash car", "Monthly ☐", "by hand"],
    ]


def test_no_line_of_a_fax_is_taken_for_another_script(client: OpenAI) -> None:
    """Its letters have lost their shapes, but there are as many as there is room for."""
    start = "The harbour office opened its new weighing room on Monday and three clerks record each crate now."
    words = f"{start} Visitors may walk along the eastern pier after seven in the evening".split()
    image = Image.new("L", (330, 244), 255)
    for row in range(14):
        text = " ".join((words * 2)[2 * row : 2 * row + 6])
        ImageDraw.Draw(image).text((10.3, 10 + 16 * row), text, fill=0, font=ImageFont.load_default(7))
    black = np.where(np.asarray(image) < 235, 0, 255).astype(np.uint8)
    lines = read(client, np.repeat(black[:, :, np.newaxis], 3, axis=2), "OCR:").split("\n")
    assert len([line for line in lines if line.strip()]) == 14


def test_columns_are_put_in_order_from_right_to_left() -> None:
    words = {"first": 700, "second": 640, "third": 580}
    lines = [ReadLine((x, 50, x + 44, 900), LineText(word, (1.0,) * len(word))) for word, x in words.items()]
    assert "".join(piece.text for piece in join_paragraphs(order_lines(lines[::-1]))).split() == list(words)


def texts(boxes: dict[str, tuple[int, int, int, int]]) -> str:
    lines = [ReadLine(box, LineText(word, (1.0,) * len(word))) for word, box in boxes.items()]
    return "".join(piece.text for piece in join_paragraphs(order_lines(lines)))


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
        ("0", "ver dusk", 152, "Over dusk"),
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
