"""What PDFium draws text with whose font is not in the file: fonts of this machine. Runs in worker processes only.

PDFium asks for a font by its name, and draws one that it does not get with outlines of its own, which have no letters
beyond Latin-1. It fits the letters of a font that stands in into the widths that the PDF gives, but not under the names
of the standard fonts, whose widths it takes for granted: `Arial` with all widths alike is drawn with letters over each
other and gaps between. So such a font is read under another name, as long, which tells that its pitch is fixed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pypdfium2.raw as pdfium_c

from gateway.intake.render.file_search import find_all
from gateway.intake.render.fonts import FontFolders, FontRequest

_COLLECTION = int.from_bytes(b"ttcf")
_INSTALLED: list[Any] = []
"""Keeps alive what PDFium calls."""
_STANDARD = re.compile(rb"/BaseFont\s*/(?:[A-Z]{6}\+)?(TimesNewRoman|Helvetica|Arial|Times)")
_FIXED_PITCH = b"MonospaceFont"
_WIDTHS = re.compile(rb"/Widths\s*(?:\[([\d\s.]*)\]|(\d+)\s+\d+\s+R)")
_MAX_OBJECT = 16 * 1024
"""Bytes before and after a font's name that its object may have."""
_MAX_FONTS = 1000
_MIN_LETTERS = 4


def install_fonts(folders: FontFolders) -> None:
    """Makes PDFium ask `folders` from now on, in the whole process."""
    info = _FontSource(folders).describe()
    pdfium_c.FPDF_SetSystemFontInfo(ctypes.byref(info))
    _INSTALLED.append(info)


class _FontSource:
    """Answers PDFium's questions (`FPDF_SYSFONTINFO`). A handle is a number from 1; 0 is none."""

    def __init__(self, folders: FontFolders) -> None:
        self._folders = folders
        self._files: list[Path] = []

    def describe(self) -> Any:  # noqa: ANN401 - ctypes
        info = pdfium_c.FPDF_SYSFONTINFO()
        info.version = 1
        types = dict(pdfium_c.FPDF_SYSFONTINFO._fields_)
        answers = {
            "Release": lambda _info: None,
            "EnumFonts": lambda _info, _mapper: None,
            "MapFont": self._map_font,
            "GetFont": lambda _info, _face: 0,
            "GetFontData": self._copy_data,
            "GetFaceName": lambda _info, _font, _buffer, _size: 0,
            "GetFontCharset": lambda _info, _font: 0,
            "DeleteFont": lambda _info, _font: None,
        }
        for name, answer in answers.items():
            setattr(info, name, types[name](answer))
        return info

    def _map_font(self, _info: Any, *asked: Any) -> int:  # noqa: ANN401 - ctypes
        weight, italic, charset, pitch, face, _ = asked
        name = ctypes.string_at(face).decode("latin-1") if face else ""
        file = self._folders.find(FontRequest(name, weight, bool(italic), charset, pitch))
        if file is None:
            return 0
        if file not in self._files:
            self._files.append(file)
        return self._files.index(file) + 1

    def _copy_data(self, _info: Any, font: int, table: int, buffer: Any, size: int) -> int:  # noqa: ANN401
        """Puts the whole file into `buffer`, if that is large enough; gives the file's size. PDFium asks for a whole
        collection as the table `ttcf`, and never for another table."""
        file = self._files[font - 1]
        with suppress(OSError), file.open("rb") as stream:
            if table and (table != _COLLECTION or stream.read(4) != b"ttcf"):
                return 0
            length = os.fstat(stream.fileno()).st_size
            if buffer and size >= length:
                stream.seek(0)
                stream.readinto((ctypes.c_char * length).from_address(ctypes.addressof(buffer.contents)))
            return length
        return 0


def find_renames(data: mmap.mmap) -> list[tuple[int, bytes]]:
    """Byte positions in the file and what is to be read there, in order; fonts in packed objects are not found."""
    names = islice(find_all(_STANDARD, data), _MAX_FONTS)
    return [(name.start(1), _FIXED_PITCH[: len(name[1])]) for name in names if _has_equal_widths(data, name.start())]


def _has_equal_widths(data: mmap.mmap, position: int) -> bool:
    start = max(data.rfind(b"obj", max(position - _MAX_OBJECT, 0), position), 0)
    end = data.find(b"endobj", position, position + _MAX_OBJECT)
    widths = _WIDTHS.search(data, start, end) if end > 0 else None
    if widths is None:
        return False
    values = [value for value in _list_widths(data, widths) if float(value) > 0]
    return len(values) >= _MIN_LETTERS and len(set(values)) == 1


def _list_widths(data: mmap.mmap, widths: re.Match[bytes]) -> Iterator[bytes]:
    """The numbers, where they stand in the font's object or in one of their own."""
    listed = widths[1]
    if listed is None:
        array = next(find_all(re.compile(rb"(?<!\d)%b\s+\d+\s+obj\s*\[([\d\s.]*)\]" % widths[2]), data), None)
        listed = array[1] if array else b""
    yield from re.findall(rb"\d+\.?\d*", listed)


def rename(buffer: memoryview, position: int, renames: list[tuple[int, bytes]]) -> None:
    """Changes a piece of the file that begins at `position`."""
    end = position + len(buffer)
    for at, name in renames:
        first, last = max(at, position), min(at + len(name), end)
        if first < last:
            buffer[first - position : last - position] = name[first - at : last - at]
