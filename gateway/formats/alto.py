"""Pages as ALTO 4.4, the Library of Congress's XML of text with its places."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from gateway import __version__
from gateway.formats.placed_text import plain_lines
from gateway.labels import LABELS, PICTURE_LABELS
from gateway.model import Block, Box, PageResult, TextLine, Word

NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"
_SCHEMA = "http://www.loc.gov/standards/alto/v4/alto-4-4.xsd"
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<alto xmlns="{namespace}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:schemaLocation="{namespace} {schema}">
<Description>
<MeasurementUnit>pixel</MeasurementUnit>
<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation>
<Processing ID="reading"><processingSoftware><softwareName>paddleocr-vl-service</softwareName>\
<softwareVersion>{version}</softwareVersion></processingSoftware></Processing>
</Description>
<Tags>
{tags}
</Tags>
<Layout>
"""
_FOOT = "</Layout>\n</alto>\n"
_TEXT_LABELS = sorted({*LABELS, "spotting"})


def alto_frame(name: str) -> tuple[str, str]:
    """What stands before and after the pages; the layout labels are tags, to which blocks refer."""
    tags = "\n".join(f'<LayoutTag ID="{_tag(label)}" LABEL="{label}"/>' for label in _TEXT_LABELS)
    head = _HEAD.format(namespace=NAMESPACE, schema=_SCHEMA, name=escape(name), version=__version__, tags=tags)
    return head, _FOOT


def render_alto(page: PageResult) -> str:
    """The page with all its blocks in reading order. A block whose lines are unknown has one line, as large as it."""
    size = f'HEIGHT="{page.height}" WIDTH="{page.width}"'
    blocks = "".join(part for block in page.blocks for part in _block(block))
    return (
        f'<Page ID="p{page.page}" PHYSICAL_IMG_NR="{page.page}" {size}>\n'
        f'<PrintSpace HPOS="0" VPOS="0" {size}>\n{blocks}</PrintSpace>\n</Page>'
    )


def _block(block: Block) -> Iterator[str]:
    place = f'ID="{block.id}" {_place(block.bbox)} TAGREFS="{_tag(block.label)}"'
    lines = block.lines if block.lines is not None else _whole(block)
    if not lines:
        element = "Illustration" if block.label in PICTURE_LABELS else "GraphicalElement"
        yield f"<{element} {place}/>\n"
        return
    yield f"<TextBlock {place}>\n"
    for line in lines:
        yield _line(line)
    yield "</TextBlock>\n"


def _whole(block: Block) -> list[TextLine]:
    text = " ".join(plain_lines(block))
    return [TextLine(text=text, bbox=block.bbox, source="aligned")] if text else []


def _line(line: TextLine) -> str:
    words = line.words or [Word(text=line.text, bbox=line.bbox, confidence=line.confidence)]
    gaps = [_space(before.bbox, after.bbox) for before, after in pairwise(words)]
    strings = "".join(_word(word) + gap for word, gap in zip(words, [*gaps, ""], strict=True))
    return f"<TextLine {_place(line.bbox)}>{strings}</TextLine>\n"


def _word(word: Word) -> str:
    confidence = "" if word.confidence is None else f' WC="{word.confidence:.2f}"'
    return f"<String {_place(word.bbox)} CONTENT={quoteattr(word.text)}{confidence}/>"


def _space(before: Box, after: Box) -> str:
    width = max(after[0] - before[2], 0.0)
    return f'<SP HPOS="{before[2]:g}" VPOS="{before[1]:g}" WIDTH="{width:g}"/>'


def _place(box: Box) -> str:
    x1, y1, x2, y2 = box
    return f'HPOS="{x1:g}" VPOS="{y1:g}" WIDTH="{x2 - x1:g}" HEIGHT="{y2 - y1:g}"'


def _tag(label: str) -> str:
    return f"label_{label}"
