"""Invisible text on a PDF page: the font that any text can stand in, and the page's text in reading order.

The glyphs of the font show nothing and are all of one width, and each text is stretched to its place; the font's
ToUnicode map says which characters it means. So one small font serves all scripts, and pages look as they did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream
from pypdfium2 import PdfMatrix

from gateway.formats.placed_text import place_text
from gateway.model import Block, Box, PageResult, TextLine

FONT_FILE = Path(__file__).parents[1] / "assets" / "glyphless.ttf"
FONT_NAME = "GlyphlessText"
UNITS, GLYPH_WIDTH, ASCENT, DESCENT = 1000, 500, 800, -200
"""Of the font: units of its em, width of each glyph, and how far lines reach above and below their baseline."""
MAX_CODES = 0xFFFF
"""A code has two bytes; a document with more characters than that shows the rest as U+FFFD."""
VERTICAL = 1.5
"""A line so many times as high as wide runs from top to bottom."""
_SECTION = 100
"""Entries of one section of a character map, at most (Adobe's technical note 5014)."""
_CMAP = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <ffff>
endcodespacerange
{sections}
endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""


class GlyphlessFont:
    """The codes of a document's characters, given out as they come."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def encode(self, text: str) -> str:
        """The codes as a PDF string in hexadecimal."""
        return "".join(f"{self._code(character):04x}" for character in text)

    def build(self, pdf: Pdf) -> Object:
        """The font's object, when all text is encoded."""
        file = Stream(pdf, FONT_FILE.read_bytes())
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=Name("/" + FONT_NAME),
            FontFile2=pdf.make_indirect(file),
            Flags=5,  # of fixed pitch, with characters beyond the standard Latin ones
            FontBBox=Array([0, DESCENT, GLYPH_WIDTH, ASCENT]),
            ItalicAngle=0,
            Ascent=ASCENT,
            Descent=DESCENT,
            CapHeight=ASCENT,
            StemV=80,
        )
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=Name("/" + FONT_NAME),
            CIDSystemInfo=Dictionary(Registry=b"Adobe", Ordering=b"Identity", Supplement=0),
            FontDescriptor=pdf.make_indirect(descriptor),
            DW=GLYPH_WIDTH,
            CIDToGIDMap=Stream(pdf, b"\0\1" * (len(self._codes) + 1)),
        )
        font = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name("/" + FONT_NAME),
            Encoding=Name("/Identity-H"),
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
            ToUnicode=Stream(pdf, self._write_cmap().encode()),
        )
        return pdf.make_indirect(font)

    def _code(self, character: str) -> int:
        if character not in self._codes and len(self._codes) >= MAX_CODES - 1:
            character = "\ufffd"
        return self._codes.setdefault(character, len(self._codes) + 1)

    def _write_cmap(self) -> str:
        entries = [
            f"<{code:04x}> <{character.encode('utf-16-be', 'replace').hex()}>"
            for character, code in self._codes.items()
        ]
        sections = (entries[start : start + _SECTION] for start in range(0, len(entries), _SECTION))
        return _CMAP.format(
            sections="\n".join(
                f"{len(section)} beginbfchar\n" + "\n".join(section) + "\nendbfchar" for section in sections
            )
        )


def write_text_layer(
    page: PageResult, blocks: Sequence[Block], matrix: PdfMatrix, font: GlyphlessFont, name: str
) -> bytes:
    """Content of a page that shows nothing and holds the blocks' text. `matrix`: from pixels of the page image, counted
    from its lower left corner, to the page's own units; `name`: the font's among the page's resources."""
    lines = [line for block in blocks for line in place_text(block)]
    if not lines:
        return b""
    drawn = "\n".join(part for line in lines for part in _draw_line(line, page.height, font, name))
    place = " ".join(f"{value:.6f}" for value in matrix.get())
    return f"q {place} cm BT 3 Tr\n{drawn}\nET Q\n".encode()


def _draw_line(line: TextLine, page_height: int, font: GlyphlessFont, name: str) -> Iterator[str]:
    x1, y1, x2, y2 = line.bbox
    is_vertical = y2 - y1 > VERTICAL * (x2 - x1) and len(line.text) > 1
    size = max((x2 - x1) if is_vertical else (y2 - y1), 1.0)
    yield f"/{name} {size:.2f} Tf"
    words = [(word.text, word.bbox) for word in line.words] or [(line.text, line.bbox)]
    for index, (text, box) in enumerate(words):
        start, end = (box[1], box[3]) if is_vertical else (box[0], box[2])
        yield _move(start, line.bbox, size, page_height, is_vertical=is_vertical)
        # In one piece: PDFium leaves single characters between two pieces out.
        space = " " if index + 1 < len(words) else ""
        yield f"{_stretch(text, end - start, size):.2f} Tz <{font.encode(text + space)}> Tj"


def _move(start: float, line: Box, size: float, page_height: int, *, is_vertical: bool) -> str:
    """Where a text begins on the line's baseline; what runs from top to bottom is turned clockwise."""
    below = size * -DESCENT / UNITS
    if is_vertical:
        return f"0 -1 1 0 {line[0] + below:.2f} {page_height - start:.2f} Tm"
    return f"1 0 0 1 {start:.2f} {page_height - line[3] + below:.2f} Tm"


def _stretch(text: str, length: float, size: float) -> float:
    """Per cent of its usual width by which the text is as long as its place."""
    return 100 * max(length, 0.1) / (len(text) * size * GLYPH_WIDTH / UNITS)
