"""Blocks to Markdown, by label, as PaddleOCR-VL writes it (its "pretty" form)."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from gateway.assembly.tables.html import chart_to_html
from gateway.assembly.text.columns import find_rooms
from gateway.assembly.text.formulas import MATH, disarm_formulas, extract_latex, has_formula, separate_tags
from gateway.assembly.text.listings import is_laid_out, is_listing, is_program, write_listing
from gateway.assembly.text.reflow import join_lines, keep_lines, reflow
from gateway.labels import CAPTION_LABELS, LINE_LABELS, TEXT_FILE, is_formula
from gateway.model import Block

_TABLE = "<table border=1 style='margin: auto; word-wrap: break-word;'>"
_CENTRED = CAPTION_LABELS | {"seal"}
_LISTING_LABELS = frozenset({"algorithm", "text"})
"""Regions that may hold program text."""
_NUMBERING = re.compile(r"\d+((?:\.\d+)*)\.?(?=\s|$|[^\d\s.%])")
_ABSTRACT = re.compile(
    r"\s*(?i:abstract|摘\s*要|аннотация|реферат)(?:[^\S\n]*+[:：.]?[^\S\n]*+\n|[^\S\n]++(?=[^\W\d_a-zа-яё]))"
)
_NUMBER = re.compile(r"[\w().,:'*\-–]{1,16}")
_LINK = re.compile(r"\](?=[(:]\s*+(\S{1,200}))")
"""Where a link's target, or its definition's, begins; whoever writes a longer scheme than that has none in mind."""
_IGNORED_IN_URLS = re.compile(r"[\\<\x00-\x20\x7f-\xa0]")
_SCHEME = re.compile(r"[^/?#:]*:")
_SCHEMES = frozenset({"http:", "https:", "mailto:"})
_ENTITY = re.compile(r"&(?=#?\w+;)")
_FENCE = re.compile(r"^([^\S\n]*)([`~])(?=\2\2)", re.MULTILINE)


def page_markdown(
    blocks: Sequence[Block],
    pictures: Mapping[str, str],
    page_width: int,
    *,
    pretty: bool = True,
    formula_numbers: bool = True,
) -> str:
    """The page's Markdown: its blocks in order, one blank line between. `pictures`: block id to picture key.

    Without `pretty`, pictures and captions are plain Markdown and tables carry no style; without `formula_numbers`,
    the numbers of formulas are left out.
    """
    visible = _join_listings([block for block in blocks if formula_numbers or block.label != "formula_number"])
    rooms = find_rooms(visible, page_width)
    parts = [
        block_markdown(block, pictures.get(block.id), page_width, number, pretty=pretty, room=rooms.get(block.id, 1.0))
        for block, number in pair_formula_numbers(visible)
    ]
    return "\n\n".join(part for part in parts if part)


def _join_listings(blocks: Sequence[Block]) -> list[Block]:
    """The blocks, the parts of one listing as one: layout models cut off its first and last lines."""
    result: list[Block] = []
    for is_likely, group in groupby(blocks, _may_be_program):
        parts = list(group)
        if is_likely and len(parts) > 1 and any(is_listing(block.content) for block in parts):
            parts = [parts[0].model_copy(update={"content": "\n\n".join(block.content for block in parts)})]
        result.extend(parts)
    return result


def holds_listing(block: Block) -> bool:
    """Whether the block's lines stay as they are: program text, or what is set with spaces and holds no formula."""
    is_spaced = block.label == "algorithm" and is_laid_out(block.content) and not has_formula(block.content)
    return is_spaced or (block.label in _LISTING_LABELS and is_listing(block.content))


def _may_be_program(block: Block) -> bool:
    return block.label in _LISTING_LABELS and (is_program(block.content) or is_listing(block.content))


def format_blocks(blocks: Sequence[Block], pictures: Mapping[str, str], page_width: int) -> dict[str, str]:
    """Id of each block of a page to its own Markdown."""
    rooms = find_rooms(blocks, page_width)
    return {
        block.id: block_markdown(block, pictures.get(block.id), page_width, room=rooms.get(block.id, 1.0))
        for block in blocks
    }


def block_markdown(
    block: Block,
    picture: str | None,
    page_width: int,
    formula_number: str = "",
    *,
    pretty: bool = True,
    room: float = 1.0,
) -> str:
    """One block's Markdown, empty where the block holds nothing to show. `room`: as in `find_rooms`."""
    if block.label == TEXT_FILE:
        return block.content
    parts = []
    if picture:
        parts.append(_picture(block, picture, page_width) if pretty else f"![]({picture})")
    if block.content.strip():
        parts.append(_formula(block, formula_number) if is_formula(block.label) else _text(block, pretty, room))
    return limit_links("\n\n".join(parts))


def limit_links(markdown: str) -> str:
    """Markdown in which the page's own brackets and formulas link to http, https and mailto only."""
    return _LINK.sub(_limit_link, disarm_formulas(markdown))


def _limit_link(match: re.Match[str]) -> str:
    """A space keeps brackets from being a link, in a formula as well."""
    # Twice, as text's own entities are escaped already, and some readers undo that.
    target = _IGNORED_IN_URLS.sub("", html.unescape(html.unescape(match[1])))
    scheme = _SCHEME.match(target)
    return "] " if scheme and scheme[0].lower() not in _SCHEMES else "]"


def pair_formula_numbers(blocks: Sequence[Block]) -> list[tuple[Block, str]]:
    """A formula number directly after its formula becomes the formula's tag; any other stays a block of its own."""
    paired: list[tuple[Block, str]] = []
    for block in blocks:
        number = join_lines(block.content)
        if paired and _is_number_for(block, number, *paired[-1]):
            paired[-1] = (paired[-1][0], number)
        else:
            paired.append((block, ""))
    return paired


def _is_number_for(block: Block, number: str, formula: Block, current: str) -> bool:
    if block.label != "formula_number" or formula.label != "display_formula" or current:
        return False
    return bool(_NUMBER.fullmatch(number) and extract_latex(formula.content))


def _picture(block: Block, key: str, page_width: int) -> str:
    width = max(1, min(100, int((block.bbox[2] - block.bbox[0]) / max(page_width, 1) * 100)))
    return f'<div style="text-align: center;"><img src="{key}" alt="Image" width="{width}%" /></div>'


def _text(block: Block, pretty: bool, room: float) -> str:
    if block.label in _CENTRED:
        return _caption(block.content) if pretty else escape_tags(join_lines(block.content))
    if holds_listing(block):
        return write_listing(block.content)
    if block.label in LINE_LABELS:
        return escape_tags(keep_lines(block.content))
    if block.label == "paragraph_title":
        return _paragraph_title(block.content, block.title_level)
    writer = (_WRITERS if pretty else _PLAIN_WRITERS).get(block.label)
    return writer(block.content) if writer else escape_tags(reflow(block.content, room))


def _caption(content: str) -> str:
    return f'<div style="text-align: center;">{html.escape(join_lines(content), quote=False)}</div>'


def _document_title(content: str) -> str:
    return f"# {escape_tags(join_lines(content))}"


def _paragraph_title(content: str, level: int | None) -> str:
    """Below the document's title: a level of 1 has two number signs. Without one the numbering tells it."""
    title = join_lines(content)
    return f"{'#' * min(1 + title_depth(title, level), 6)} {escape_tags(title)}"


def title_depth(title: str, level: int | None) -> int:
    """1 for the highest heading below the document's title."""
    numbering = _NUMBERING.match(title)
    return level or 1 + (numbering[1].count(".") if numbering else 0)


def _abstract(content: str) -> str:
    heading, text = split_abstract(content)
    return f"## {heading}\n\n{escape_tags(text)}".rstrip() if heading else escape_tags(text)


def split_abstract(content: str) -> tuple[str, str]:
    """The abstract's own heading, empty where it has none, and its paragraphs."""
    heading = _ABSTRACT.match(content)
    if not heading:
        return "", reflow(content)
    return join_lines(heading[0]), reflow(content[heading.end() :])


def _table(content: str) -> str:
    return _add_style(content) if content.startswith("<table>") else escape_tags(keep_lines(content))


def _plain_table(content: str) -> str:
    return content if content.startswith("<table>") else escape_tags(keep_lines(content))


def _chart(content: str) -> str:
    table = chart_to_html(content)
    return _add_style(table) if table else escape_tags(keep_lines(content))


def _plain_chart(content: str) -> str:
    return chart_to_html(content) or escape_tags(keep_lines(content))


def _add_style(table: str) -> str:
    return _TABLE + table.removeprefix("<table>")


def _lines(content: str) -> str:
    return escape_tags(keep_lines(content))


def _formula(block: Block, number: str) -> str:
    latex = _disarm_pictures(extract_latex(block.content))
    if not latex:
        return escape_tags(keep_lines(block.content))
    if block.label == "inline_formula":
        return f"${latex}$"
    tag = f" \\tag*{{{number}}}" if number else ""
    return f"$$ {latex}{tag} $$"


def escape_tags(text: str) -> str:
    """Text in which nothing reads as HTML, to people's renderers and to programs that strip tags by a pattern alike,
    nor as the fence of a listing, nor as a picture, which readers would fetch from wherever the page says.

    Formulas are left to the mathematics renderer, which knows no entities; a space keeps their `<` from opening a tag.
    """
    parts = MATH.split(text)
    parts[::2] = [_escape(part) for part in parts[::2]]
    parts[1::2] = [separate_tags(part) for part in parts[1::2]]
    return _disarm_pictures("".join(parts))


def _disarm_pictures(text: str) -> str:
    """A space keeps brackets from being a picture."""
    return text.replace("![", "! [")


def _escape(text: str) -> str:
    escaped = _ENTITY.sub("&amp;", text).replace("<", "&lt;")
    return _FENCE.sub(lambda fence: f"{fence[1]}&#{ord(fence[2])};", escaped)


_WRITERS: Mapping[str, Callable[[str], str]] = {
    "doc_title": _document_title,
    "abstract": _abstract,
    "table": _table,
    "chart": _chart,
    "spotting": _lines,
}
_PLAIN_WRITERS: Mapping[str, Callable[[str], str]] = {**_WRITERS, "table": _plain_table, "chart": _plain_chart}
