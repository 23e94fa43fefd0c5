"""What a page's result says of formulas that no LaTeX was written for."""

from __future__ import annotations

from gateway.model import Reading, Region
from gateway.recognized_page import warn_of_formulas

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
