"""Heads that layout takes for headings on each page of a document."""

from __future__ import annotations

import pytest

from gateway.assembly.page import assemble_page
from gateway.assembly.running_heads import RunningHeads
from gateway.model import PageResult, Reading, Region
from gateway.reading_options import OcrOptions

SIZE = 1654, 2339
OPTIONS = OcrOptions()
TEXT = "Every captain receives one copy of these rules, and a second copy hangs beside the door. " * 20
HEAD = "Rules of the Harbour of Elmhaven"


def make_page(number: int, head: str, *, height: int = 40, top: int = 150, text: str = TEXT) -> PageResult:
    """A heading over a text of 33 pixels; `height` is that of the heading's print."""
    width = round(len(head) * height / 2)
    regions = [
        Region("paragraph_title", (200, top, 200 + width, top + round(1.2 * height)), 1),
        Region("text", (200, 300, 1450, 1300), 2),
    ]
    return assemble_page(number, *SIZE, 200, regions, [Reading(head), Reading(text)], OPTIONS)


def mark(*pages: PageResult) -> list[str]:
    heads = RunningHeads(OPTIONS)
    return [heads.mark(page).blocks[0].label for page in pages]


def test_line_that_stands_on_each_page() -> None:
    heads = RunningHeads(OPTIONS)
    first, second = (heads.mark(make_page(number, f"{HEAD} {number}")) for number in (1, 2))
    assert first.markdown.startswith(f"## {HEAD}")
    assert second.blocks[0].label == "header"
    assert second.markdown == TEXT.strip()


def test_left_and_right_pages_have_their_own() -> None:
    chapter = "3. Charges by weight"
    pages = [make_page(number, chapter if number % 2 else HEAD) for number in range(1, 5)]
    assert mark(*pages) == ["paragraph_title", "paragraph_title", "header", "header"]


def test_titles_stay() -> None:
    """Of each invoice, of each chapter, and of what stands lower on its page; so do those of pages without a text."""
    title = "paragraph_title"
    assert mark(*(make_page(number, "Invoice", height=60) for number in (1, 2))) == [title, title]
    assert mark(make_page(1, "Wool and linen"), make_page(2, "Coal and salt")) == [title, title]
    assert mark(*(make_page(number, HEAD, top=290) for number in (1, 2))) == [title, title]
    assert mark(*(make_page(number, HEAD, text="Closed.") for number in (1, 2))) == [title, title]
    assert mark(make_page(1, HEAD), make_page(2, HEAD, top=200)) == [title, title]


def test_short_last_page() -> None:
    pages = [make_page(1, HEAD), make_page(2, HEAD), make_page(3, HEAD, text="Closed.")]
    assert mark(*pages) == ["paragraph_title", "header", "header"]


def test_numbers_that_count_no_pages_are_not_lost() -> None:
    """Each receipt of a pile has the same line but for its number; a page's number goes on with the page."""
    title = "paragraph_title"
    for pile in ("Receipt {}", "Receipt No. {}", "Order of 5 May 2026, {} pieces"):
        pages = [make_page(number, pile.format(1000 + 7 * number)) for number in (1, 2, 3)]
        assert mark(*pages) == [title] * 3
    for count in ("Exercise {}", "{} March 2024", "Bill № {}"):
        assert mark(*(make_page(number, count.format(number)) for number in (1, 2))) == [title, title]
    assert mark(*(make_page(number, f"{number + 12}  {HEAD}") for number in (1, 2))) == [title, "header"]
    assert mark(*(make_page(number, f"{HEAD} 2026") for number in (1, 2))) == [title, "header"]


@pytest.mark.parametrize(
    "head",
    ["Tariff, page {} of 12", "Seite {} von 12 · Tarif", "Тариф — стр. {}", "资费表 第{}页/共12页", "Tarifs p. {}/12"],
)
def test_short_lines_with_a_word_for_page(head: str) -> None:
    assert mark(*(make_page(number, head.format(number), height=33) for number in (1, 2))) == [
        "paragraph_title",
        "header",
    ]
    assert (
        mark(*(make_page(number, head.format(3 * number), height=33) for number in (1, 2))) == ["paragraph_title"] * 2
    )


def test_reading_that_goes_on_knows_the_pages_before() -> None:
    pages = [make_page(number, f"{HEAD} {number}") for number in (1, 2, 3)]
    first = RunningHeads(OPTIONS)
    kept = [first.mark(page) for page in pages]
    again = RunningHeads(OPTIONS, kept[:2])
    assert again.mark(pages[2]) == kept[2]
    assert kept[2].blocks[0].label == "header"


def test_pages_without_a_text_change_nothing_however_many_they_are() -> None:
    """Each kept the lines of all before, twice: forty blank pages took all memory."""
    heads = RunningHeads(OPTIONS)
    heads.mark(make_page(1, HEAD))
    for number in range(2, 102):
        assert not heads.mark(assemble_page(number, *SIZE, 200, [], [], OPTIONS)).blocks
    assert heads.mark(make_page(102, HEAD)).blocks[0].label == "header"
