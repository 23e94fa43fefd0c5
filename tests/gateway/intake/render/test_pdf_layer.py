"""Text layers as render workers give them, and fonts that draw nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph, GlyphComponent

from gateway.intake.document import open_document
from gateway.intake.render.page_source import Raster
from gateway.intake.render.pdf import PdfSource
from gateway.intake.render.render_pool import RenderPool
from gateway.intake.spool import SpooledFile
from gateway.model import PageImage
from gateway.settings import Settings
from gateway.text_layer.characters import TextLayer, turn_layer
from tests.gateway.intake.files import pdf, view
from tests.gateway.text_layer.pages import unpack_layer
from tests.support.text_layers import SANS, write_objects

LIMIT = 10_000_000


def render(content: bytes, font: bytes | None = None, rotation: int = 0) -> Raster:
    """A page of 600 by 400 points in a font that every viewer has, or in this one."""
    described = (
        b"<</Type/Font/Subtype/TrueType/BaseFont/Blank/Encoding/WinAnsiEncoding/FirstChar 32/LastChar 126/Widths["
        + b"600 " * 95
        + b"]/FontDescriptor 6 0 R>>"
    )
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 400]/Rotate %d/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
        % rotation,
        b"<</Length %d>>stream\n%b\nendstream" % (len(content), content),
        described if font else b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Type/FontDescriptor/FontName/Blank/Flags 32/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 800"
        b"/Descent -200/CapHeight 700/StemV 80/FontFile2 7 0 R>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(font or b""), font or b""),
    ]
    return PdfSource(view(write_objects(objects)), 144, LIMIT, has_layer=True).page(1)


def layer_of(raster: Raster) -> TextLayer:
    assert raster.layer
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8).reshape(raster.height, raster.width, 3)
    return unpack_layer(raster.layer, pixels)


def text_of(layer: TextLayer) -> str:
    return "".join(map(chr, layer.characters["code"].tolist())).strip()


def test_characters_stand_where_their_ink_is() -> None:
    layer = layer_of(render(b"BT /F 24 Tf 100 300 Td (Harbour) Tj ET"))
    assert text_of(layer) == "Harbour"
    rows, columns = np.nonzero(layer.ink)
    letters = layer.characters[:7]
    assert columns.min() == pytest.approx(letters["x1"].min(), abs=2)
    assert columns.max() == pytest.approx(letters["x2"].max(), abs=2)
    assert rows.min() == pytest.approx(letters["y1"].min(), abs=2)
    assert letters["y"] == pytest.approx([200] * 7, abs=0.1)
    assert letters["size"] == pytest.approx([48] * 7, abs=0.1)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_turned_back_layer_is_that_of_the_upright_page(rotation: int) -> None:
    content = b"BT /F 24 Tf 100 300 Td (Harbour) Tj ET"
    upright, turned = layer_of(render(content)), layer_of(render(content, rotation=rotation))
    assert not np.array_equal(turned.characters, upright.characters)
    back = turn_layer(turned, rotation)
    assert (back.ink != upright.ink).mean() < 0.001
    assert back.characters["flags"].tolist() == upright.characters["flags"].tolist()
    for name in ("x1", "y1", "x2", "y2", "x", "y"):
        assert back.characters[name] == pytest.approx(upright.characters[name], abs=0.6)


def test_picture_is_no_ink_of_the_text() -> None:
    raster = render(b"0 0 200 200 re f BT /F 24 Tf 300 300 Td (Harbour) Tj ET")
    assert not layer_of(raster).ink[:, :500].any()


def test_too_many_characters() -> None:
    row = b"(abcdefghij) Tj 10 0 Td " * 50 + b"-500 -1.5 Td "
    raster = render(b"BT /F 2 Tf 20 390 Td " + row * 62 + b"ET")
    assert raster.layer is None
    assert any("its text layer was not used" in warning and "30000" in warning for warning in raster.warnings)


def test_page_without_text() -> None:
    raster = render(b"0 0 200 200 re f")
    assert (raster.layer, raster.warnings) == (None, ())


def font_without_outlines(*, is_recursive: bool) -> bytes:
    font = TTFont(SANS, recalcBBoxes=False)
    for name in font.getGlyphOrder():
        font["glyf"].glyphs[name] = glyph_of_itself(name) if is_recursive else Glyph()
    stream = io.BytesIO()
    font.save(stream)
    return stream.getvalue()


def glyph_of_itself(name: str) -> Glyph:
    component = GlyphComponent()
    component.glyphName, component.x, component.y, component.flags = name, 0, 0, 0x0203
    glyph = Glyph()
    glyph.numberOfContours, glyph.components = -1, [component]
    glyph.xMin = glyph.yMin = 0
    glyph.xMax = glyph.yMax = 600
    return glyph


@pytest.mark.parametrize("is_recursive", [False, True])
def test_embedded_font_that_draws_nothing(is_recursive: bool) -> None:
    raster = render(b"BT /F 20 Tf 72 300 Td (Hello) Tj ET", font_without_outlines(is_recursive=is_recursive))
    assert raster.is_partial
    assert any("5 characters could not be drawn" in one and "Blank" in one for one in raster.warnings)


def test_embedded_font_that_draws() -> None:
    raster = render(b"BT /F 20 Tf 72 300 Td (Hello) Tj ET", SANS.read_bytes())
    assert (raster.is_partial, raster.warnings) == (False, ())


@pytest.mark.parametrize("has_layer", [False, True])
async def test_layer_comes_from_a_worker_when_asked(pool: RenderPool, settings: Settings, has_layer: bool) -> None:
    content = SpooledFile.from_bytes(pdf(pages=1))
    document = await open_document(
        content, "a.pdf", pages=None, dpi=144, pool=pool, settings=settings, has_layer=has_layer
    )
    [page] = [page async for page in document.pages()]
    await document.close()
    assert isinstance(page, PageImage)
    assert (page.layer and text_of(page.layer)) == ("page 1" if has_layer else None)
