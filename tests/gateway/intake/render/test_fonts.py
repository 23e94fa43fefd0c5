"""Text whose fonts a PDF does not hold."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import reportlab
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from gateway.intake.render.fonts import FontFolders, FontRequest, font_folders
from gateway.intake.render.page_source import Raster
from gateway.intake.render.pdf import PdfSource
from gateway.intake.render.pdf_fonts import install_fonts
from tests.gateway.intake.files import view

STEP, BASE, HEIGHT = 30, 20, 60
LIMIT = 10_000_000
VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


@pytest.fixture
def no_fonts(tmp_path: Path) -> None:
    """Whatever fonts this machine has, only those of the wheels are seen."""
    install_fonts(FontFolders(tmp_path, font_folders(tmp_path)._others[3:]))


def draw_letters(font: str, glyphs: Sequence[str]) -> Raster:
    """A page on which each glyph stands alone, `STEP` points apart, in a font that is not embedded."""
    encoding = pdfmetrics.Encoding(f"letters-{'-'.join(glyphs)}", "WinAnsiEncoding")
    for at, glyph in enumerate(glyphs):
        encoding[97 + at] = glyph
    name = f"{font}-{encoding.name}"
    pdfmetrics.registerEncoding(encoding)
    pdfmetrics.registerFont(pdfmetrics.Font(name, font, encoding.name))
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(STEP * len(glyphs), HEIGHT))
    canvas.setFont("Helvetica", 20)
    canvas.addFont(pdfmetrics.getFont(name)) if hasattr(canvas, "addFont") else None
    internal = canvas._doc.getInternalFontName(name)
    for at in range(len(glyphs)):
        canvas._code.append(f"BT 1 0 0 1 {STEP * at + 5} {BASE} Tm {internal} 20 Tf ({chr(97 + at)}) Tj ET")
    canvas.showPage()
    canvas.save()
    return PdfSource(view(stream.getvalue()), 144, LIMIT).page(1)


def inks(raster: Raster) -> list[int]:
    """Dark pixels in each letter's place."""
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8).reshape(raster.height, raster.width, 3)
    side = STEP * 144 // 72
    return [int((pixels[:, at : at + side].min(axis=2) < 100).sum()) for at in range(0, raster.width, side)]


CZECH = ("ccaron", "rcaron", "uring", "ecaron", "Zcaron")
HUNGARIAN = ("ohungarumlaut", "uhungarumlaut")
GREEK = ("Sigma", "omegatonos", "theta", "Psi")
RUSSIAN = ("afii10025", "afii10066", "afii10097", "afii10023")
UKRAINIAN = ("afii10056", "afii10101")


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize("font", ["Helvetica", "Times-Roman", "Courier-Bold", "Times-Italic"])
@pytest.mark.parametrize("glyphs", [CZECH, HUNGARIAN, GREEK, RUSSIAN, UKRAINIAN])
def test_letters_beyond_latin_1_are_drawn(font: str, glyphs: Sequence[str]) -> None:
    raster = draw_letters(font, glyphs)
    assert all(ink > 30 for ink in inks(raster))
    assert (raster.warnings, raster.is_partial) == ((), False)


@pytest.mark.usefixtures("no_fonts")
def test_signs_keep_their_own_fonts() -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(200, HEIGHT))
    canvas.setFont("ZapfDingbats", 20)
    canvas.drawString(10, BASE, "4")
    canvas.setFont("Symbol", 20)
    canvas.drawString(100, BASE, "\u03b1")
    canvas.showPage()
    canvas.save()
    raster = PdfSource(view(stream.getvalue()), 144, LIMIT).page(1)
    assert raster.warnings == ()


def chinese_page(hidden: bool = False) -> Raster:
    font = "STSong-Light"
    pdfmetrics.registerFont(UnicodeCIDFont(font))
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(300, HEIGHT))
    text = canvas.beginText(10, BASE)
    text.setFont(font, 20)
    text.setTextRenderMode(3 if hidden else 0)
    text.textOut("\u6c34\u8f66 7")
    canvas.drawText(text)
    canvas.showPage()
    canvas.save()
    return PdfSource(view(stream.getvalue()), 144, LIMIT).page(1)


@pytest.mark.usefixtures("no_fonts")
def test_letters_that_no_font_has_are_told() -> None:
    raster = chinese_page()
    (warning,) = raster.warnings
    assert raster.is_partial
    assert "2 characters" in warning or "3 characters" in warning
    assert "STSong-Light" in warning


@pytest.mark.usefixtures("no_fonts")
def test_hidden_text_is_not_missed() -> None:
    assert chinese_page(hidden=True).warnings == ()


def test_fonts_that_come_later_are_seen(tmp_path: Path) -> None:
    folders = FontFolders(tmp_path / "fonts", ())
    assert folders.find(FontRequest("Helvetica")) is None
    (tmp_path / "fonts").mkdir()
    put(tmp_path / "fonts", "LiberationSans-Regular.ttf")
    found = folders.find(FontRequest("Helvetica"))
    assert found is not None
    assert found.name == "LiberationSans-Regular.ttf"


def put(folder: Path, *names: str) -> None:
    for name in names:
        shutil.copy(VERA, folder / name)
    os.utime(folder, (1, folder.stat().st_mtime + 1))


MACHINE = (
    "LiberationSans-Regular.ttf",
    "LiberationSans-Bold.ttf",
    "LiberationSerif-Regular.ttf",
    "LiberationSerif-BoldItalic.ttf",
    "LiberationMono-Regular.ttf",
    "DejaVuSans.ttf",
    "wqy-microhei.ttc",
    "Verdana.ttf",
    "verdanab.ttf",
    "Times New Roman.ttf",
)


@pytest.mark.parametrize(
    ("request_", "file"),
    [
        (FontRequest("Helvetica"), "LiberationSans-Regular.ttf"),
        (FontRequest("Arial-BoldMT", 700), "LiberationSans-Bold.ttf"),
        (FontRequest("Times-Roman", pitch=16), "LiberationSerif-Regular.ttf"),
        (FontRequest("Times-BoldItalic", 700, True, pitch=16), "LiberationSerif-BoldItalic.ttf"),
        (FontRequest("TimesNewRoman", pitch=16), "Times New Roman.ttf"),
        (FontRequest("Courier", pitch=1), "LiberationMono-Regular.ttf"),
        (FontRequest("Verdana"), "Verdana.ttf"),
        (FontRequest("Verdana", 700), "verdanab.ttf"),
        (FontRequest("Garamond", pitch=16), "LiberationSerif-Regular.ttf"),
        (FontRequest("Futura"), "LiberationSans-Regular.ttf"),
        (FontRequest("CenturyGothic"), "LiberationSans-Regular.ttf"),
        (FontRequest("STSong-Light", charset=134, pitch=16), "wqy-microhei.ttc"),
        (FontRequest("Unknown", charset=129), "wqy-microhei.ttc"),
        (FontRequest("SimSun", charset=2), "wqy-microhei.ttc"),
        (FontRequest("MS-PMincho"), "wqy-microhei.ttc"),
        (FontRequest("\xcb\xce\xcc\xe5"), "wqy-microhei.ttc"),
    ],
)
def test_font_that_stands_in(tmp_path: Path, request_: FontRequest, file: str) -> None:
    put(tmp_path, *MACHINE)
    found = FontFolders(tmp_path, ()).find(request_)
    assert found is not None
    assert found.name == file


def test_a_latin_font_does_not_stand_in_for_a_chinese_one(tmp_path: Path) -> None:
    put(tmp_path, "LiberationSans-Regular.ttf")
    assert FontFolders(tmp_path, ()).find(FontRequest("STSong-Light", charset=134)) is None


def test_own_folder_comes_first(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder in (own, other):
        folder.mkdir()
        put(folder, "DejaVuSans.ttf")
    found = FontFolders(own, (other,)).find(FontRequest("DejaVuSans"))
    assert found == own / "DejaVuSans.ttf"


def page_in_widths(font: str, letters: bytes, widths: str, extra: str = "") -> Raster:
    """One line of 20 points in a TrueType font that is not embedded, all in objects that a person can read."""
    text = b"BT /F 20 Tf 10 20 Td (%b) Tj ET" % letters
    described = f"/Type/Font/Subtype/TrueType/BaseFont/{font}/FirstChar 32/LastChar 122{widths}"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 60]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(text), text),
        f"<<{described}/Encoding/WinAnsiEncoding>>".encode(),
        *([extra.encode()] if extra else []),
    ]
    return first_page(objects)


def first_page(objects: Sequence[bytes]) -> Raster:
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (at, one) for at, one in enumerate(objects, 1))
    return PdfSource(view(b"%PDF-1.4\n" + body + b"trailer<</Root 1 0 R>>\n"), 144, LIMIT).page(1)


def has_gaps(raster: Raster, letters: int, width: int = 10) -> bool:
    """Whether the letters, `width` points wide each, keep apart."""
    pixels = np.frombuffer(b"".join(raster.strips), np.uint8).reshape(raster.height, raster.width, 3)
    edges = [20 + 2 * width * at for at in range(1, letters)]
    return all(pixels[:, edge - 1 : edge + 2].min(axis=(0, 2)).max() > 128 for edge in edges)


EQUAL = "[" + "500 " * 91 + "]"


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize("font", ["ArialMT", "Arial-BoldMT", "TimesNewRomanPSMT", "ABCDEF+Helvetica"])
@pytest.mark.parametrize(("widths", "extra"), [(f"/Widths{EQUAL}", ""), ("/Widths 6 0 R", EQUAL)])
def test_letters_declared_equally_wide_keep_apart(font: str, widths: str, extra: str) -> None:
    assert has_gaps(page_in_widths(font, b"WimWmMi", widths, extra), 7)


@pytest.mark.usefixtures("no_fonts")
def test_letters_of_other_widths_keep_the_shapes_of_their_font() -> None:
    narrow = page_in_widths("ArialMT", b"iiii", "/Widths[" + "222 " * 90 + "250]")
    usual = page_in_widths("ArialMT", b"iiii", "")
    assert b"".join(narrow.strips) == b"".join(usual.strips)


@pytest.mark.usefixtures("no_fonts")
@pytest.mark.parametrize("font", ["Courier", "Courier-Bold", "CourierNewPSMT"])
def test_letters_of_a_typewriter_keep_apart(font: str) -> None:
    assert has_gaps(page_in_widths(font, b"WimWmMi", "/Widths[" + "600 " * 91 + "]"), 7, 12)


@pytest.mark.usefixtures("no_fonts")
def test_letters_known_by_numbers_alone_are_told() -> None:
    text = b"BT /F 20 Tf 10 20 Td <002400250026> Tj ET"
    system = b"<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
    descendant = b"/Subtype/CIDFontType2/BaseFont/Unheard/CIDSystemInfo%b" % system
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 60]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%b\nendstream" % (len(text), text),
        b"<</Type/Font/Subtype/Type0/BaseFont/Unheard/Encoding/Identity-H/DescendantFonts[6 0 R]>>",
        b"<</Type/Font%b/DW 1000>>" % descendant,
    ]
    raster = first_page(objects)
    (warning,) = raster.warnings
    assert warning.startswith("3 characters may be drawn as others")
    assert "Unheard" in warning
    assert raster.is_partial
