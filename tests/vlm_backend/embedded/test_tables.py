"""Tables of the examples, read by the real models, against the cells that were drawn."""

from __future__ import annotations

import re
from itertools import zip_longest

import cv2
import numpy as np
import pytest
from openai import OpenAI
from PIL import Image, ImageDraw, ImageFont

from gateway.assembly.tables.otsl import otsl_to_html
from tests.support.examples import TableCell, TruthBlock, load_truth
from tests.support.missing import needs_russian
from tests.support.slanted_tables import draw_slanted_table
from tests.support.text_layers import SANS
from tests.vlm_backend.embedded.conftest import pixels
from tests.vlm_backend.embedded.test_server import ask, text_of
from vlm_backend.embedded.read_lines import ReadLine
from vlm_backend.embedded.recognizers import LineText
from vlm_backend.embedded.tables import Span, Table
from vlm_backend.embedded.tables import otsl as written

Grid = dict[tuple[int, int], TableCell]


def table_of(name: str) -> TruthBlock:
    return next(b for b in load_truth()[name].pages[0].blocks if b.label == "table")


def read_table(client: OpenAI, name: str) -> tuple[str, TruthBlock]:
    truth = table_of(name)
    x1, y1, x2, y2 = truth.bbox
    return text_of(ask(client, pixels(name, (x1 - 6, y1 - 6, x2 + 6, y2 + 6)), "Table Recognition:")), truth


@pytest.mark.parametrize("name", ["table-en.png", "table-zh.png", pytest.param("table-ru.png", marks=needs_russian)])
def test_every_cell_of_a_ruled_table_comes_back_with_its_spans_and_text(client: OpenAI, name: str) -> None:
    otsl, truth = read_table(client, name)
    assert otsl_to_html(otsl) == truth.html


@pytest.mark.parametrize("degrees", [-5, 2, 4])
def test_a_table_that_lies_askew_keeps_its_rows(client: OpenAI, degrees: float) -> None:
    cells = [["Item", "Count", "Price"], ["Nails", "12", "35.00"], ["Board", "7", "410.00"], ["Paint", "3", "560.00"]]
    cells += [["Brush", "5", "120.00"], ["Scraper", "2", "90.00"], ["Varnish", "4", "645.00"]]
    image = Image.new("RGB", (1100, 560), "white")
    draw = ImageDraw.Draw(image)
    for row, texts in enumerate(cells):
        for column, text in enumerate(texts):
            corner = (60 + column * 320, 60 + row * 60)
            draw.rectangle((*corner, corner[0] + 320, corner[1] + 60), outline="black", width=2)
            draw.text((corner[0] + 16, corner[1] + 14), text, fill="black", font=ImageFont.load_default(28))
    image = image.rotate(-degrees, Image.Resampling.BICUBIC, expand=True, fillcolor="white")
    otsl = text_of(ask(client, np.asarray(image), "Table Recognition:"))
    assert [row.split("<fcel>")[1:] for row in otsl.removesuffix("<nl>").split("<nl>")] == cells


def read_columns(client: OpenAI, head: list[list[str]], body: list[list[str]]) -> list[list[str]]:
    """A table with rules between its columns and around head and body, none between rows, as it is read."""
    image = Image.new("RGB", (1060, 80 + 40 * len(head + body)), "white")
    draw = ImageDraw.Draw(image)
    middle, bottom = 30 + 40 * len(head), 50 + 40 * len(head + body)
    for top, y, rows in ((20, middle, head), (middle, bottom, body)):
        draw.rectangle((30, top, 1030, y), outline="black", width=2)
        for row, texts in enumerate(rows):
            for column, text in enumerate(texts):
                left = 46 + 250 * column + (140 if rows is head and row < len(head) - 1 else 0)
                draw.text((left, top + 8 + 40 * row), text, fill="black", font=ImageFont.load_default(28))
    lower = 20 + 40 * (len(head) - 1)
    for x, top in ((280, lower), (530, 20), (780, lower)):
        draw.line((x, top, x, bottom), fill="black", width=2)
    otsl = text_of(ask(client, np.asarray(image), "Table Recognition:"))
    return [re.split("<[felux]cel>", row)[1:] for row in otsl.removesuffix("<nl>").split("<nl>")]


ENTRIES = [["Crane", "Harbour", "Permit", "Daily"], ["Pilot", "Quay", "Survey", "Weekly"]]
ENTRIES += [["Lighter", "Anchor", "Levy", "Once"], ["Tonnage", "Berth", "Customs", "Monthly"]]


def test_entries_between_ruled_columns_are_rows(client: OpenAI) -> None:
    head = [["Vessel", "Place", "Paper", "Due"]]
    assert read_columns(client, head, ENTRIES) == head + ENTRIES


def test_wrapped_text_between_ruled_columns_is_one_row(client: OpenAI) -> None:
    texts = [["Crane", "pilot", "lighter", "tonnage"], ["Harbour", "quay"], ["Permit", "survey", "levy"], ["Daily"]]
    body = [list(row) for row in zip_longest(*texts, fillvalue="")]
    rows = read_columns(client, [["Vessel", "Place", "Paper", "Due"]], body)
    assert [[cell.replace("\n", " ") for cell in row] for row in rows[1:]] == [[" ".join(lines) for lines in texts]]


def test_head_of_two_rows_between_ruled_columns(client: OpenAI) -> None:
    """Names in the upper row stand in the middle of two columns, between which no rule stands beside them."""
    numbers = [[f"{17 * row + column}.5" for column in range(4)] for row in range(1, 5)]
    head = [["Harbour", "", "Dues", ""], ["Name", "Quay", "Daily", "Weekly"]]
    assert read_columns(client, head, numbers) == [*head, *numbers]


def test_a_table_without_rules_has_its_rows_and_columns(client: OpenAI) -> None:
    otsl, truth = read_table(client, "receipt-en.jpg")
    rows = otsl.removesuffix("<nl>").split("<nl>")
    assert len(rows) == 1 + max(cell.row for cell in truth.cells)
    assert {row.count("cel>") for row in rows} == {1 + max(cell.col for cell in truth.cells)}


def test_graph_paper_is_no_grid_of_cells(client: OpenAI) -> None:
    paper = np.full((1000, 1000, 3), 255, dtype=np.uint8)
    paper[::20] = paper[:, ::20] = 60
    cv2.putText(paper, "Harbour plan", (200, 510), cv2.FONT_HERSHEY_SIMPLEX, 2, (0, 0, 0), 4)
    assert text_of(ask(client, paper, "Table Recognition:")).count("<nl>") <= 3


def test_a_crop_without_any_text_gives_no_table(client: OpenAI) -> None:
    assert text_of(ask(client, np.full((200, 300, 3), 255, dtype=np.uint8), "Table Recognition:")) == ""


def test_a_page_that_shows_otsls_tags_as_text_keeps_them_as_text() -> None:
    shown = "ends at <nl>, not at <fcel>"
    line = ReadLine((5, 5, 90, 40), LineText(shown, (0.5,) * len(shown)))
    pieces = written(Table((1, 1), [Span(0, 0, 1, 1)], [(0, 0, 100, 50)], {0: [line]}))
    assert otsl_to_html("".join(piece.text for piece in pieces)) == (
        "<table><tr><td>ends at &lt;nl&gt;, not at &lt;fcel&gt;</td></tr></table>"
    )
    assert all(len(piece.text) == len(piece.confidences) for piece in pieces if piece.confidences)


VALUES = [
    ["0.87", "0.20", "1.00", "0.40"],
    ["0.68", "0.40", "0.93", "0.00"],
    ["0.42", "0.00", "0.40", "0.44"],
    ["0.58", "0.60", "0.25", "0.05"],
    ["0.33", "0.13", "0.20", "0.80"],
]
NAMES = {
    "en": ["Simple tasks", "Measure an instrument", "Move through doors", "Normal tasks", "Search"],
    "ru": ["Обычные задачи", "Измерение прибором", "Проход через двери", "Поиск предмета", "Разговор"],
}


@pytest.mark.parametrize(
    ("language", "groups", "heads", "angle"),
    [
        ("en", ["Baseline", "Hypothesis"], ["Procedure", "Completion", "Procedure", "Completion"], 45),
        ("en", ["North", "South"], ["Berths", "Cranes", "Storage", "Tonnage"], 60),
        ("en", ["Baseline", "Hypothesis"], ["Length", "Weight", "Height", "Volume"], -50),
        pytest.param(
            "ru", ["Базовая", "Гипотеза"], ["Порядок", "Завершение", "Порядок", "Завершение"], 45, marks=needs_russian
        ),
    ],
)
def test_slanted_heads_stand_over_their_columns(
    client: OpenAI, language: str, groups: list[str], heads: list[str], angle: float
) -> None:
    rows = [[str(at), name, *values] for at, (name, values) in enumerate(zip(NAMES[language], VALUES, strict=True), 1)]
    drawn = draw_slanted_table(groups, heads, rows, angle, SANS)
    otsl = text_of(ask(client, np.asarray(drawn), "Table Recognition:"))
    cells = [re.split("<[felux]cel>", row)[1:] for row in otsl.removesuffix("<nl>").split("<nl>")]
    assert [[text for text in row if text] for row in cells[:2]] == [groups, heads]
    assert [text != "" for text in cells[1]] == [False, False, True, True, True, True]
    assert cells[2:] == rows
