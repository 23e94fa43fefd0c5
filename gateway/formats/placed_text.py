"""A block's text with places, for formats that need one for all text."""

from __future__ import annotations

from gateway.assembly.tables.html import table_rows
from gateway.model import Block, Box, TextLine


def plain_lines(block: Block) -> list[str]:
    """The lines of its text, of a table its rows; without empty ones."""
    if block.label == "table" and block.content.startswith("<table>"):
        lines = [" ".join(cell for cell in row if cell) for row in table_rows(block.content)]
    else:
        lines = block.content.splitlines()
    return [" ".join(line.split()) for line in lines if line.strip()]


def place_text(block: Block) -> list[TextLine]:
    """The block's lines; where their places are unknown, its text spread over the block's box line by line."""
    if block.lines is not None:
        return [line for line in block.lines if line.text.strip()]
    lines = plain_lines(block)
    x1, y1, x2, y2 = block.bbox
    pitch = (y2 - y1) / max(len(lines), 1)
    boxes: list[Box] = [(x1, y1 + index * pitch, x2, y1 + (index + 1) * pitch) for index in range(len(lines))]
    return [TextLine(text=line, bbox=box, source="aligned") for line, box in zip(lines, boxes, strict=True)]
