"""Which readings of the embedded engine are taken in a VLM's place."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model import BBox, Box, PageLayout, Reading, Region, TextLine
from gateway.recognition.easy_text import is_easy, may_be_easy
from gateway.tasks import RegionTask

TEXT = Region("text", (10, 10, 210, 60), 1)


def read(
    *lines: str, boxes: tuple[Box, ...] = (), confidence: float = 0.99, least: float = 0.97, noise: int = 0
) -> Reading:
    """Lines below each other, unless they have `boxes`."""
    boxes = boxes or tuple((10.0, 20.0 * at, 200.0, 20.0 * at + 16) for at in range(len(lines)))
    placed = tuple(
        TextLine(text=text, bbox=box, confidence=confidence, source="engine")
        for text, box in zip(lines, boxes, strict=True)
    )
    text = "\n".join(lines)
    leasts = (*(0.99,) * (len(lines) - 1), least)
    return Reading(text, confidence=confidence, least_confidences=leasts, noise=noise, lines=placed)


PROSE = read("The plan was approved by", "the board in spring.")


def test_prose_that_was_read_for_sure_is_easy() -> None:
    assert is_easy(PROSE, RegionTask())


@pytest.mark.parametrize(
    "reading",
    [
        pytest.param(read("The plan was", "approved", least=0.6), id="one letter in doubt"),
        pytest.param(read("The plan was", "approved", confidence=0.9), id="a line in doubt"),
        pytest.param(replace(PROSE, least_confidences=None), id="an engine that does not tell"),
        pytest.param(replace(PROSE, noise=1), id="a line that gave no text"),
        pytest.param(replace(PROSE, status="truncated"), id="cut off, or in part in another script"),
        pytest.param(replace(PROSE, lines=None), id="no places"),
        pytest.param(read("1"), id="a single stroke"),
        pytest.param(read("25", boxes=((0, 0, 35, 53),)), id="two digits over each other"),
        pytest.param(read("Contents … 12"), id="a leader"),
        pytest.param(
            read("Left", "right", "below", boxes=((10, 0, 90, 16), (110, 1, 200, 17), (10, 30, 200, 46))),
            id="two lines in a row, and another",
        ),
        pytest.param(
            read(
                "a", "bc", "de", "f", boxes=((10, 0, 90, 16), (110, 1, 200, 17), (10, 30, 90, 46), (110, 31, 200, 47))
            ),
            id="two rows of two",
        ),
    ],
)
def test_what_is_in_doubt_is_the_vlms(reading: Reading) -> None:
    assert not is_easy(reading, RegionTask())


@pytest.mark.parametrize(
    "text",
    ["so that a = b holds", "for all α of it", "of water (H2O) and", "as others3 have shown", "a mean of 5 ± 2",
     "an area of 3 m²", "the sample of n persons", "and x is known", "about 20 °C of it", r"the \alpha of it"],
)  # fmt: skip
def test_what_may_be_mathematics_is_the_vlms(text: str) -> None:
    assert not is_easy(read(text), RegionTask())


@pytest.mark.parametrize(
    "text",
    ["a rise of 12.5% in 2024, or 1,000", "J. Chromatogr. A 1083 (2005)", "l'année où il y a", "n-hexane and acetone",
     "see p. 12, n. 3", "b) the second of them", "am Dienstag, 5. Mai", "公司2023年收入增长12.4%",
     "Приказ № 5 от 3 мая", "i a potem w domu z nim", "the body's own", "7", "164", "省略……"],
)  # fmt: skip
def test_print_with_figures_and_short_words_is_easy(text: str) -> None:
    assert is_easy(read(text), RegionTask())


@pytest.mark.parametrize(
    ("rows", "is_whole"),
    [
        pytest.param([(12, 3, 198, 14), (12, 23, 198, 34)], True, id="the rows of both lines"),
        pytest.param([(12, 3, 90, 14), (120, 2, 198, 15), (12, 23, 198, 34)], True, id="a row in two pieces"),
        pytest.param([(12, 3, 198, 14), (12, 23, 198, 34), (12, 43, 150, 54)], False, id="a third row below"),
        pytest.param([(12, 3, 460, 14), (12, 23, 198, 34)], False, id="a line that was cut short"),
        pytest.param([(12, -60, 198, 34)], False, id="rows that touch, of which two were read"),
    ],
)
def test_a_row_of_ink_that_no_line_holds_is_the_vlms(rows: list[BBox], is_whole: bool) -> None:
    assert is_easy(PROSE, RegionTask(), rows) is is_whole


def test_confidence_that_the_client_asks_for_counts() -> None:
    assert is_easy(PROSE, RegionTask(min_confidence=0.98))
    assert not is_easy(PROSE, RegionTask(min_confidence=0.995))


def test_a_long_text_may_have_a_line_in_doubt() -> None:
    page = ["and the crews of all these ships came up"] * 14
    assert is_easy(read(*page, least=0.6), RegionTask())
    assert not is_easy(read(*page, least=0.4), RegionTask())
    assert not is_easy(read(*page[:7], least=0.6), RegionTask())


def test_all_in_one_row_is_easy() -> None:
    assert is_easy(read("Chapter two", "of the book", boxes=((10, 0, 90, 16), (310, 1, 400, 17))), RegionTask())


def test_lines_of_a_page_that_is_turned_a_little_are_below_each_other() -> None:
    turned = read("a long line of the page", "the next line of it", boxes=((0, 0, 900, 60), (2, 22, 902, 82)))
    assert is_easy(turned, RegionTask())


@pytest.mark.parametrize("label", ["table", "display_formula", "chart", "seal", "algorithm", "vertical_text"])
def test_only_running_text_may_be_easy(label: str) -> None:
    assert may_be_easy([TEXT], PageLayout([TEXT], [TEXT]))
    assert not may_be_easy([replace(TEXT, label=label)], PageLayout([TEXT], [TEXT]))
    assert not may_be_easy([TEXT, replace(TEXT, label=label)], PageLayout([TEXT], [TEXT]))


def test_text_in_which_the_layout_saw_a_formula_is_not_easy() -> None:
    within, beside = Region("inline_formula", (60, 20, 90, 40), 2), Region("inline_formula", (260, 20, 290, 40), 2)
    assert not may_be_easy([TEXT], PageLayout([TEXT], [TEXT, within]))
    assert may_be_easy([TEXT], PageLayout([TEXT], [TEXT, beside]))
