"""The names a shared library offers and asks for, read from its file without loading it (ELF, 64 bits, little-endian).

Own code because slim images have no `nm`, and a library for this, pure Python too, needs minutes for torch's gigabyte.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DYNSYM = 11
"""SHT_DYNSYM of elf.h."""
UNDEFINED = 0
"""SHN_UNDEF: the symbol is to come from another library."""
WEAK = 2
"""STB_WEAK: a library that asks for such a symbol works without it."""
_HEADER = struct.Struct("<40xQ10xHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")


@dataclass(frozen=True, slots=True)
class Symbols:
    defined: frozenset[str]
    undefined: frozenset[str]


def read_symbols(library: Path, prefix: str) -> Symbols:
    """The dynamic symbols of `library` that begin with `prefix`. OSError where the file can't be read, ValueError where
    it is no such library or not whole."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{library} is no 64-bit ELF library")
        try:
            symbols = list(_dynamic_symbols(content, prefix.encode()))
        except (struct.error, IndexError) as error:
            raise ValueError(f"{library} is not whole: {error}") from error
    return Symbols(
        frozenset(name for name, section, _ in symbols if section != UNDEFINED),
        frozenset(name for name, section, binding in symbols if section == UNDEFINED and binding != WEAK),
    )


def _dynamic_symbols(content: mmap.mmap, prefix: bytes) -> Iterator[tuple[str, int, int]]:
    """Name, section and binding of each."""
    sections = list(_sections(content))
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind != DYNSYM:
            continue
        names = sections[link][4]
        table = content[offset : offset + size]
        for start, info, _, section, _, _ in _SYMBOL.iter_unpack(table):
            if content[names + start : names + start + len(prefix)] == prefix:
                end = content.find(b"\0", names + start)
                yield content[names + start : end].decode(), section, info >> 4


def _sections(content: mmap.mmap) -> Iterator[tuple[int, ...]]:
    offset, size, count, _ = _HEADER.unpack_from(content)
    for index in range(count):
        yield _SECTION.unpack_from(content, offset + index * size)
