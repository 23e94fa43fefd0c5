"""PDF files to RGB pages, with PDFium. Runs in worker processes only; PDFium is not thread-safe at all."""

from __future__ import annotations

import math
from collections.abc import Collection
from contextlib import suppress

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from gateway.errors import ServiceError
from gateway.intake.render.page_source import FileView, Raster

_POINTS_PER_INCH = 72
_MAX_BYTES_READ = 4 * 2**20
"""Bytes. PDFium keeps every stream that it reads until the document is closed, so a long one is opened anew."""

_MIN_DPI = 72
"""Below this resolution the letters of a usual text are under 10 pixels high and can't be read."""


class PdfSource:
    """A PDF file as pages (a `PageSource`). Draws annotations and filled forms, runs no scripts."""

    def __init__(self, file: FileView, dpi: int, max_pixels: int) -> None:
        self._dpi = dpi
        self._max_pixels = max_pixels
        self._file = file
        self._pdf: pdfium.PdfDocument | None = None
        self._pages_total = len(self._load())

    @property
    def pages_total(self) -> int:
        return self._pages_total

    def probe(self, selected: Collection[int]) -> None:
        """Looks at sizes only: what a page draws is seen when it is drawn."""
        pdf = self._load()
        first_error: ServiceError | None = None
        for number in selected:
            try:
                self._choose_dpi(number, *pdf.get_page_size(number - 1))
                return
            except pdfium.PdfiumError:
                first_error = first_error or _document_error("its page tree can't be read")
            except ServiceError as error:
                first_error = first_error or error
        if first_error:
            raise first_error

    def page(self, number: int) -> Raster:
        """Rendered at the asked resolution, or at the highest down to 72 dpi that stays within the pixel limit."""
        if self._file.bytes_read > _MAX_BYTES_READ:
            self.trim()
        try:
            page = self._load()[number - 1]
        except pdfium.PdfiumError as error:
            raise _page_error(number) from error
        try:
            width, height = page.get_size()
            dpi = self._choose_dpi(number, width, height)
            bitmap = page.render(scale=dpi / _POINTS_PER_INCH, rev_byteorder=True)
        finally:
            page.close()
        if bitmap.stride != bitmap.width * 3:
            raise ValueError(f"rows of {bitmap.stride} bytes for {bitmap.width} RGB pixels")
        return Raster(bitmap.width, bitmap.height, dpi, (memoryview(bitmap.buffer).cast("B"),))

    def trim(self) -> None:
        if self._pdf:
            self._pdf.close()
            self._pdf = None

    def close(self) -> None:
        self.trim()
        self._file.close()

    def _load(self) -> pdfium.PdfDocument:
        if self._pdf is None:
            self._pdf = _open(self._file)
            # A broken form is no reason to refuse the page below it. Forms come before all else that is asked.
            with suppress(pdfium.PdfiumError):
                self._pdf.init_forms()
            self._file.bytes_read = 0
        return self._pdf

    def _choose_dpi(self, number: int, width: float, height: float) -> int:
        """`width` and `height` in points."""
        if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
            raise _page_error(number)
        lowest = min(_MIN_DPI, self._dpi)
        for dpi in range(self._dpi, lowest - 1, -1):
            if _count_pixels(width, height, dpi) <= self._max_pixels:
                return dpi
        size = f"{width:.0f} × {height:.0f} points are {_count_pixels(width, height, lowest)} pixels at {lowest} dpi"
        detail = f"Page {number} is too large: {size}, the limit is {self._max_pixels} pixels."
        raise ServiceError(413, "page_too_large", detail)


def _open(file: FileView) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(file)
    except pdfium.PdfiumError as error:
        # By its code, not its message: PDFium says "Success" for some files that it refuses.
        if error.err_code == pdfium_c.FPDF_ERR_PASSWORD:
            detail = "The PDF is encrypted and asks for a password; send it without."
            raise ServiceError(422, "password_required", detail) from error
        if error.err_code == pdfium_c.FPDF_ERR_SECURITY:
            detail = "The PDF is encrypted in a way that the service can't open; send it without."
            raise ServiceError(422, "password_required", detail) from error
        raise _document_error("it can't be opened") from error


def _count_pixels(width: float, height: float, dpi: int) -> int:
    """Pixels of a page as PDFium makes them: each side is rounded up."""
    scale = dpi / _POINTS_PER_INCH
    return math.ceil(width * scale) * math.ceil(height * scale)


def _document_error(reason: str) -> ServiceError:
    return ServiceError(400, "damaged_pdf", f"The PDF is damaged or cut off: {reason}.")


def _page_error(number: int) -> ServiceError:
    return ServiceError(400, "damaged_page", f"Page {number} of the PDF is damaged: it can't be loaded.")
