"""HTML and plain text of a whole document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gateway.assembly.page import assemble_page, assemble_text
from gateway.assembly.render import MAX_PARSED_TEXT, html_frame, render_html, render_markdown, render_text
from gateway.model import PageResult, Reading, Region, TextPage
from gateway.reading_options import OcrOptions

KEY = "imgs/p1_img_in_image_box_0_0_50_10.jpg"


def page_of(*parts: tuple[str, str]) -> PageResult:
    regions = [Region(label, (0, 0, 50, 10), at) for at, (label, _) in enumerate(parts, 1)]
    return assemble_page(1, 100, 100, None, regions, [Reading(text) for _, text in parts], OcrOptions())


def html_of(page: PageResult, images: Mapping[str, str] | None = None, name: str = "a.pdf") -> str:
    head, foot = html_frame(name)
    return head + render_html(page, images or {}) + foot


class Seen(HTMLParser):
    """Tags with attributes, and text of the body, as a browser parses them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text[text.index("<body>") :])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_standalone_html_page() -> None:
    text = html_of(
        page_of(("doc_title", "Title"), ("text", "- one\n- two"), ("table", "<fcel>A<lcel><nl><fcel>1<fcel>2<nl>"))
    )
    assert text.startswith("<!doctype html>")
    assert '<meta charset="utf-8">' in text
    assert "<h1>Title</h1>" in text
    assert "<li>one</li>" in text
    assert '<td colspan="2">A</td>' in text


def test_a_long_text_file_stands_as_it_is_written() -> None:
    text = "\n # A&amp;B </pre><script>alert(1)</script> $x$ \\$\n\n" * 2000
    seen = Seen(html_of(assemble_text(TextPage(1, text))))
    assert [tag for tag, _ in seen.tags] == ["body", "section", "pre"]
    assert text in seen.text
    assert "<h1>" in html_of(assemble_text(TextPage(1, text[:MAX_PARSED_TEXT])))


def test_hostile_text_is_shown_and_harmless() -> None:
    hostile = "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1)) ![b](https://evil/x.png)"
    for label in ("text", "doc_title", "figure_title", "content", "table", "display_formula", "footnote"):
        seen = Seen(html_of(page_of((label, hostile), ("table", f"<fcel>{hostile}<nl>")), name="<script>"))
        assert {tag for tag, _ in seen.tags} <= {"body", "section", "p", "h1", "div", "table", "tbody", "tr", "td"}
        assert not any(name.startswith("on") or name == "src" for _, names in seen.tags for name in names)
        assert "<script>alert(1)</script>" in seen.text.replace("< ", "<")


def test_only_own_pictures() -> None:
    page = page_of(("image", ""), ("image", ""))
    page.markdown += '\n\n<img src="https://evil.example/track.png">'
    sources = [names.get("src") for tag, names in Seen(html_of(page, {KEY: "/9j/AAAA"})).tags if tag == "img"]
    assert sources == ["data:image/jpeg;base64,/9j/AAAA", "data:image/jpeg;base64,/9j/AAAA", None]


def test_picture_sources() -> None:
    markdown = f'x <img src="{KEY}" alt="Image" />'
    assert '"/files/1/a.jpg"' in render_markdown(markdown, {KEY: "/files/1/a.jpg"})
    assert '"data:image/jpeg;base64,/9j/AA=="' in render_markdown(markdown, {KEY: "/9j/AA=="})
    assert render_markdown(markdown, {}) == markdown


def test_formulas_come_through_letter_by_letter() -> None:
    latex = r"\{ a_1 * b_2 * c \} \\ \frac{x}{y}"
    assert latex in Seen(html_of(page_of(("display_formula", latex)))).text
    assert latex in Seen(html_of(page_of(("text", f"so ${latex}$ holds")))).text


def test_plain_text_tables() -> None:
    result = page_of(
        ("doc_title", "Title"),
        ("header", "left out"),
        ("image", ""),
        ("table", "<fcel>A & B<lcel><fcel>c\nd<nl><fcel>1<fcel>2<fcel>3<nl>"),
        ("text", "a <b> line\nand another"),
    )
    assert render_text(result, OcrOptions()) == "Title\n\nA & B\t\tc d\n1\t2\t3\n\na <b> line\nand another"


def test_text_like_a_table() -> None:
    assert render_text(page_of(("text", "<table>is a tag")), OcrOptions()) == "<table>is a tag"


def test_row_spans_in_plain_text() -> None:
    table = "<fcel>A<fcel>B<lcel><nl><ucel><fcel>C<fcel>D<nl><fcel>1<fcel>2<ucel><nl>"
    assert render_text(page_of(("table", table)), OcrOptions()) == "A\tB\t\n\tC\tD\n1\t2\t"


@given(st.text(alphabet=st.sampled_from("ab<>/!?-&;lt\n\\$*_[]()`~|\"'=中"), max_size=60))
def test_html_keeps_all_letters(text: str) -> None:
    seen = Seen(html_of(page_of(("text", text), ("text", "end of it"))))
    assert re.findall(r"[a-z中]", seen.text) == re.findall(r"[a-z中]", text + "end of it")
