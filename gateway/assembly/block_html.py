"""A page's blocks as parts of HTML pages that are safe to show, each by itself; formulas as MathML."""

from __future__ import annotations

from gateway.assembly.markdown import format_blocks
from gateway.assembly.page import picture_keys
from gateway.assembly.render import render_fragment
from gateway.model import PageResult
from gateway.reading_options import OcrOptions


def add_html(page: PageResult, options: OcrOptions) -> PageResult:
    """The page whose blocks have their `html`, where `options` ask for it; else the same page."""
    if not options.html:
        return page
    pictures = picture_keys(page.page, page.blocks, options)
    markdown = format_blocks(page.blocks, pictures, page.width)
    keys = frozenset(pictures.values())
    blocks = [block.model_copy(update={"html": render_fragment(markdown[block.id], keys)}) for block in page.blocks]
    return page.model_copy(update={"blocks": blocks})
