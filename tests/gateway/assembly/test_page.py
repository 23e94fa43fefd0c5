"""Regions and readings to a page's result."""

from __future__ import annotations

from gateway.assembly.page import assemble_failure, assemble_page
from gateway.model import OcrOptions, PageFailure, PageResult, Reading, Region

LABELS = ("doc_title", "text", "image", "footer", "table")
REGIONS = [Region(label, (0, at * 10, 100, at * 10 + 10), at + 1, 0.9) for at, label in enumerate(LABELS)]
READINGS = [
    Reading("A title", confidence=0.9),
    Reading("some\ntext"),
    Reading(status="skipped"),
    Reading("page 3"),
    Reading("<fcel>x<nl>"),
]


def assemble(readings: list[Reading] = READINGS, options: OcrOptions | None = None) -> PageResult:
    return assemble_page(3, 200, 300, 144, REGIONS, readings, options or OcrOptions())


def test_each_region_becomes_a_block_and_what_is_ignored_stays_in_json_only() -> None:
    page = assemble()
    assert [(block.id, block.label, block.order) for block in page.blocks] == [
        (f"p3-b{at}", label, at) for at, label in enumerate(LABELS, 1)
    ]
    assert [block.content for block in page.blocks] == [
        "A title",
        "some\ntext",
        "",
        "page 3",
        "<table><tr><td>x</td></tr></table>",
    ]
    assert "page 3" not in page.markdown
    assert page.markdown.startswith("# A title\n\nsome text\n\n")
    assert 'src="imgs/p3_img_in_image_box_0_20_100_30.jpg"' in page.markdown
    assert (page.status, page.warnings) == ("ok", [])


def test_ignore_labels_decide_what_markdown_shows() -> None:
    markdown = assemble(options=OcrOptions(ignore_labels=frozenset({"text"}))).markdown
    assert "page 3" in markdown
    assert "some" not in markdown


def test_no_pictures_means_none_in_the_markdown() -> None:
    assert "<img" not in assemble(options=OcrOptions(images="none")).markdown


def test_a_table_that_is_no_otsl_keeps_its_text() -> None:
    page = assemble([*READINGS[:4], Reading("x y\nz")])
    assert page.blocks[4].content == "x y\nz"
    assert page.markdown.endswith("x y  \nz")


def test_html_that_a_vlm_wrote_for_a_table_is_made_safe() -> None:
    page = assemble([*READINGS[:4], Reading("<table><tr><td><script>x()</script></td></tr></table>")])
    assert page.blocks[4].content == "<table><tr><td>&lt;script&gt;x()&lt;/script&gt;</td></tr></table>"


def test_spotted_texts_have_their_places_in_json_and_their_words_in_markdown() -> None:
    answer = "one" + "<|LOC_100|><|LOC_200|>" * 4 + "\n<b>two" + "<|LOC_500|>" * 8
    page = assemble_page(
        1, 200, 300, None, [Region("spotting", (0, 0, 200, 300), 1)], [Reading(answer)], OcrOptions(task="spotting")
    )
    [block] = page.blocks
    assert block.spots is not None
    assert [(spot.text, (spot.polygon or ())[0]) for spot in block.spots] == [("one", (20, 60)), ("<b>two", (100, 150))]
    assert (block.content, page.markdown) == ("one\n\n<b>two", "one  \n&lt;b>two")


def test_a_lost_block_costs_itself_and_is_named() -> None:
    page = assemble([READINGS[0], Reading(status="failed", error="timed out"), *READINGS[2:]])
    assert page.status == "partial"
    assert page.warnings == ["page 3: block p3-b2 (text) failed: timed out"]
    assert page.blocks[1].error == "timed out"
    assert page.markdown.startswith("# A title\n\n<div")


def test_a_truncated_block_keeps_its_text_and_is_named() -> None:
    page = assemble([READINGS[0], Reading("begin", status="truncated"), *READINGS[2:]])
    assert page.status == "partial"
    assert len(page.warnings) == 1
    assert "begin" in page.markdown


def test_a_page_without_any_reading_failed() -> None:
    assert assemble([Reading(status="failed", error="gone")] * 5).status == "failed"


def test_a_page_without_pixels_says_why() -> None:
    page = assemble_failure(PageFailure(2, "page_unreadable", "The page could not be rendered."))
    assert (page.page, page.status, page.markdown, page.blocks) == (2, "failed", "", [])
    assert page.warnings == ["page 2: page_unreadable: The page could not be rendered."]


def test_whole_blocks_that_were_read_with_less_confidence_than_asked_for_are_named() -> None:
    readings = [Reading("sure", confidence=0.9), Reading("unsure", confidence=0.41), *READINGS[2:]]
    page = assemble(readings, OcrOptions(min_confidence=0.6))
    assert (page.status, page.blocks[1].status) == ("ok", "ok")
    assert page.warnings == ["page 3: block p3-b2 (text) confidence 0.41 is below 0.6"]
    assert assemble(readings).warnings == []


def test_blocks_that_were_read_as_empty_are_named() -> None:
    page = assemble([READINGS[0], Reading(""), *READINGS[2:]])
    assert (page.status, page.blocks[1].status) == ("ok", "ok")
    assert page.warnings == ["page 3: block p3-b2 (text) was read as empty"]


def test_pictures_without_text_and_parts_of_a_paragraph_that_another_holds_are_no_empty_blocks() -> None:
    labels = ("text", "image", "text")
    regions = [Region(label, (0, at * 9, 99, at * 9 + 9), at, 0.9, group=1) for at, label in enumerate(labels, 1)]
    page = assemble_page(
        1, 99, 99, None, regions, [Reading("whole"), Reading(), Reading()], OcrOptions(image_text=True)
    )
    assert page.warnings == []
