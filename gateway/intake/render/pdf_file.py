"""How a PDF file is opened with PDFium, and what its refusals mean. Runs in worker processes only."""

from __future__ import annotations

import ctypes
import math
import mmap
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from gateway.errors import ServiceError
from gateway.intake.render.file_search import find_all, map_file
from gateway.intake.render.page_source import FileView
from gateway.intake.render.pdf_fonts import find_renames, rename
from gateway.intake.sniff import HEAD_BYTES, PDF_HEADER
from gateway.reading_options import OptionNames

_USER_UNIT = re.compile(b"/UserUnit")
_USER_UNIT_VALUE = re.compile(rb"/UserUnit\s*(\d*\.?\d+)")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b.{0,512}?\bstream\r?\n", re.DOTALL)
_MAX_UNPACKED = 32 * 2**20
"""Bytes of objects in which pages' units are looked for."""
_PACKED_AT_ONCE = 2**14
_MAX_UNIT = 10_000.0


def open_pdf(file: FileView, password: str | None, names: OptionNames) -> pdfium.PdfDocument:
    """Raises ServiceError 400 `damaged_pdf`, 422 `password_required`, `wrong_password`."""
    # Not by pypdfium2's constructor: for a file without pages that tells the error of the file before.
    access = _describe(file)
    handle = pdfium_c.FPDF_LoadCustomDocument(ctypes.byref(access), password.encode() if password else None)
    if not handle:
        raise _explain(pdfium_c.FPDF_GetLastError(), names, has_password=bool(password))
    pdf = pdfium.PdfDocument(handle)
    pdf._data_holder.append(access)
    if len(pdf) < 1:
        pdf.close()
        raise document_error("it has no pages")
    return pdf


def document_error(reason: str) -> ServiceError:
    return ServiceError(400, "damaged_pdf", f"The PDF is damaged or cut off: {reason}.")


def _describe(file: FileView) -> Any:  # noqa: ANN401 - ctypes
    """The file from its header on as PDFium reads it (`FPDF_FILEACCESS`): what stands before is no part of it."""
    file.seek(0)
    start = max(file.read(HEAD_BYTES).find(PDF_HEADER), 0)
    with map_file(file) as data:
        renames = find_renames(data)

    def read_block(_parameter: Any, position: int, buffer: Any, size: int) -> int:  # noqa: ANN401
        target = (ctypes.c_char * size).from_address(ctypes.addressof(buffer.contents))
        file.seek(start + position)
        if file.readinto(target) != size:
            return 0
        if renames:
            rename(memoryview(target).cast("B"), start + position, renames)
        return 1

    access = pdfium_c.FPDF_FILEACCESS()
    access.m_FileLen = file.size - start
    access.m_GetBlock = dict(pdfium_c.FPDF_FILEACCESS._fields_)["m_GetBlock"](read_block)
    return access


def _explain(code: int, names: OptionNames, *, has_password: bool) -> ServiceError:
    if code == pdfium_c.FPDF_ERR_PASSWORD and has_password:
        detail = f"The PDF is encrypted, and `{names.password}` is not its password."
        return ServiceError(422, "wrong_password", detail)
    if code == pdfium_c.FPDF_ERR_PASSWORD:
        remedy = f"give it in `{names.password}`, or send it without"
        if names.password is None:
            remedy = "send it without, or by `POST /ocr`, because this API has no field for it"
        detail = f"The PDF is encrypted and asks for a password: {remedy}."
        return ServiceError(422, "password_required", detail)
    if code == pdfium_c.FPDF_ERR_SECURITY:
        detail = "The PDF is encrypted in a way that the service can't open; send it without."
        return ServiceError(422, "password_required", detail)
    return document_error("it can't be opened")


class UserUnits:
    """How large a unit of each page's sizes is, in points: `UserUnit` (PDF 1.6), which PDFium has no question for."""

    def __init__(self, file: FileView) -> None:
        self._are_named = _names_units(file)

    def find(self, pdf: pdfium.PdfDocument, number: int) -> float:
        """Of a page by its number from 1. Copies the page where the file names any unit."""
        if not self._are_named:
            return 1.0
        with closing(pdfium.PdfDocument.new()) as copy:
            copy.import_pages(pdf, [number - 1])
            values = [float(value) for value in _USER_UNIT_VALUE.findall(_save(copy))]
        unit = values[0] if values else 1.0
        return unit if math.isfinite(unit) and 0 < unit <= _MAX_UNIT else 1.0


def _save(pdf: pdfium.PdfDocument) -> bytes:
    written = bytearray()

    def write(_self: Any, data: int, size: int) -> int:  # noqa: ANN401 - ctypes
        written.extend(ctypes.string_at(data, size))
        return 1

    writer = pdfium_c.FPDF_FILEWRITE(version=1)
    writer.WriteBlock = dict(pdfium_c.FPDF_FILEWRITE._fields_)["WriteBlock"](write)
    pdfium_c.FPDF_SaveAsCopy(pdf, ctypes.byref(writer), pdfium_c.FPDF_NO_INCREMENTAL)
    return bytes(written)


def _names_units(file: FileView) -> bool:
    """Whether the word stands in the file, in the clear or in a packed stream of objects."""
    with map_file(file) as data:
        return any(find_all(_USER_UNIT, data)) or any(map(_USER_UNIT.search, _unpack_objects(data)))


def _unpack_objects(data: mmap.mmap) -> Iterator[bytes]:
    left = _MAX_UNPACKED
    for match in find_all(_OBJECT_STREAM, data):
        if left <= 0:
            return
        try:
            objects = _unpack(data, match.end(), left)
        except zlib.error:
            continue
        left -= len(objects)
        yield objects


def _unpack(data: mmap.mmap, start: int, limit: int) -> bytes:
    """The first `limit` bytes at most of what is packed there. Raises zlib.error."""
    unpacker, objects = zlib.decompressobj(), bytearray()
    for at in range(start, len(data), _PACKED_AT_ONCE):
        objects += unpacker.decompress(data[at : at + _PACKED_AT_ONCE], limit - len(objects))
        if unpacker.eof or len(objects) >= limit:
            break
    return bytes(objects)
