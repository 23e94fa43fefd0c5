"""Pages as hOCR 1.2: HTML whose elements say in their titles what they are and where they stand."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from gateway import __version__
from gateway.formats.placed_text import plain_lines
from gateway.labels import PICTURE_LABELS
from gateway.model import Block, Box, PageResult, TextLine

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml">
<head>
<title>{title}</title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8" />
<meta name="ocr-system" content="paddleocr-vl-service {version}" />
<meta name="ocr-capabilities" content="ocr_page ocr_carea ocr_par ocr_line ocrx_word ocr_table ocr_image ocrp_wconf" />
</head>
<body>
"""
_FOOT = "</body>\n</html>\n"


def hocr_frame(title: str) -> tuple[str, str]:
    """What stands before and after the pages."""
    return _HEAD.format(title=escape(title), version=__version__), _FOOT


def render_hocr(page: PageResult) -> str:
    """The page with all its blocks, each with its label as `x_label`; a block whose lines are unknown has its text in a
    paragraph without any."""
    resolution = f"; scan_res {page.dpi} {page.dpi}" if page.dpi else ""
    title = f"bbox 0 0 {page.width} {page.height}; ppageno {page.page - 1}{resolution}"
    blocks = "".join(part for block in page.blocks for part in _block(block))
    return f'<div class="ocr_page" id="page_{page.page}" title="{title}">\n{blocks}</div>'


def _block(block: Block) -> Iterator[str]:
    kind = "ocr_table" if block.label == "table" else "ocr_image" if block.label in PICTURE_LABELS else "ocr_carea"
    yield f'<div class="{kind}" id="{block.id}" title="{_box(block.bbox)}; x_label {block.label}">\n'
    if block.lines:
        yield f'<p class="ocr_par" title="{_box(block.bbox)}">\n'
        for number, line in enumerate(block.lines, 1):
            yield _line(f"{block.id}-l{number}", line)
        yield "</p>\n"
    elif block.content:
        text = "<br />\n".join(map(escape, plain_lines(block)))
        yield f'<p class="ocr_par" title="{_box(block.bbox)}">{text}</p>\n'
    yield "</div>\n"


def _line(line_id: str, line: TextLine) -> str:
    words = " ".join(
        f'<span class="ocrx_word" id="{line_id}-w{number}" title="{_box(word.bbox)}{_confidence(word.confidence)}">'
        f"{escape(word.text)}</span>"
        for number, word in enumerate(line.words, 1)
    )
    title = f"{_box(line.bbox)}{_confidence(line.confidence)}"
    return f'<span class="ocr_line" id="{line_id}" title="{title}">{words or escape(line.text)}</span>\n'


def _box(box: Box) -> str:
    return "bbox " + " ".join(str(round(side)) for side in box)


def _confidence(confidence: float | None) -> str:
    return "" if confidence is None else f"; x_wconf {round(100 * confidence)}"
