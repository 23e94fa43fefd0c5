"""What PDFium draws text with whose font is not in the file: fonts of this machine. Runs in worker processes only.

PDFium asks for a font by its name, and draws one that it does not get with outlines of its own, which have no letters
beyond Latin-1.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pypdfium2.raw as pdfium_c

from gateway.intake.render.fonts import FontFolders, FontRequest

_COLLECTION = int.from_bytes(b"ttcf")
_INSTALLED: list[Any] = []
"""Keeps alive what PDFium calls."""


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
