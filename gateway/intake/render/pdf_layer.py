"""The text layer of a PDF page: its characters with their places, and the page without them. Runs in worker processes
only.

Whether a character is seen cannot be told from the file: it may be white on white, clipped, below a picture, on a layer
that is off, or have a glyph without an outline. So the page is drawn a second time without its text, and where that is
another picture is the text's ink (`gateway.text_layer.ink`).
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from gateway.intake.render.page_source import BACKGROUND_ROWS, CHARACTER, QUARTERS_SHIFT, CharacterFlag, LayerData

MAX_CHARACTERS = 30_000
"""Of a page, some 0.4 s; a dense page of a newspaper has half of them."""
_MAX_FONTS = 1000
_MAX_TILT = 1.5
"""Degrees by which a character may be off before it does not stand upright."""
_SPACE, _UNMAPPED = int(CharacterFlag.SPACE), int(CharacterFlag.UNMAPPED)
"""Python's flags take longer than to ask for the character."""
_UNITS = 64
"""Into which pixels are divided where PDFium maps points to whole numbers."""
_NAME_BYTES = 128
_MODES_PAINTED = (
    pdfium_c.FPDF_TEXTRENDERMODE_FILL,
    pdfium_c.FPDF_TEXTRENDERMODE_STROKE,
    pdfium_c.FPDF_TEXTRENDERMODE_FILL_STROKE,
)

Draw = Callable[[], pdfium.PdfBitmap]
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the page image."""


class PageCharacters:
    """The Unicode of a page's characters and the text objects that they are of, each asked for once: PDFium is called
    for every character, in C at a third of a microsecond. Of at most `MAX_CHARACTERS`."""

    def __init__(self, text: Any) -> None:  # noqa: ANN401 - ctypes
        self.text = text
        self.count = int(pdfium_c.FPDFText_CountChars(text))

    @cached_property
    def codes(self) -> list[int]:
        return [pdfium_c.FPDFText_GetUnicode(self.text, index) for index in range(min(self.count, MAX_CHARACTERS))]

    @cached_property
    def objects(self) -> list[tuple[int, Any]]:
        """With their addresses."""
        found = (pdfium_c.FPDFText_GetTextObject(self.text, index) for index in range(len(self.codes)))
        return [(address_of(one), one) for one in found]

    @cached_property
    def letters(self) -> list[int]:
        """Indexes of those that have ink."""
        spaces = {code for code in set(self.codes) if chr(min(code, 0x10FFFF)).isspace()}
        return [index for index, code in enumerate(self.codes) if code not in spaces]


class _ObjectFacts(NamedTuple):
    """What the characters of a text object have in common."""

    font: int
    flags: int
    size: float


def read_layer(page: pdfium.PdfPage, found: PageCharacters, drawn: pdfium.PdfBitmap, draw: Draw) -> LayerData | None:
    """None for a page without characters, or with more than `MAX_CHARACTERS`.

    `drawn`: the page's picture, `draw` makes it again. The page is good for nothing else afterwards.
    """
    if not 0 < found.count <= MAX_CHARACTERS:
        return None
    reader = _LayerReader(page, found, map_page(page, drawn.width, drawn.height))
    characters = b"".join(map(reader.read, range(found.count)))
    for text_object in reader.objects:
        pdfium_c.FPDFPageObj_SetIsActive(text_object, False)
    return LayerData(tuple(reader.fonts), characters, _split_background(draw()))


class _LayerReader:
    """Packs characters, and keeps what it has learned of text objects and fonts."""

    def __init__(self, page: pdfium.PdfPage, found: PageCharacters, matrix: pdfium.PdfMatrix) -> None:
        self.fonts: list[str] = []
        self.objects: list[Any] = []
        self._text = found.text
        self._found = found
        self._letters = set(found.letters)
        self._matrix = matrix
        self._scale = math.sqrt(abs(matrix.a * matrix.d - matrix.b * matrix.c))
        self._rotation = int(page.get_rotation())
        self._facts: dict[int, _ObjectFacts] = {}
        self._fonts: dict[int, int] = {}
        self._numbers = [ctypes.c_double() for _ in range(4)]

    def read(self, index: int) -> bytes:
        text, code = self._text, self._found.codes[index]
        address, text_object = self._found.objects[index]
        facts = self._find_facts(address, text_object, index) if address else _ObjectFacts(0, 0, 0.0)
        flags = facts.flags
        if index not in self._letters or (pdfium_c.FPDFText_IsGenerated(text, index) == 1 and code != 2):
            flags |= _SPACE
        if pdfium_c.FPDFText_HasUnicodeMapError(text, index) == 1:
            flags |= _UNMAPPED
        return CHARACTER.pack(code, flags, facts.font, *self._find_box(index), *self._find_origin(index), facts.size)

    def _find_box(self, index: int) -> Box:
        left, right, bottom, top = self._numbers
        pdfium_c.FPDFText_GetCharBox(self._text, index, left, right, bottom, top)
        (x1, y1), (x2, y2) = (self._matrix.on_point(x.value, y.value) for x, y in ((left, bottom), (right, top)))
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)  # pages are turned by right angles only

    def _find_origin(self, index: int) -> tuple[float, float]:
        x, y, *_ = self._numbers
        pdfium_c.FPDFText_GetCharOrigin(self._text, index, x, y)
        point: tuple[float, float] = self._matrix.on_point(x.value, y.value)
        return point

    def _find_facts(self, key: int, text_object: Any, index: int) -> _ObjectFacts:  # noqa: ANN401 - ctypes
        if key not in self._facts:
            self.objects.append(text_object)
            flags = CharacterFlag(0)
            if pdfium_c.FPDFTextObj_GetTextRenderMode(text_object) not in _MODES_PAINTED:
                flags |= CharacterFlag.UNPAINTED
            angle = math.degrees(pdfium_c.FPDFText_GetCharAngle(self._text, index)) + self._rotation
            quarters = round(angle / 90)
            if abs(angle - quarters * 90) > _MAX_TILT:
                flags |= CharacterFlag.SLANTED
            font = self._find_font(pdfium_c.FPDFTextObj_GetFont(text_object))
            turned = quarters % 4 << QUARTERS_SHIFT
            self._facts[key] = _ObjectFacts(font, int(flags | turned), self._find_size(index))
        return self._facts[key]

    def _find_size(self, index: int) -> float:
        matrix = pdfium_c.FS_MATRIX()
        pdfium_c.FPDFText_GetMatrix(self._text, index, matrix)
        size = abs(float(pdfium_c.FPDFText_GetFontSize(self._text, index)))
        return self._scale * size * math.hypot(matrix.c, matrix.d)

    def _find_font(self, font: Any) -> int:  # noqa: ANN401 - ctypes
        key = address_of(font)
        if key not in self._fonts:
            if len(self.fonts) >= _MAX_FONTS:
                return _MAX_FONTS - 1
            self._fonts[key] = len(self.fonts)
            self.fonts.append(_identify(font, self.fonts))
        return self._fonts[key]


def _identify(font: Any, others: list[str]) -> str:  # noqa: ANN401 - ctypes
    """What a font is known by on other pages too: its name and the size of its data; PDFium has no question for its
    object. Those of a page that are alike so far get numbers."""
    if not font:
        return "none"
    size = ctypes.c_size_t()
    pdfium_c.FPDFFont_GetFontData(font, None, 0, size)
    identity = f"{base_name(font)}:{size.value}"
    return f"{identity}:{sum(other.startswith(identity) for other in others)}"


def map_page(page: pdfium.PdfPage, width: int, height: int) -> pdfium.PdfMatrix:
    """From points of the page to pixels of its picture, `width` by `height`."""
    span = 1000.0
    (e, f), (ax, ay), (cx, cy) = (
        _to_device(page, width, height, x, y) for x, y in ((0.0, 0.0), (span, 0.0), (0.0, span))
    )
    return pdfium.PdfMatrix((ax - e) / span, (ay - f) / span, (cx - e) / span, (cy - f) / span, e, f)


def _to_device(page: pdfium.PdfPage, width: int, height: int, x: float, y: float) -> tuple[float, float]:
    right, down = ctypes.c_int(), ctypes.c_int()
    pdfium_c.FPDF_PageToDevice(page, 0, 0, width * _UNITS, height * _UNITS, 0, x, y, right, down)
    return right.value / _UNITS, down.value / _UNITS


def address_of(pointer: Any) -> int:  # noqa: ANN401 - ctypes
    """What an object of PDFium's is known by while its page is open; 0 for none."""
    return ctypes.c_void_p.from_buffer(pointer).value or 0


def base_name(font: Any) -> str:  # noqa: ANN401 - ctypes
    """As the file has it, of a subset with its tag; whatever bytes that may be."""
    buffer = ctypes.create_string_buffer(_NAME_BYTES)
    pdfium_c.FPDFFont_GetBaseFontName(font, buffer, _NAME_BYTES)
    return buffer.value.decode(errors="replace")


def _split_background(bitmap: pdfium.PdfBitmap) -> tuple[bytes | memoryview, ...]:
    pixels = memoryview(bitmap.buffer).cast("B")
    size = BACKGROUND_ROWS * bitmap.width * 3
    strips = [pixels[start : start + size] for start in range(0, len(pixels), size)]
    return tuple(bytes(strip[:3]) if _is_plain(strip) else strip for strip in strips)


def _is_plain(strip: memoryview) -> bool:
    """Whether its RGB pixels are alike. Some 1 ms for a page."""
    data = bytes(strip)
    return data == data[:3] * (len(data) // 3)
