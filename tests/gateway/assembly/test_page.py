"""Regions and readings to a page's result."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.page import assemble_failure, assemble_page, image_key, parse_spots
from gateway.assembly.render import render_text
from gateway.model import PageFailure, PageResult, Polygon, Reading, Region
from gateway.reading_options import OcrOptions

LABELS = ("doc_title", "text", "image", "footer", "table")
REGIONS = [Region(label, (0, at * 10, 100, at * 10 + 10), at + 1, 0.9) for at, label in enumerate(LABELS)]
READINGS = [
    Reading("A title", confidence=0.9),
    Reading("some\ntext"),
    Reading(status="skipped"),
    Reading("page 3"),
    Reading("<fcel>x<nl>"),
]

KEY = "imgs/p1_img_in_image_box_10_10_90_90.jpg"
TABLE = Region("table", (0, 0, 400, 300), 1)
PICTURE = Region("image", (10, 10, 90, 90), 2, parent_table=1, tag="[F25]")
SKIPPED = Reading(status="skipped")
PAGE = (0, 0, 2000, 500)
CORNERS = "<|LOC_0|><|LOC_100|><|LOC_500|><|LOC_100|><|LOC_500|><|LOC_200|><|LOC_0|><|LOC_200|>"
PIXELS = ((0, 50), (1000, 50), (1000, 100), (0, 100))


def assemble(readings: list[Reading] = READINGS, options: OcrOptions | None = None) -> PageResult:
    return assemble_page(3, 200, 300, 144, REGIONS, readings, options or OcrOptions())


def test_blocks_and_markdown() -> None:
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


def test_ignore_labels() -> None:
    markdown = assemble(options=OcrOptions(ignore_labels=frozenset({"text"}))).markdown
    assert "page 3" in markdown
    assert "some" not in markdown


def test_default_labels_never_empty_a_page() -> None:
    regions, readings = [Region("header", (0, 0, 90, 10), 1)], [Reading("Berth 7 is closed")]
    page = assemble_page(1, 100, 200, 144, regions, readings, OcrOptions())
    assert page.markdown == render_text(page, OcrOptions()) == "Berth 7 is closed"
    asked = OcrOptions(ignore_labels=frozenset({"header"}))
    assert assemble_page(1, 100, 200, 144, regions, readings, asked).markdown == ""


@pytest.mark.parametrize(
    "caption",
    ["Tabelle 4. Gewichte im Mai", "Рис. 2 — План порта", "图3：码头", "Table 1-2: Weights", "FIGURE 7. A crane"],
)
def test_captions_are_no_running_heads(caption: str) -> None:
    regions = [Region("header", (0, 0, 90, 10), 1), Region("text", (0, 20, 90, 40), 2)]
    readings = [Reading(caption), Reading("Berth 7 is closed")]
    page = assemble_page(1, 100, 200, 144, regions, readings, OcrOptions())
    assert page.markdown == f"{caption}\n\nBerth 7 is closed"


@pytest.mark.parametrize(
    ("head", "is_kept"),
    [
        ("Elmhaven, 3 June 2026", True),
        ("June 3, 2026", True),
        ("г. Эльмхавен, «3» июня 2026 г.", True),
        ("Warszawa, 03.06.2026", True),
        ("V Praze dne 3. června 2026", True),
        ("二〇二六年六月三日", True),
        ("03.06.2026", False),
        ("Harbour Review, Vol. 12, June 2026", False),
        ("Chapter 3 Cranes 2026", False),
    ],
)
def test_dates_of_letters_are_no_running_heads(head: str, *, is_kept: bool) -> None:
    regions = [Region("header", (900, 80, 1200, 110), 1), Region("text", (100, 200, 1200, 900), 2)]
    page = assemble_page(1, 1300, 1800, 200, regions, [Reading(head), Reading("The crane is repaired.")], OcrOptions())
    assert (head in page.markdown) == is_kept


def test_date_beside_a_page_number_is_a_running_head() -> None:
    boxes = ((100, 80, 400, 110), (1150, 80, 1200, 110), (100, 200, 1200, 900))
    regions = [
        Region(label, box, at)
        for at, (label, box) in enumerate(zip(("header", "number", "text"), boxes, strict=True), 1)
    ]
    readings = [Reading(text) for text in ("3 June 2026", "14", "The crane is repaired.")]
    assert "June" not in assemble_page(1, 1300, 1800, 200, regions, readings, OcrOptions()).markdown


def test_running_heads_are_left_out() -> None:
    for head in ("Tables of 1907", "Figures", "Harbour Rules 3"):
        regions = [Region("header", (0, 0, 90, 10), 1), Region("text", (0, 20, 90, 40), 2)]
        readings = [Reading(head), Reading("Berth 7 is closed")]
        assert assemble_page(1, 100, 200, 144, regions, readings, OcrOptions()).markdown == "Berth 7 is closed"


@pytest.mark.parametrize(
    ("title", "is_number"),
    [
        *((number, True) for number in ("12", "– xiv –", "[ IV ]", "* 7 *", "_XXXIX_")),
        *((words, False) for words in ("Act", "2 Data", "CV", "CIVIL", "ill", "– 50 %", "§ 5", "№ 12", "$20", "12345")),
    ],
)
def test_numbers_at_edges_are_no_headings(title: str, is_number: bool) -> None:
    regions = [Region("paragraph_title", (90, 10, 110, 18), 1), Region("text", (10, 60, 190, 120), 2)]
    page = assemble_page(1, 200, 300, 144, regions, [Reading(title), Reading("Words of the page.")], OcrOptions())
    assert page.markdown == ("Words of the page." if is_number else f"## {title}\n\nWords of the page.")


@pytest.mark.parametrize("top", [10, 282])
@pytest.mark.parametrize(
    ("line", "is_number"),
    [
        *((form, True) for form in ("Page 3 of 12", "Seite 3 von 12", "Страница 3 из 12", "стр. 3", "- 3 -", "3 / 12")),
        *(
            (form, True)
            for form in ("第3页/共12页", "第 3 页 共 12 页", "共12页 第3页", "Page 3 sur 12", "[ p. 3 ]", "– iv –")
        ),
        *(
            (text, False)
            for text in ("Berth 3 of 12", "12 / 3", "3", "12 March 2026", "стр.", "Page", "12.03.2026", "No. 3")
        ),
    ],
)
def test_page_numbers_with_words_are_no_text(line: str, top: int, *, is_number: bool) -> None:
    """A text "3" at an edge may be a form's, a line with other words or signs is one of a letter."""
    regions = [Region("text", (60, top, 140, top + 8), 1), Region("text", (10, 60, 190, 120), 2)]
    page = assemble_page(1, 200, 300, 144, regions, [Reading(line), Reading("Words of the page.")], OcrOptions())
    assert (line not in page.markdown) == is_number
    lower = [Region("text", (60, 150, 140, 158), 1), regions[1]]
    page = assemble_page(1, 200, 300, 144, lower, [Reading(line), Reading("Words of the page.")], OcrOptions())
    assert page.blocks[0].label == "text"


def test_what_stands_beside_a_page_number_at_the_foot_is_no_text() -> None:
    """A source may name a page, and only that."""
    rows = [("Tariffs of the harbour", 10, 60), ("Page 3 of 12", 140, 60), ("Confidential", 80, 20)]
    regions = [Region("text", (left, 280, left + width, 288), at) for at, (_, left, width) in enumerate(rows, 1)]
    text = Region("text", (10, 60, 190, 120), 4)
    readings = [Reading(row) for row, _, _ in rows]
    page = assemble_page(1, 200, 300, 144, [*regions, text], [*readings, Reading("Words.")], OcrOptions())
    assert page.markdown == "Words."
    for foot, is_shown in (("Elm Ltd. · Page 1 of 1", False), ("Reed 1987, p. 3", True), ("Berth 1 of 1", True)):
        page = assemble_page(1, 200, 300, 144, [regions[0], text], [Reading(foot), Reading("Words.")], OcrOptions())
        assert (foot in page.markdown) == is_shown


@pytest.mark.parametrize(("top", "is_number"), [(25, True), (32, False), (261, False), (269, True)])
def test_numbers_at_edges_may_reach_into_the_page(top: int, is_number: bool) -> None:
    """By their middle, in a tenth of the page's 300 pixels above and below."""
    regions = [Region("paragraph_title", (90, top, 110, top + 8), 1), Region("text", (10, 60, 190, 120), 2)]
    page = assemble_page(1, 200, 300, 144, regions, [Reading("12"), Reading("Words of the page.")], OcrOptions())
    assert page.blocks[0].label == ("number" if is_number else "paragraph_title")


@pytest.mark.parametrize(("label", "height"), [("doc_title", 8), ("paragraph_title", 24)])
def test_numbers_of_chapters_are_headings(label: str, height: int) -> None:
    regions = [Region(label, (90, 8, 120, 8 + height), 1), Region("text", (10, 60, 190, 120), 2)]
    page = assemble_page(1, 200, 300, 144, regions, [Reading("12"), Reading("Words of the page.")], OcrOptions())
    assert "# 12\n" in page.markdown


def test_images_none() -> None:
    assert "<img" not in assemble(options=OcrOptions(images="none")).markdown


def test_table_without_otsl_keeps_text() -> None:
    page = assemble([*READINGS[:4], Reading("x y\nz")])
    assert page.blocks[4].content == "x y\nz"
    assert page.markdown.endswith("x y  \nz")


def test_html_table_is_sanitized() -> None:
    page = assemble([*READINGS[:4], Reading("<table><tr><td><script>x()</script></td></tr></table>")])
    assert page.blocks[4].content == "<table><tr><td>&lt;script&gt;x()&lt;/script&gt;</td></tr></table>"


def test_spotting_blocks() -> None:
    answer = "one" + "<|LOC_100|><|LOC_200|>" * 4 + "\n<b>two" + "<|LOC_500|>" * 8
    page = assemble_page(
        1, 200, 300, None, [Region("spotting", (0, 0, 200, 300), 1)], [Reading(answer)], OcrOptions(task="spotting")
    )
    [block] = page.blocks
    assert block.spots is not None
    assert [(spot.text, (spot.polygon or ())[0]) for spot in block.spots] == [("one", (20, 60)), ("<b>two", (100, 150))]
    assert (block.content, page.markdown) == ("one\n\n<b>two", "one  \n&lt;b>two")


def test_failed_block_is_named() -> None:
    page = assemble([READINGS[0], Reading(status="failed", error="timed out"), *READINGS[2:]])
    assert page.status == "partial"
    assert page.warnings == ["page 3: block p3-b2 (text) failed: timed out"]
    assert page.blocks[1].error == "timed out"
    assert page.markdown.startswith("# A title\n\n<div")


def test_truncated_block_is_named() -> None:
    page = assemble([READINGS[0], Reading("begin", status="truncated"), *READINGS[2:]])
    assert page.status == "partial"
    assert len(page.warnings) == 1
    assert "begin" in page.markdown


def test_page_without_readings_fails() -> None:
    assert assemble([Reading(status="failed", error="gone")] * 5).status == "failed"


def test_page_failure_says_why() -> None:
    page = assemble_failure(PageFailure(2, "page_unreadable", "The page could not be rendered."))
    assert (page.page, page.status, page.markdown, page.blocks) == (2, "failed", "", [])
    assert page.warnings == ["page 2: page_unreadable: The page could not be rendered."]


def test_low_confidence_is_named() -> None:
    readings = [Reading("sure", confidence=0.9), Reading("unsure", confidence=0.41), *READINGS[2:]]
    page = assemble(readings, OcrOptions(min_confidence=0.6))
    assert (page.status, page.blocks[1].status) == ("ok", "ok")
    assert page.warnings == ["page 3: block p3-b2 (text) confidence 0.41 is below 0.6"]
    assert assemble(readings).warnings == []


def test_empty_blocks_are_named() -> None:
    page = assemble([READINGS[0], Reading(""), *READINGS[2:]])
    assert (page.status, page.blocks[1].status) == ("ok", "ok")
    assert page.warnings == ["page 3: block p3-b2 (text) was read as empty"]


def test_pictures_and_groups_are_not_empty() -> None:
    labels = ("text", "image", "text")
    regions = [Region(label, (0, at * 9, 99, at * 9 + 9), at, 0.9, group=1) for at, label in enumerate(labels, 1)]
    page = assemble_page(
        1, 99, 99, None, regions, [Reading("whole"), Reading(), Reading()], OcrOptions(image_text=True)
    )
    assert page.warnings == []


def assemble_table(table: str, picture: Reading = SKIPPED, **options: object) -> PageResult:
    readings = [Reading(table), picture]
    return assemble_page(1, 500, 500, None, [TABLE, PICTURE], readings, OcrOptions(**options))  # type: ignore[arg-type]


def images(text: str) -> list[dict[str, str | None]]:
    found = []

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "img":
                found.append(dict(attrs))

    Seen().feed(text)
    return found


@pytest.mark.parametrize("tag", ["[F25]", "[ F 25 ]"])
def test_tag_becomes_picture(tag: str) -> None:
    page = assemble_table(f"<fcel>Logo {tag}<fcel>ACME<nl>")
    [table] = page.blocks
    assert table.content == f'<table><tr><td>Logo <img src="{KEY}" alt="Image" /></td><td>ACME</td></tr></table>'
    assert images(page.markdown) == [{"src": KEY, "alt": "Image"}]


def test_other_tags_stay_text() -> None:
    page = assemble_table("<fcel>[F25]<fcel>[F2]<fcel>[F255]<nl>")
    assert "<td>[F2]</td><td>[F255]</td>" in page.blocks[0].content


@pytest.mark.parametrize("table", ["<fcel>Logo<fcel>ACME<nl>", "no table [F25]", ""])
def test_unread_tag_keeps_own_block(table: str) -> None:
    page = assemble_table(table)
    assert [block.label for block in page.blocks] == ["table", "image"]
    assert [image["src"] for image in images(page.markdown)] == [KEY]


def test_picture_text_in_cell() -> None:
    page = assemble_table("<fcel>[F25]<nl>", Reading("A & <b>\nB"), image_text=True)
    assert f'<td><img src="{KEY}" alt="Image" /><br>A &amp; &lt;b&gt;<br>B</td>' in page.blocks[0].content


def test_cell_without_picture() -> None:
    assert assemble_table("<fcel>[F25]<nl>", images="none").blocks[0].content == "<table><tr><td></td></tr></table>"


def test_failed_picture_text_is_named() -> None:
    page = assemble_table("<fcel>[F25]<nl>", Reading(status="failed", error="timed out"), image_text=True)
    assert page.status == "partial"
    assert "timed out" in page.warnings[0]


def test_plain_text_without_pictures() -> None:
    page = assemble_table("<fcel>Logo [F25]<fcel>ACME<nl>")
    assert render_text(page, OcrOptions()) == "Logo \tACME"


def spots(text: str) -> list[tuple[str, Polygon | None]]:
    return [(spot.text, spot.polygon) for spot in parse_spots(text, PAGE)]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (f"one{CORNERS}\ntwo words{CORNERS}", [("one", PIXELS), ("two words", PIXELS)]),
        (
            f"<|TEXT_START|>one<|TEXT_END|><|LOC_BEGIN|>{CORNERS}<|LOC_END|>"
            f"<|TEXT_START|>two<|TEXT_END|><|LOC_BEGIN|>{CORNERS}<|LOC_END|>",
            [("one", PIXELS), ("two", PIXELS)],
        ),
        (f"one{CORNERS}cut<|LOC_1|><|LOC_2|>", [("one", PIXELS), ("cut", None)]),
        ("no place", [("no place", None)]),
        (f"one{CORNERS}{CORNERS}", [("one", PIXELS)]),
        (CORNERS, []),
        ("", []),
    ],
)
def test_spot_corners(answer: str, expected: list[tuple[str, Polygon | None]]) -> None:
    assert spots(answer) == expected


def test_spot_corners_stay_inside() -> None:
    [spot] = parse_spots("x" + "<|LOC_99999|>" * 8, (10, 20, 110, 220))
    assert spot.polygon == ((110, 220),) * 4


@given(
    st.lists(
        st.sampled_from(["a", "b c", "<", "|", "<|LOC_", "<|LOC_5|>", "<|TEXT_START|>", "<|LOC_END|>", "\n"]),
        max_size=60,
    )
)
def test_spots_keep_all_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    bare = re.sub(r"<\|LOC_\d+\|>", "", re.sub(r"<\|(?:TEXT_START|LOC_END)\|>", "", text))
    assert "".join("".join(spot.text for spot in parse_spots(text, PAGE)).split()) == "".join(bare.split())


def test_image_keys_differ_by_page() -> None:
    region = Region("image", (1, 2, 3, 4), 1)
    assert image_key(1, region) == "imgs/p1_img_in_image_box_1_2_3_4.jpg"
    assert image_key(2, region) != image_key(1, region)


PROSE = "Stock-based compensation is recognised over the period in which it is earned. " * 4


@pytest.mark.parametrize(
    ("number", "box"), [("62", (480, 700, 520, 725)), ("- 7 -", (470, 760, 530, 785)), ("xiv", (480, 700, 520, 725))]
)
def test_a_number_alone_in_the_middle_below_the_text_is_the_pages(number: str, box: tuple[int, int, int, int]) -> None:
    regions = [Region("text", (100, 100, 900, 600), 1), Region("text", box, 2)]
    page = assemble_page(1, 1000, 1400, 144, regions, [Reading(PROSE), Reading(number)], OcrOptions())
    assert page.blocks[1].label == "number"
    assert number not in page.markdown


@pytest.mark.parametrize(
    ("text", "number", "box"),
    [
        (PROSE, "62", (100, 700, 140, 725)),
        (PROSE, "62", (480, 610, 520, 635)),
        (PROSE, "62 %", (480, 700, 520, 725)),
        ("Seats left", "62", (480, 700, 520, 725)),
    ],
    ids=["at the edge", "close to the text", "an amount", "below a few words"],
)
def test_other_numbers_below_a_text_stay(text: str, number: str, box: tuple[int, int, int, int]) -> None:
    regions = [Region("text", (100, 100, 900, 600), 1), Region("text", box, 2)]
    page = assemble_page(1, 1000, 1400, 144, regions, [Reading(text), Reading(number)], OcrOptions())
    assert number in page.markdown
