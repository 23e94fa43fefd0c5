"""Pictures back in the cells of their table."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from gateway.assembly.page import assemble_page
from gateway.assembly.render import render_text
from gateway.model import OcrOptions, PageResult, Reading, Region

KEY = "imgs/p1_img_in_image_box_10_10_90_90.jpg"
PICTURE = Region("image", (10, 10, 90, 90), 2, holder=1, tag="[F25]")
NOT_READ = Reading(status="skipped")


def assemble(table: str, figure: Reading = NOT_READ, **options: object) -> PageResult:
    regions = [Region("table", (0, 0, 400, 300), 1), PICTURE]
    return assemble_page(1, 500, 500, None, regions, [Reading(table), figure], OcrOptions(**options))  # type: ignore[arg-type]


def images(text: str) -> list[dict[str, str | None]]:
    found = []

    class Seen(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag == "img":
                found.append(dict(attrs))

    Seen().feed(text)
    return found


@pytest.mark.parametrize("tag", ["[F25]", "[ F 25 ]"])
def test_a_tag_gives_way_to_its_picture(tag: str) -> None:
    page = assemble(f"<fcel>Logo {tag}<fcel>ACME<nl>")
    [table] = page.blocks
    assert table.content == f'<table><tr><td>Logo <img src="{KEY}" alt="Image" /></td><td>ACME</td></tr></table>'
    assert images(page.markdown) == [{"src": KEY, "alt": "Image"}]


def test_other_tags_are_the_text_of_the_document() -> None:
    page = assemble("<fcel>[F25]<fcel>[F2]<fcel>[F255]<nl>")
    assert "<td>[F2]</td><td>[F255]</td>" in page.blocks[0].content


@pytest.mark.parametrize("table", ["<fcel>Logo<fcel>ACME<nl>", "no table [F25]", ""])
def test_a_picture_that_the_table_does_not_name_keeps_its_own_place(table: str) -> None:
    page = assemble(table)
    assert [block.label for block in page.blocks] == ["table", "image"]
    assert [image["src"] for image in images(page.markdown)] == [KEY]


def test_the_text_of_a_picture_stands_in_its_cell() -> None:
    page = assemble("<fcel>[F25]<nl>", Reading("A & <b>\nB"), image_text=True)
    assert f'<td><img src="{KEY}" alt="Image" /><br>A &amp; &lt;b&gt;<br>B</td>' in page.blocks[0].content


def test_without_pictures_the_cell_is_empty() -> None:
    assert assemble("<fcel>[F25]<nl>", images="none").blocks[0].content == "<table><tr><td></td></tr></table>"


def test_a_picture_whose_text_was_lost_is_named_by_its_table() -> None:
    page = assemble("<fcel>[F25]<nl>", Reading(status="failed", error="timed out"), image_text=True)
    assert page.status == "partial"
    assert "timed out" in page.warnings[0]


def test_plain_text_has_the_cells_without_pictures() -> None:
    page = assemble("<fcel>Logo [F25]<fcel>ACME<nl>")
    assert render_text(page, OcrOptions()) == "Logo \tACME"
