"""Pages of one document put together."""

from __future__ import annotations

from gateway.assembly.page import assemble_failure, assemble_page
from gateway.assembly.restructure import concatenated, restructured
from gateway.model import OcrOptions, PageFailure, PageResult, Reading, Region

OPTIONS = OcrOptions()


def page(number: int, *parts: tuple[str, str]) -> PageResult:
    regions = [Region(label, (0, at * 50, 400, at * 50 + 40), at) for at, (label, _) in enumerate(parts, 1)]
    return assemble_page(number, 500, 800, 144, regions, [Reading(text) for _, text in parts], OPTIONS)


PAGES = [
    page(
        1, ("paragraph_title", "Introduction"), ("text", "We begin"), ("table", "<fcel>a<fcel>b<nl>"), ("footer", "f")
    ),
    page(2, ("header", "h"), ("table", "<fcel>c<fcel>d<nl>"), ("image", ""), ("text", "and end.")),
    assemble_failure(PageFailure(3, "page_unreadable", "gone")),
]


def test_markdown_shows_what_was_put_together() -> None:
    first, second, failed = restructured(PAGES, OPTIONS)
    assert first.markdown.startswith("## Introduction\n\nWe begin and end.\n\n<table")
    assert "<tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr>" in first.markdown
    assert second.markdown.startswith('<div style="text-align: center;"><img src="imgs/p2_img_in_image')
    assert "and end" not in second.markdown
    assert failed == PAGES[2]


def test_nothing_that_was_not_asked_for_is_done() -> None:
    assert restructured(PAGES, OPTIONS, merge_tables=False, relevel_titles=False, join_paragraphs=False) == PAGES


def test_levels_are_in_the_markdown() -> None:
    pages = [page(1, ("paragraph_title", "1 One"), ("paragraph_title", "(a) is text"), ("paragraph_title", "(1) Deep"))]
    assert "## 1 One" in restructured(pages, OPTIONS)[0].markdown.splitlines()


def test_pictures_of_two_pages_with_one_name_are_both_kept() -> None:
    key = "imgs/img_in_image_box_1_2_3_4.jpg"
    markdown, pictures = concatenated(
        [
            (1, f'<img src="{key}" />', {key: b"one"}),
            (2, f'<img src="{key}" /> and ![]({key})', {key: b"two"}),
            (3, "", {}),
            (4, f"![]({key})", {key: b"four"}),
        ]
    )
    second, fourth = "imgs/p2_img_in_image_box_1_2_3_4.jpg", "imgs/p4_img_in_image_box_1_2_3_4.jpg"
    assert pictures == {key: b"one", second: b"two", fourth: b"four"}
    assert markdown == f'<img src="{key}" />\n\n<img src="{second}" /> and ![]({second})\n\n![]({fourth})'
