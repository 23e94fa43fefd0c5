"""What a PDF page's text objects tell of its picture: letters that were not drawn, and which way they stand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL import Image

from gateway.intake.render.pdf_layer import PageCharacters, address_of, base_name, map_page

_MAX_CHARACTERS = 20_000
"""Of a page, looked at for either question: a tenth of a second."""
_MAX_NAMES = 3
_MAX_SLANT = 20
"""Degrees by which a line may be slanted; beyond, it is a watermark or a label."""
_MAX_PICTURE = 0.2
"""Of a page's area, what a picture may have before it may be a scan of the page."""
_MIN_CONTRAST = 16
"""Levels of grey by which any ink differs from what is around it."""
_MIN_LETTERS = 10
_MIN_SHARE = 0.9
"""Of a page's letters that have to stand in one direction for it to be the page's."""


def explain_losses(page: pdfium.PdfPage, found: PageCharacters, drawn: pdfium.PdfBitmap) -> tuple[str, ...]:
    """Clauses that say which letters the page's picture lacks, or shows as others perhaps; none where all is well."""
    missing, guessed, blank = _count_losses(found, map_page(page, drawn.width, drawn.height), drawn)
    clauses = []
    if blank:
        what = f"{_describe(blank)} could not be drawn: their fonts ({_list_names(blank)}) have no outlines for them"
        clauses.append(what)
    if missing:
        what = f"{_describe(missing)} could not be drawn: the PDF does not hold the fonts"
        clauses.append(f"{what} ({_list_names(missing)}), and no font of this machine has the letters (FONT_DIR)")
    if guessed:
        what = (
            f"{_describe(guessed)} may be drawn as others: the PDF tells their numbers in fonts that it does not hold"
        )
        clauses.append(f"{what} ({_list_names(guessed)})")
    return tuple(clauses)


def _describe(counts: Counter[str]) -> str:
    return "1 character" if counts.total() == 1 else f"{counts.total()} characters"


def _list_names(counts: Counter[str]) -> str:
    return ", ".join(name or "without a name" for name, _ in counts.most_common(_MAX_NAMES))


def find_text_angle(page: pdfium.PdfPage, found: PageCharacters) -> int | None:
    """Degrees clockwise, a multiple of 90, by which nearly all letters of the page's picture are turned; None where
    they are few, slanted or stand in several directions, or where a picture may hold most of the page's text."""
    if _has_large_picture(page):
        return None
    radians = Counter(pdfium_c.FPDFText_GetCharAngle(found.text, index) for index in _letters(found))
    angles: Counter[int | None] = Counter()
    for value, count in radians.items():
        angles[_round_angle(value)] += count
    if angles.total() < _MIN_LETTERS:
        return None
    (angle, count), *_ = angles.most_common(1)
    if angle is None or count < _MIN_SHARE * angles.total():
        return None
    return (angle + int(page.get_rotation())) % 360


def _has_large_picture(page: pdfium.PdfPage) -> bool:
    x1, y1, x2, y2 = page.get_bbox()
    area = _MAX_PICTURE * (x2 - x1) * (y2 - y1)
    for picture in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = picture.get_bounds()
        if (right - left) * (top - bottom) > area:
            return True
    return False


def _round_angle(radians: float) -> int | None:
    """Degrees, a multiple of 90; None for a slanted letter."""
    degrees = math.degrees(radians)
    nearest = round(degrees / 90) * 90
    return nearest % 360 if abs(degrees - nearest) <= _MAX_SLANT else None


@contextmanager
def open_text(page: pdfium.PdfPage) -> Iterator[Any]:
    """PDFium's text page, which finds the page's characters."""
    text = pdfium_c.FPDFText_LoadPage(page)
    try:
        yield text
    finally:
        pdfium_c.FPDFText_ClosePage(text)


def _letters(found: PageCharacters) -> Iterator[int]:
    """Indexes of characters that have ink."""
    return takewhile(lambda index: index < _MAX_CHARACTERS, found.letters)


def _count_losses(
    found: PageCharacters,
    matrix: pdfium.PdfMatrix,
    drawn: pdfium.PdfBitmap,
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Characters without an outline by the names of their fonts. Of fonts that are not in the file: those that are
    known, and those of which only a number is; of fonts in the file those whose places are blank."""
    missing: Counter[str] = Counter()
    guessed: Counter[str] = Counter()
    blank: Counter[str] = Counter()
    picture: Image.Image | None = None
    text = found.text
    for index, font in _find_undrawn(found):
        is_embedded = pdfium_c.FPDFFont_GetIsEmbedded(font)
        if is_embedded == 1:
            picture = picture or drawn.to_pil()
            blank[_printable_name(font)] += _is_blank(picture, matrix, text, index)
        elif is_embedded == 0:
            is_number = pdfium_c.FPDFText_HasUnicodeMapError(text, index) == 1
            (guessed if is_number else missing)[_printable_name(font)] += 1
    return missing, guessed, +blank


def _find_undrawn(found: PageCharacters) -> Iterator[tuple[int, Any]]:
    """Index and font of each character that is to be seen and for which its font has no outline."""
    fonts: dict[int, tuple[int, Any]] = {}
    has_outline: dict[tuple[int, int], bool] = {}
    for index in _letters(found):
        address, text_object = found.objects[index]
        if address not in fonts:
            fonts[address] = _find_font(text_object)
        font_address, font = fonts[address]
        if not font_address:
            continue
        key = (font_address, found.codes[index])
        if key not in has_outline:
            has_outline[key] = _has_outline(font, key[1])
        if not has_outline[key]:
            yield index, font


def _is_blank(picture: Image.Image, matrix: pdfium.PdfMatrix, text: Any, index: int) -> bool:  # noqa: ANN401 - ctypes
    """Whether one colour stands where a character should, on the page."""
    limits = pdfium_c.FS_RECTF()
    pdfium_c.FPDFText_GetLooseCharBox(text, index, limits)
    x1, y1, x2, y2 = matrix.on_rect(limits.left, limits.bottom, limits.right, limits.top)
    box = max(int(x1), 0), max(int(y1), 0), min(math.ceil(x2), picture.width), min(math.ceil(y2), picture.height)
    if box[0] >= box[2] or box[1] >= box[3]:
        return False
    extrema = picture.crop(box).convert("L").getextrema()
    return bool(float(extrema[1]) - float(extrema[0]) < _MIN_CONTRAST)  # type: ignore[arg-type]  # one channel


def _find_font(text_object: Any) -> tuple[int, Any]:  # noqa: ANN401 - ctypes
    """The font of a text object that is seen, and its address; 0 for none."""
    if not text_object:
        return 0, None
    is_hidden = pdfium_c.FPDFTextObj_GetTextRenderMode(text_object) == pdfium_c.FPDF_TEXTRENDERMODE_INVISIBLE
    font = None if is_hidden else pdfium_c.FPDFTextObj_GetFont(text_object)
    return (address_of(font), font) if font else (0, None)


def _has_outline(font: Any, character: int) -> bool:  # noqa: ANN401 - ctypes
    path = pdfium_c.FPDFFont_GetGlyphPath(font, character, 10.0)
    return bool(path) and pdfium_c.FPDFGlyphPath_CountGlyphSegments(path) > 0


def _printable_name(font: Any) -> str:  # noqa: ANN401 - ctypes
    return "".join(filter(str.isprintable, base_name(font)))
