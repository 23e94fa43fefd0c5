"""Text lines that a page's blocks do not hold, or that the readings of its blocks lack."""

from __future__ import annotations

import pytest

from gateway.assembly.page import assemble_page
from gateway.model import BBox, InkedLine, PageResult, Reading, Region, TextLine
from gateway.reading_options import OcrOptions

LINES: list[BBox] = [(100, 100 + 40 * row, 500, 130 + 40 * row) for row in range(3)]
AROUND: BBox = (80, 80, 520, 230)
TEXT: BBox = (80, 600, 900, 700)


def page(
    *blocks: tuple[str, BBox, Reading], lines: list[BBox] = LINES, options: OcrOptions | None = None
) -> PageResult:
    regions = [Region(label, bbox, order) for order, (label, bbox, _) in enumerate(blocks, 1)]
    readings = [reading for *_, reading in blocks]
    inked = [InkedLine(line, 100) for line in lines]
    return assemble_page(1, 1000, 1000, None, regions, readings, options or OcrOptions(), inked)


READ, SKIPPED = Reading("Some words"), Reading(status="skipped")


@pytest.mark.parametrize(
    ("label", "option"),
    [("image", "image_text"), ("chart", "chart"), ("seal", "seal"), ("header_image", "ignore_labels")],
)
@pytest.mark.parametrize("others", [(), (("text", TEXT, READ),)])
def test_text_in_pictures_is_told(label: str, option: str, others: tuple[tuple[str, BBox, Reading], ...]) -> None:
    result = page((label, AROUND, SKIPPED), *others)
    if label == "header_image" and others:
        assert (result.status, result.warnings) == ("ok", [])
        return
    assert result.status == "partial"
    (warning,) = result.warnings
    assert "(100, 100, 500, 210) of 1000x1000" in warning
    assert f"`{option}`" in warning
    assert "p1-b1" in warning


def test_text_in_no_block_is_told() -> None:
    result = page(("text", TEXT, READ), lines=[*LINES, (100, 620, 800, 650)])
    assert result.status == "partial"
    assert "3 lines of text at (100, 100, 500, 210)" in result.warnings[0]


def test_blocks_left_out_by_label_count_where_nothing_else_is_shown() -> None:
    left_out = page(("header", AROUND, READ), options=OcrOptions(ignore_labels=frozenset({"header"})))
    assert (left_out.markdown, left_out.status) == ("", "partial")
    assert "`ignore_labels`" in left_out.warnings[0]
    alone = page(("header", AROUND, READ))
    assert (alone.markdown, alone.status, alone.warnings) == ("Some words", "ok", [])
    assert page(("header", AROUND, READ), ("text", TEXT, READ)).warnings == []


def test_block_read_as_empty_is_told_where_text_stands() -> None:
    result = page(("text", AROUND, Reading("")))
    assert result.status == "partial"
    assert any("(100, 100, 500, 210)" in warning for warning in result.warnings)
    assert page(("text", AROUND, Reading("")), lines=[]).status == "ok"


def test_failed_block_is_told_once() -> None:
    result = page(("text", AROUND, Reading(status="failed", error="No luck.")))
    assert len(result.warnings) == 1


def test_logo_beside_text_is_no_loss() -> None:
    logo: BBox = (90, 90, 250, 150)
    inside: list[BBox] = [(100, 100, 240, 140)]
    assert page(("image", logo, SKIPPED), ("text", TEXT, READ), lines=inside).status == "ok"
    assert page(("image", logo, SKIPPED), lines=inside).status == "partial"


def test_read_text_is_no_loss() -> None:
    assert page(("text", AROUND, READ), ("image", AROUND, SKIPPED)).status == "ok"


def placed(text: str, lines: list[BBox]) -> Reading:
    """A reading that tells where its lines stand."""
    return Reading(text, lines=tuple(TextLine(text="words", bbox=line, source="engine") for line in lines))


def test_line_that_a_reading_lacks_is_told() -> None:
    result = page(("text", AROUND, placed("Some\nwords", LINES[:2])))
    assert result.status == "partial"
    assert result.usage.ink_read == pytest.approx(2 / 3, abs=0.001)
    (warning,) = result.warnings
    assert "a line of text at (100, 180, 500, 210) of 1000x1000 in block p1-b1 (text)" in warning


def test_reading_that_tells_all_lines_lacks_none() -> None:
    tight: list[BBox] = [(x1 + 12, y1 + 8, x2 - 12, y2 - 8) for x1, y1, x2, y2 in LINES]
    result = page(("text", AROUND, placed("Some words", tight)))
    assert (result.status, result.warnings, result.usage.ink_read) == ("ok", [], 1.0)


def test_ink_of_a_lone_number_is_its_line() -> None:
    """A detector's box of one digit is mostly white space."""
    line: BBox = (835, 921, 863, 967)
    digit: BBox = (844, 933, 853, 955)
    result = page(("text", line, placed("1", [digit])), lines=[line])
    assert (result.status, result.warnings) == ("ok", [])


def test_line_in_pieces_is_read() -> None:
    """A detector sees one line where the reading has several cells."""
    cells: list[BBox] = [(x, y1, x + 90, y2) for _, y1, _, y2 in LINES for x in (100, 200, 300, 400)]
    assert page(("table", AROUND, placed("<fcel>a", cells))).usage.ink_read == 1.0
    half = page(("table", AROUND, placed("<fcel>a", [cell for cell in cells if cell[0] < 150])))
    assert "3 lines of text" not in half.warnings[0]
    assert half.usage.ink_read == pytest.approx(90 / 400, abs=0.01)


def test_line_is_read_by_whichever_block() -> None:
    above: BBox = (80, 80, 520, 190)
    result = page(("text", above, placed("Some", LINES[:1])), ("text", AROUND, placed("words", LINES[1:])))
    assert (result.status, result.usage.ink_read) == ("ok", 1.0)


def test_ink_of_a_failed_block_is_not_read() -> None:
    failed = ("text", AROUND, Reading(status="failed", error="No luck."))
    result = page(failed, ("text", TEXT, READ), lines=[*LINES, (100, 620, 800, 650)])
    assert result.usage.ink == 400
    assert result.usage.ink_read == pytest.approx(1 / 4)


def test_ink_of_a_page_that_nobody_looked_at_is_unknown() -> None:
    result = assemble_page(1, 1000, 1000, None, [], [], OcrOptions())
    assert (result.usage.ink, result.usage.ink_read) == (0, None)
    assert page(lines=[]).usage.ink_read == 1.0


WORDS = "down each ship that passes before dawn and sends ashore"


def print_page(*texts: str, are_rows: bool = False) -> PageResult:
    """Blocks of eight lines of the same words in the same print; `texts`: what an engine without places reads."""
    blocks = [("text", (80, 80 + 300 * at, 520, 360 + 300 * at), Reading(text)) for at, text in enumerate(texts)]
    lines = [
        (90, 90 + 300 * at + 30 * row, 510, 115 + 300 * at + 30 * row) for at in range(len(texts)) for row in range(8)
    ]
    regions = [Region(label, bbox, order) for order, (label, bbox, _) in enumerate(blocks, 1)]
    inked = [InkedLine(line, 500, are_rows) for line in lines]
    return assemble_page(1, 600, 1200, None, regions, [reading for *_, reading in blocks], OcrOptions(), inked)


def test_text_too_short_for_its_print_is_told() -> None:
    whole, short = "\n".join([WORDS] * 8), "\n".join([WORDS] * 5)
    assert print_page(whole, whole, whole).warnings == []
    result = print_page(whole, short, whole)
    assert result.status == "partial"
    assert "about 3 lines of text" in result.warnings[0]
    assert "p1-b2" in result.warnings[0]
    assert result.usage.ink_read == pytest.approx(21 / 24, abs=0.01)


def test_rows_of_ink_are_not_taken_for_lines_at_once() -> None:
    """They may be parts of formulas: much has to be missing of them."""
    whole, shorter, short = ("\n".join([WORDS] * rows) for rows in (8, 7, 4))
    assert print_page(whole, shorter, whole).status == "partial"
    assert print_page(whole, shorter, whole, are_rows=True).warnings == []
    assert print_page(whole, short, whole, are_rows=True).status == "partial"


def test_many_lines_are_compared_in_parts() -> None:
    """More pairs than are compared at once: every second line was read."""
    lines: list[BBox] = [(10, 10 * row, 900, 10 * row + 8) for row in range(1500)]
    result = page(("text", (0, 0, 1000, 15_000), placed("words", lines[::2])), lines=lines)
    assert result.usage.ink_read == pytest.approx(0.5, abs=0.001)
