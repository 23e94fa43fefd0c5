"""Pages of one document put together."""

from __future__ import annotations

from gateway.assembly.page import assemble_failure, assemble_page
from gateway.assembly.restructure import assign_unique_keys, rename_images, restructure_pages
from gateway.model import PageFailure, PageResult, Reading, Region
from gateway.reading_options import OcrOptions

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


def test_markdown_of_merged_blocks() -> None:
    first, second, failed = restructure_pages(PAGES, OPTIONS)
    assert first.markdown.startswith("## Introduction\n\nWe begin and end.\n\n<table")
    assert "<tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr>" in first.markdown
    assert second.markdown.startswith('<div style="text-align: center;"><img src="imgs/p2_img_in_image')
    assert "and end" not in second.markdown
    assert failed == PAGES[2]


def test_options_off() -> None:
    assert restructure_pages(PAGES, OPTIONS, merge_tables=False, relevel_titles=False, join_paragraphs=False) == PAGES


def test_title_levels_in_markdown() -> None:
    pages = [page(1, ("paragraph_title", "1 One"), ("paragraph_title", "(a) is text"), ("paragraph_title", "(1) Deep"))]
    assert "## 1 One" in restructure_pages(pages, OPTIONS)[0].markdown.splitlines()


def test_equal_picture_names() -> None:
    key = "imgs/img_in_image_box_1_2_3_4.jpg"
    first, second, none, fourth = assign_unique_keys([(1, [key]), (2, [key, "imgs/other.jpg"]), (3, []), (4, [key])])
    assert (first, none) == ({key: key}, {})
    assert second == {key: "imgs/p2_img_in_image_box_1_2_3_4.jpg", "imgs/other.jpg": "imgs/other.jpg"}
    assert fourth == {key: "imgs/p4_img_in_image_box_1_2_3_4.jpg"}
    text = f'<img src="{key}" /> and ![]({key}), but {key} and "quoted" (text)'
    assert (
        rename_images(text, second)
        == f'<img src="{second[key]}" /> and ![]({second[key]}), but {key} and "quoted" (text)'
    )
    assert rename_images(text, none) == rename_images(text, first) == text


def test_occupied_picture_names() -> None:
    first = ["a", "p2_a", *(f"p2_{number}_a" for number in range(2, 50))]
    _, second = assign_unique_keys([(1, first), (2, ["a", "p2_a"])])
    assert len({*first, *second.values()}) == len(first) + 2
