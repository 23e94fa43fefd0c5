"""Fonts whose letters a PDF declares equally wide, under the name of one whose letters are not.

PDFium fits the letters of a font that stands in into the widths that the PDF gives, but not under the names of the
standard fonts, whose widths it takes for granted: `Arial` with all widths alike is drawn with letters over each other
and gaps between. So such a font is read under another name, as long, which tells that its pitch is fixed.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from itertools import islice

_NAME = re.compile(rb"/BaseFont\s*/(?:[A-Z]{6}\+)?(TimesNewRoman|Helvetica|Arial|Times)")
_FIXED = b"MonospaceFont"
_WIDTHS = re.compile(rb"/Widths\s*(?:\[([\d\s.]*)\]|(\d+)\s+\d+\s+R)")
_MAX_OBJECT = 16 * 1024
"""Bytes before and after a font's name that its object may have."""
_MAX_FONTS = 1000
_MIN_LETTERS = 4


def find_renames(data: mmap.mmap) -> list[tuple[int, bytes]]:
    """Byte positions in the file and what is to be read there, in order; fonts in packed objects are not found."""
    names = islice(_NAME.finditer(data), _MAX_FONTS)
    return [(name.start(1), _FIXED[: len(name[1])]) for name in names if _has_equal_widths(data, name.start())]


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
        array = re.search(rb"(?<!\d)%b\s+\d+\s+obj\s*\[([\d\s.]*)\]" % widths[2], data)
        listed = array[1] if array else b""
    yield from re.findall(rb"\d+\.?\d*", listed)


def rename(buffer: memoryview, position: int, renames: list[tuple[int, bytes]]) -> None:
    """Changes a piece of the file that begins at `position`."""
    end = position + len(buffer)
    for at, name in renames:
        first, last = max(at, position), min(at + len(name), end)
        if first < last:
            buffer[first - position : last - position] = name[first - at : last - at]
