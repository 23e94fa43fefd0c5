"""Writes the font of searchable PDFs: two glyphs without any area, so that any text can stand in it and nothing shows.

python -m tools.glyphless_font
"""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib.tables._g_l_y_f import Glyph

from gateway.formats.invisible_text import ASCENT, DESCENT, FONT_FILE, FONT_NAME, GLYPH_WIDTH, UNITS

GLYPHS = [".notdef", "blank"]


def build_font(path: Path) -> None:
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder(GLYPHS)
    builder.setupCharacterMap({})
    builder.setupGlyf({name: _draw_glyph() for name in GLYPHS})
    builder.setupHorizontalMetrics(dict.fromkeys(GLYPHS, (GLYPH_WIDTH, 0)))
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupNameTable({"familyName": FONT_NAME, "styleName": "Regular", "psName": FONT_NAME})
    builder.setupOS2(sTypoAscender=ASCENT, sTypoDescender=DESCENT, usWinAscent=ASCENT, usWinDescent=-DESCENT)
    builder.setupPost(keepGlyphNames=False, isFixedPitch=1)
    # A date of its own would make another file of every run.
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    builder.save(path)


def _draw_glyph() -> Glyph:
    """A line from corner to corner and back: it fills no pixel, and PDFium takes its box for the character's, as it
    drops characters of vertical text whose glyph has none."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, DESCENT))
    pen.lineTo((GLYPH_WIDTH, ASCENT))
    pen.closePath()
    return pen.glyph()


if __name__ == "__main__":
    build_font(FONT_FILE)
