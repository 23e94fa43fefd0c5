"""Pages as parts of a standalone HTML page, as plain text, and as Markdown with its pictures in place."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Mapping

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

from gateway.assembly.page import visible_blocks
from gateway.assembly.tables.html import table_rows
from gateway.assembly.text.formulas import MATH, unescape_dollars
from gateway.assembly.text.mathml import MATHML_ATTRIBUTES, MATHML_TAGS, write_mathml
from gateway.labels import TEXT_FILE
from gateway.model import Block, PageResult
from gateway.reading_options import OcrOptions

POLICY = "default-src 'none'; img-src 'self' data: https:; style-src 'unsafe-inline'"
"""Content security policy of a rendered page: pictures and its own style, nothing else."""

_PAGE = """<!doctype html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 60em; margin: 2em auto; padding: 0 1em; font-family: sans-serif; line-height: 1.5; }}
table {{ border-collapse: collapse; }} td, th {{ border: 1px solid; padding: .2em .5em; }} img {{ max-width: 100%; }}
pre {{ white-space: pre-wrap; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""
MAX_PARSED_TEXT = 50_000
"""Characters of a text file that are shown as Markdown, half a second at most; 2 MB of short paragraphs took 20 s."""
MAX_PARSED_PAGE = 300_000
"""Characters of a page's Markdown; a dense page with its tables has a tenth of them."""
_TAGS = {
    *("br", "code", "div", "img", "li", "ol", "p", "pre", "section", "ul", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "td", "th"),
}
_FRAGMENT_TAGS = _TAGS | MATHML_TAGS
_ATTRIBUTES = {
    "div": {"style"},
    "img": {"src", "alt", "width"},
    "ol": {"start"},
    "section": {"id"},
    "table": {"border", "style"},
    "td": {"rowspan", "colspan"},
}
_FRAGMENT_ATTRIBUTES = {
    **{tag: names - {"style", "border"} for tag, names in _ATTRIBUTES.items()},
    **{tag: set(MATHML_ATTRIBUTES) for tag in MATHML_TAGS},
}
_IMAGE = re.compile(r'(<img src=")([^"]*)(")')
_PICTURE = re.compile(r'!\[\]\(([^()\s]+)\)|<img src="([^"<>]*)"[^<>]*>')
_CELL_BREAK = re.compile(r"[\t\n]")
_ESCAPED_DOLLAR = re.compile(r"\\\$")


def render_markdown(markdown: str, images: Mapping[str, str]) -> str:
    """Markdown whose picture keys are replaced by the values of `images`: URLs and paths that end in `.jpg`, data
    URIs, or base64 JPEG put in as one."""
    return _IMAGE.sub(lambda match: match[1] + _image_source(images, match[2]) + match[3], markdown)


def replace_pictures(markdown: str, texts: Mapping[str, str]) -> str:
    """Markdown that was not written `pretty`, with something else in the place of pictures. `texts`: by their keys."""
    return _PICTURE.sub(lambda match: texts.get(match[1] or match[2], match[0]), markdown)


def html_frame(title: str) -> tuple[str, str]:
    """What stands before and after the pages of a standalone HTML page."""
    head, _, foot = _PAGE.partition("{body}")
    return head.format(policy=POLICY, title=html.escape(title)), foot.format()


def render_html(page: PageResult, images: Mapping[str, str]) -> str:
    """The page as a section that is safe to show: only our own pictures, no script, no style but alignment.

    Half a second of CPU at most for a text file, three for any other page. What is longer stands as it is written.
    """
    is_text = any(block.label == TEXT_FILE for block in page.blocks)
    if len(page.markdown) > (MAX_PARSED_TEXT if is_text else MAX_PARSED_PAGE):
        # HTML drops a line break right behind the tag.
        return f'<section id="page-{page.page}">\n<pre>\n{html.escape(page.markdown)}</pre>\n</section>'
    markdown = _MARKDOWN.render(render_markdown(page.markdown, images))
    sources = {_image_source(images, match[2]) for match in _IMAGE.finditer(page.markdown) if match[2] in images}
    return _sanitize(f'<section id="page-{page.page}">\n{markdown}</section>', sources)


def render_fragment(markdown: str, keys: Collection[str]) -> str:
    """Markdown as a part of an HTML page, safe as `render_html` has it, with formulas as MathML and pictures by their
    `keys`, and without styles, which a strict policy of the page would refuse. A formula that is not understood stays
    LaTeX."""
    return _sanitize(_FRAGMENT.render(markdown).strip(), set(keys), _FRAGMENT_TAGS, _FRAGMENT_ATTRIBUTES)


def render_text(page: PageResult, options: OcrOptions) -> str:
    """Contents of the blocks in reading order, a blank line between; tables with tabs between their cells."""
    parts = (_plain_text(block) for block in visible_blocks(page.blocks, options))
    return "\n\n".join(part for part in parts if part)


def _image_source(images: Mapping[str, str], key: str) -> str:
    value = images.get(key, key)
    is_address = value is key or value.startswith("data:") or value.endswith(".jpg")
    return value if is_address else f"data:image/jpeg;base64,{value}"


def _sanitize(
    body: str,
    sources: set[str],
    tags: set[str] = _TAGS,
    attributes: dict[str, set[str]] = _ATTRIBUTES,
) -> str:
    def only_own_pictures(tag: str, attribute: str, value: str) -> str | None:
        return None if (tag, attribute) == ("img", "src") and value not in sources else value

    return nh3.clean(
        body,
        tags=tags,
        attributes=attributes,
        attribute_filter=only_own_pictures,
        url_schemes={"http", "https", "data"},
        filter_style_properties={"text-align", "margin", "word-wrap"},
    )


def _math(state: StateInline, silent: bool) -> bool:
    """A formula as it is."""
    match = MATH.match(state.src, state.pos)
    return _literal(state, silent, match, match[0]) if match else False


def _mathml(state: StateInline, silent: bool) -> bool:
    """A formula as MathML, or as it is."""
    match = MATH.match(state.src, state.pos)
    if not match:
        return False
    written = None if silent else write_mathml(match[0].strip("$"), is_block=match[0].startswith("$$"))
    if written is None:
        return _literal(state, silent, match, match[0])
    state.push("html_inline", "", 0).content = written
    state.pos = match.end()
    return True


def _dollar(state: StateInline, silent: bool) -> bool:
    """A dollar sign that opens no formula."""
    match = _ESCAPED_DOLLAR.match(state.src, state.pos)
    return _literal(state, silent, match, "$") if match else False


def _literal(state: StateInline, silent: bool, match: re.Match[str], text: str) -> bool:
    if not silent:
        state.push("text", "", 0).content = text
    state.pos = match.end()
    return True


def _markdown(math: Callable[[StateInline, bool], bool]) -> MarkdownIt:
    """Headings, lists, listings, line breaks and HTML only: a page's own stars, underscores and brackets are text."""
    parser = MarkdownIt("zero", {"html": True, "breaks": True})
    parser.enable(["fence", "heading", "list", "html_block", "html_inline", "newline", "entity"])
    parser.inline.ruler.before("text", "math", math)
    parser.inline.ruler.before("text", "dollar", _dollar)
    return parser


_MARKDOWN = _markdown(_math)
_FRAGMENT = _markdown(_mathml)


def _plain_text(block: Block) -> str:
    if block.label == TEXT_FILE:
        return block.content
    if block.label != "table" or not block.content.startswith("<table>"):
        return unescape_dollars(block.content.strip())
    rows = table_rows(block.content)
    return "\n".join("\t".join(_CELL_BREAK.sub(" ", cell) for cell in row) for row in rows)
