"""Numbered cards on a page: whether rows or columns are read first."""

from __future__ import annotations

import pytest

from gateway.assembly.cards import order_cards
from gateway.assembly.page import assemble_page
from gateway.model import BBox, PageResult, Reading, Region
from gateway.reading_options import OcrOptions

WIDTH, HEIGHT = 1000, 1400
TITLE: tuple[str, BBox] = ("Kurs", (100, 60, 900, 100))


def assemble(blocks: list[tuple[str, BBox]]) -> PageResult:
    regions = [Region("text", box, at) for at, (_, box) in enumerate(blocks, 1)]
    ordered, readings = order_cards(regions, [Reading(text) for text, _ in blocks])
    return assemble_page(1, WIDTH, HEIGHT, 144, ordered, readings, OcrOptions())


def card(name: str, x: int, y: int) -> list[tuple[str, BBox]]:
    return [(name, (x, y, x + 200, y + 30)), (f"about {name}", (x, y + 60, x + 380, y + 200))]


def order_of(page: PageResult, names: list[str]) -> list[str]:
    contents = [block.content for block in page.blocks]
    assert [block.order for block in page.blocks] == list(range(1, len(contents) + 1))
    assert all(contents[contents.index(name) + 1] == f"about {name}" for name in names)
    return [text for text in contents if text in names]


@pytest.mark.parametrize(
    "names",
    [
        ["1. Euler", "2. Pythagoras", "3. Newton", "4. Maxwell"],
        ["5. Порт", "6. Причал", "7. Кран", "8. Склад"],
        ["1) Gale", "2) Fog", "3) Frost", "4) Thaw", "5) Tide", "6) Swell"],
    ],
)
def test_cards_whose_numbers_rise_along_the_rows_are_read_so(names: list[str]) -> None:
    left = [block for at, name in enumerate(names[::2]) for block in card(name, 100, 200 + 300 * at)]
    right = [block for at, name in enumerate(names[1::2]) for block in card(name, 550, 203 + 300 * at)]
    page = assemble([TITLE, *left, *right, ("the end", (100, 1200, 900, 1230))])
    assert order_of(page, names) == names
    assert page.blocks[0].content == "Kurs"
    assert page.blocks[-1].content == "the end"


@pytest.mark.parametrize(
    "numbers",
    [(1, 2, 3, 4), (1, 3, 2, 5), (3, 1, 4, 2)],
    ids=["down the columns", "with a gap", "in no order"],
)
def test_numbers_that_prove_no_rows_leave_columns_as_they_are(numbers: tuple[int, ...]) -> None:
    names = [f"{number}. Part" for number in numbers]
    left = [block for at, name in enumerate(names[:2]) for block in card(name, 100, 200 + 300 * at)]
    right = [block for at, name in enumerate(names[2:]) for block in card(name, 550, 200 + 300 * at)]
    assert order_of(assemble([TITLE, *left, *right]), names) == names


def test_an_article_over_both_rows_keeps_its_columns() -> None:
    """A column of text beside the cards reaches from the first row into the second."""
    names = ["1. One", "2. Two", "3. Three", "4. Four"]
    left = [block for at, name in enumerate(names[::2]) for block in card(name, 100, 200 + 300 * at)]
    right = [block for at, name in enumerate(names[1::2]) for block in card(name, 550, 200 + 300 * at)]
    column = ("a long column of text", (560, 300, 900, 700))
    contents = [block.content for block in assemble([TITLE, *left, *right, column]).blocks]
    assert contents.index("3. Three") < contents.index("2. Two")
