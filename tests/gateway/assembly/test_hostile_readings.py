"""What must hold for any reading of any region: nothing raises, no text is lost, no text becomes markup."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from typing import TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.api.paddlex.to_paddlex import in_paddlex_units, pruned_result
from gateway.assembly.clean import clean_reading
from gateway.assembly.page import assemble_page
from gateway.assembly.render import html_frame, render_html, render_markdown, render_text
from gateway.assembly.restructure import restructure_pages
from gateway.imaging.block_merging import merge_layout_blocks
from gateway.imaging.table_images import assign_tags
from gateway.labels import LABELS
from gateway.model import BBox, BlockStatus, PageResult, Reading, Region
from gateway.reading_options import OcrOptions
from gateway.recognized_page import RecognizedPage

PIECES = (
    *("<fcel>", "<ecel>", "<lcel>", "<ucel>", "<xcel>", "<nl>", "<fcel>[F25]", "<|LOC_500|>" * 8, "<|LOC_1|>"),
    *("<table>", "</table>", "<tr>", "<td colspan=9>", '<td rowspan="3">', "</td>", "<html><body>", "<!--", "-->"),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</div>",
        "</section>",
        "<![CDATA[",
        "<?php",
        "&lt;",
    ),
    *("[a](javascript:alert(1))", "![b](https://evil.example/x.png)", "`c`", "```\n", "# ", "- ", "1. ", "    ", "|"),
    *("\\(", "\\)", "\\[", "\\]", "$", "$$", "\\$", "\\frac{a}{b}", "\\\\", "-\n", "\n", "\n\n", "\t", " "),
    *("\x00", "\x0b", "\x1b[31m", "\x7f", "\u2028", "\ud800", "\ufffe", "\u202e", "\u00ad", "\u2060"),
    *("word", "слово", "字", "a<b", "x & y", '"q"', "'", "[F25]", "0" * 60, "ab " * 30),
)
TEXT = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)
COORDINATE = st.integers(-50, 700) | st.integers(-(2**40), 2**40)
BOX = st.tuples(COORDINATE, COORDINATE, COORDINATE, COORDINATE) | st.sampled_from(
    [(10, 10, 400, 300), (20, 20, 200, 200), (20, 20, 200, 200), (30, 30, 30, 30)]
)
STATUS: st.SearchStrategy[BlockStatus] = st.sampled_from(["ok", "ok", "ok", "truncated", "failed", "skipped"])
PARTS = st.lists(st.tuples(st.sampled_from(sorted(LABELS)), BOX, TEXT, STATUS), min_size=1, max_size=8)
OPTIONS = st.builds(
    OcrOptions,
    chart=st.booleans(),
    seal=st.booleans(),
    image_text=st.booleans(),
    ignore_labels=st.sampled_from([frozenset(), OcrOptions().ignore_labels]),
    pretty=st.booleans(),
    formula_numbers=st.booleans(),
)
Parts: TypeAlias = list[tuple[str, BBox, str, BlockStatus]]
"""Label, box, reading and its status."""
OWN_TAGS = {"table", "thead", "tbody", "tr", "td", "th", "br", "div", "img"}
OWN_ATTRIBUTES = {"border", "style", "rowspan", "colspan", "src", "alt", "width"}
SHOWN_TAGS = {"section", "p", "ol", "ul", "li", "pre", "code", *(f"h{level}" for level in range(1, 7))}
VOID = {"br", "img"}


class Markup(HTMLParser):
    """The tags of a text, each of which is one of ours and is closed in its place, and the text between."""

    def __init__(self, text: str, tags: set[str] = OWN_TAGS, attributes: set[str] = OWN_ATTRIBUTES) -> None:
        super().__init__()
        self.text = ""
        self._open: list[str] = []
        self._tags, self._attributes = tags, attributes
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self._tags
        assert {name for name, _ in attrs} <= self._attributes
        assert all((value or "").startswith("imgs/p1_img_in_") for name, value in attrs if name == "src")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration: {decl!r}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data!r}")


def page_of(parts: Parts, options: OcrOptions, *, is_vlm: bool) -> RecognizedPage:
    found = [Region(label, box, at, 0.5) for at, (label, box, _, _) in enumerate(parts, 1)]
    regions = assign_tags(merge_layout_blocks(found, options))
    readings = [
        clean_reading(Reading(text, status, error=None if status == "ok" else "why"), region, is_vlm=is_vlm)
        for region, (_, _, text, status) in zip(regions, parts, strict=True)
    ]
    return RecognizedPage(assemble_page(1, 600, 500, 200, regions, readings, options), regions=regions)


def letters(text: str) -> list[str]:
    return sorted(character for character in text if unicodedata.category(character) in ("Lu", "Ll", "Lo"))


@settings(deadline=None, max_examples=300)
@given(parts=PARTS, options=OPTIONS, is_vlm=st.booleans())
def test_markup_is_well_formed(parts: Parts, options: OcrOptions, is_vlm: bool) -> None:
    page = page_of(parts, options, is_vlm=is_vlm)
    for each in (page, in_paddlex_units(page)):
        Markup(each.result.markdown)
        for block in each.result.blocks:
            if block.label == "table" and block.content.startswith("<table>"):
                Markup(block.content)
    head, foot = html_frame("<script>x</script>")
    html = head + render_html(page.result, {}) + foot
    Markup(
        html[html.index("<body>") + len("<body>") : html.index("</body>")],
        OWN_TAGS | SHOWN_TAGS,
        OWN_ATTRIBUTES | {"id", "start"},
    )
    PageResult.model_validate_json(page.result.model_dump_json())
    render_markdown(page.result.markdown, {})
    render_text(page.result, options)


@settings(deadline=None, max_examples=300)
@given(parts=PARTS, is_vlm=st.booleans())
def test_json_keeps_all_letters(parts: Parts, is_vlm: bool) -> None:
    kept = [part for part in parts if part[3] == "ok" and part[0] != "table"]
    page = page_of(kept, OcrOptions(), is_vlm=is_vlm).result
    for block, (_, _, text, _) in zip(page.blocks, kept, strict=False):
        if block.status == "ok" and len(page.blocks) == len(kept):
            shown = re.sub(r"\ufffd", "", block.content)
            assert letters(shown) == letters(re.sub(r"[\x1b\ud800]", "", text)), block.label


@settings(deadline=None)
@given(parts=PARTS, options=OPTIONS, formatted=st.booleans(), is_vlm=st.booleans())
def test_paddlex_page_of_any_reading(parts: Parts, options: OcrOptions, formatted: bool, is_vlm: bool) -> None:
    page = in_paddlex_units(page_of(parts, options, is_vlm=is_vlm))
    switches = ("use_layout_detection", "return_layout_polygon_points")
    settings_ = {**dict.fromkeys(switches, True), "format_block_content": formatted}
    pruned = pruned_result(page, options, settings_, None)
    assert [entry["block_id"] for entry in pruned["parsing_res_list"]] == list(range(len(page.result.blocks)))
    if formatted:
        for entry in pruned["parsing_res_list"]:
            if entry["block_label"] not in options.ignore_labels:
                Markup(entry["block_content"])


def as_second_page(page: PageResult) -> PageResult:
    """With ids of its own, as every page of a document has them."""
    blocks = [
        block.model_copy(update={"id": block.id.replace("p1-", "p2-"), "group_id": None}) for block in page.blocks
    ]
    return page.model_copy(update={"page": 2, "blocks": blocks})


@settings(deadline=None)
@given(parts=PARTS, more=PARTS, options=OPTIONS)
def test_restructure_any_readings(parts: Parts, more: Parts, options: OcrOptions) -> None:
    first = page_of(parts, options, is_vlm=True).result
    second = as_second_page(page_of(more, options, is_vlm=True).result)
    pages = restructure_pages([first, second], options)
    assert [len(page.blocks) for page in pages] == [len(first.blocks), len(second.blocks)]
    for page in pages:
        Markup(page.markdown.replace("imgs/p2", "imgs/p1"))
