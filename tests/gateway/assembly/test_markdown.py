"""Blocks to Markdown, label by label."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gateway.assembly.markdown import block_markdown, page_markdown
from gateway.labels import LABELS
from gateway.model import Block


def block(label: str, content: str, number: int = 1) -> Block:
    return Block(id=f"p1-b{number}", label=label, bbox=(100, 0, 350, 100), order=number, content=content)


@pytest.mark.parametrize(
    ("label", "content", "expected"),
    [
        ("doc_title", "A Title\nover lines", "# A Title over lines"),
        ("paragraph_title", "Introduction", "## Introduction"),
        ("paragraph_title", "1. Introduction", "## 1. Introduction"),
        ("paragraph_title", "1.2 Method", "### 1.2 Method"),
        ("paragraph_title", "2.3.4 Detail", "#### 2.3.4 Detail"),
        ("paragraph_title", "U.S. Policy in the E.U.", "## U.S. Policy in the E.U."),
        ("text", "one\ntwo", "one two"),
        ("abstract", "Abstract\nWe show", "## Abstract\n\nWe show"),
        ("abstract", "We show\nthat", "We show that"),
        ("abstract", "ABSTRACT We show\nthat", "## ABSTRACT\n\nWe show that"),
        ("abstract", "摘要 本文", "## 摘要\n\n本文"),
        ("abstract", "Abstract art is shown", "Abstract art is shown"),
        ("content", "One 1\nTwo 2", "One 1  \nTwo 2"),
        ("figure_title", "Figure 1: a < b\n& c", '<div style="text-align: center;">Figure 1: a &lt; b &amp; c</div>'),
        ("seal", "Acme & Co\nBerlin", '<div style="text-align: center;">Acme &amp; Co Berlin</div>'),
        (
            "table",
            "<table><tr><td>x</td></tr></table>",
            "<table border=1 style='margin: auto; word-wrap: break-word;'><tr><td>x</td></tr></table>",
        ),
        ("table", "x y\nz", "x y  \nz"),
        ("display_formula", r"\[ a^2 \]", "$$ a^2 $$"),
        ("display_formula", "$$\na^2\n\n+ b\n$$", "$$ a^2 + b $$"),
        ("display_formula", "a^2", "$$ a^2 $$"),
        ("inline_formula", r"\( x \)", "$x$"),
        ("text", "<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("text", "a < b and c > d", "a &lt; b and c > d"),
        ("spotting", "one\n\ntwo", "one  \ntwo"),
        ("something_new", "kept", "kept"),
        ("text", "", ""),
    ],
)
def test_markdown_by_label(label: str, content: str, expected: str) -> None:
    assert block_markdown(block(label, content), None, 1000) == expected


def test_chart_table() -> None:
    markdown = block_markdown(block("chart", "a | b\n1 | 2"), None, 1000)
    assert markdown.startswith("<table border=1")
    assert "<th>a</th>" in markdown


def test_chart_html_stays_text() -> None:
    markdown = block_markdown(block("chart", "<table><script>a()</script></table>"), None, 1000)
    assert markdown == "&lt;table>&lt;script>a()&lt;/script>&lt;/table>"


def test_picture_width() -> None:
    assert block_markdown(block("image", ""), "imgs/a.jpg", 1000) == (
        '<div style="text-align: center;"><img src="imgs/a.jpg" alt="Image" width="25%" /></div>'
    )


def test_blank_lines_between_blocks() -> None:
    blocks = [block("doc_title", "T", 1), block("text", " ", 2), block("image", "", 3), block("text", "end", 4)]
    markdown = page_markdown(blocks, {"p1-b3": "imgs/a.jpg"}, 1000)
    assert markdown.split("\n\n")[0] == "# T"
    assert markdown.split("\n\n")[-1] == "end"
    assert "\n\n\n" not in markdown
    assert markdown.count("<img") == 1


def test_formula_numbers() -> None:
    pair = [block("display_formula", "a=b", 1), block("formula_number", "(3)", 2)]
    assert page_markdown(pair, {}, 1000) == r"$$ a=b \tag*{(3)} $$"
    assert page_markdown(pair[::-1], {}, 1000) == "(3)\n\n$$ a=b $$"


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(LABELS)), st.text(alphabet="ab1 \n.-<>/$\\&#|(中", max_size=30)), max_size=6
    )
)
def test_blocks_keep_all_letters(parts: list[tuple[str, str]]) -> None:
    blocks = [block(label, content, at) for at, (label, content) in enumerate(parts, 1)]
    markdown = re.sub(r"</?(?:div|table|thead|tbody|tr|th|td)\b[^>]*>", "", page_markdown(blocks, {}, 1000))
    markdown = markdown.replace(r"\tag*", "").replace("&lt;", "").replace("&gt;", "").replace("&amp;", "")
    wanted = "".join(content for _, content in parts)
    assert re.findall(r"[ab1中]", markdown) == re.findall(r"[ab1中]", wanted)


@pytest.mark.parametrize(
    "target",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd"),
        *(r"javascript\:alert(1)", "java&Tab;script&colon;alert(1)", "&#106;avascript:alert(1)", "\n javascript:x"),
    ],
)
@pytest.mark.parametrize("form", ["[a]({})", "![a]({})", "[a]: {}", "$[a]({})$", "[a](https://b.example)[c]({})"])
def test_page_text_links_to_no_script(form: str, target: str) -> None:
    """A reader of Markdown that knows links makes none of it."""
    markdown = block_markdown(block("text", form.format(target)), None, 1000)
    rendered = MarkdownIt("commonmark", {"linkify": False}).disable("html_inline").render(markdown)
    links = re.findall(r'(?:href|src)="([^"]*)"', rendered)
    assert links == ["https://b.example"] * form.count("https")


@pytest.mark.parametrize("form", ["![a]({})", "![]({})", "![a][b]\n\n[b]: {}", "$![a]({})$", "!$[a]({})$"])
@pytest.mark.parametrize("label", ["text", "paragraph_title", "figure_title", "display_formula", "abstract", "header"])
@pytest.mark.parametrize("pretty", [True, False])
def test_page_text_is_no_picture(label: str, form: str, *, pretty: bool) -> None:
    """Readers of Markdown would fetch it, wherever it is."""
    markdown = block_markdown(block(label, form.format("https://a.example/b.png")), None, 1000, pretty=pretty)
    assert "<img" not in MarkdownIt("commonmark").render(markdown)


@pytest.mark.parametrize("target", ["https://a.example/x?y=1#z", "mailto:a@b.example", "/f/a.jpg", "#part", "a.jpg"])
def test_other_links_stay(target: str) -> None:
    assert f"[a]({target})" in block_markdown(block("text", f"See [a]({target})."), None, 1000)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"\href{javascript:alert(1)}{x}", r"\text{javascript:alert(1)}{x}"),
        (r"\href {data:text/html,x}{y}", r"\text {data:text/html,x}{y}"),
        (r"\url{file:///etc}", r"\text{file:///etc}"),
        (r"\includegraphics{https://a.example/b.png}", r"\text{https://a.example/b.png}"),
        (r"\htmlStyle{color:red}{x}", r"\text{color:red}{x}"),
        (r"\href{https://a.example/b?c=1}{x}", None),
        (r"\url{mailto:a@b.example}", None),
        (r"a \\href b", None),
        (r"\hrefs{a} + \classic", None),
    ],
)
@pytest.mark.parametrize("label", ["display_formula", "text", "figure_title"])
def test_formulas_link_to_no_script(label: str, written: str, shown: str | None) -> None:
    assert (shown or written) in block_markdown(block(label, f"$$ {written} $$"), None, 1000)
    assert (shown or written) in block_markdown(block("text", rf"as \( {written} \) is"), None, 1000)


def test_parts_of_a_listing_are_one() -> None:
    """Its first line and its last bracket are blocks of their own, and the text behind it is none of it."""
    listing = block("text", "int main(void) {\n    int crates = 0;\n    return crates;", 2)
    parts = [
        block("text", "#include <stdio.h>"),
        listing,
        block("text", "}", 3),
        block("text", "It prints weights.", 4),
    ]
    code, text = page_markdown(parts, {}, 500).removeprefix("```\n").split("\n```\n\n")
    assert [line for line in code.splitlines() if line] == [
        "#include < stdio.h>", "int main(void) {", "    int crates = 0;", "    return crates;", "}"
    ]  # fmt: skip
    assert text == "It prints weights."


def test_bracket_alone_is_no_listing() -> None:
    assert page_markdown([block("text", "}"), block("text", "end", 2)], {}, 500) == "}\n\nend"
