"""What a page's result says of formulas that no LaTeX was written for, and of text layers that were not read."""

from __future__ import annotations

from gateway.model import PageLayout, Reading, Region
from gateway.reading_options import OcrOptions
from gateway.recognition.dispatch import answer_at_once
from gateway.recognized_page import PageInProgress, RecognizedPage, finish_page, warn_of_formulas

BOX = (0, 0, 100, 40)


def test_formulas_read_as_plain_signs_are_told() -> None:
    regions = [Region("display_formula", BOX, 1), Region("text", BOX, 2), Region("inline_formula", BOX, 3)]
    warning = warn_of_formulas(regions, [Reading(text="x2+y2"), Reading(text="and"), Reading(text="a")]) or ""
    assert "2 formulas are approximate" in warning
    assert "1 formula is approximate" in (warn_of_formulas(regions[:1], [Reading(text="x2")]) or "")


def test_no_word_of_formulas_that_are_empty_or_the_documents_own() -> None:
    regions = [Region("display_formula", BOX, 1), Region("display_formula", BOX, 2), Region("text", BOX, 3)]
    readings = [Reading(status="skipped"), Reading(text="x", source="text_layer"), Reading(text="words")]
    assert warn_of_formulas(regions, readings) is None


def finish(layer_words: int, text: str) -> RecognizedPage:
    region = Region("image" if not text else "text", (10, 10, 90, 90), 1)
    page = PageInProgress(2, 100, 100, 144, 0, PageLayout([region], [region]), layer_words=layer_words)
    page.readings.append(answer_at_once(Reading(text) if text else Reading(status="skipped")))
    return finish_page(page, OcrOptions(), is_vlm=False, reads_formulas=True, price=0, intake_ms=0)


async def test_page_without_a_text_tells_of_the_words_in_its_layer() -> None:
    result = finish(12, "").result
    assert (result.status, len(result.warnings)) == ("partial", 1)
    assert "page 2" in result.warnings[0]
    assert "12 words" in result.warnings[0]


async def test_pages_that_lost_no_word_tell_nothing_of_the_layer() -> None:
    assert finish(0, "").result.warnings == []
    assert finish(1, "").result.warnings == []
    assert finish(12, "Berth 7 is closed").result.warnings == []
