"""PDF files to RGB pages, with PDFium. Runs in worker processes only; PDFium is not thread-safe at all."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from contextlib import suppress
from functools import partial

import pypdfium2 as pdfium

from gateway.errors import ServiceError
from gateway.intake.render.page_source import MAX_SIDE, FileView, Raster
from gateway.intake.render.pdf_file import UserUnits, document_error, open_pdf
from gateway.intake.render.pdf_layer import MAX_CHARACTERS, PageCharacters, read_layer
from gateway.intake.render.pdf_text import explain_losses, find_text_angle, open_text
from gateway.reading_options import OWN_NAMES, OptionNames

_POINTS_PER_INCH = 72
_MAX_BYTES_READ = 4 * 2**20
"""Bytes. PDFium keeps every stream that it reads until the document is closed, so a long one is opened anew."""

_MAX_DRAWING_S = 5.0
"""Of CPU, for a page and what is looked for in its text; for the text layer it is drawn once more."""
_MIN_DPI = 72
"""Below this resolution the letters of a usual text are under 10 pixels high and can't be read."""


class PdfSource:
    """A PDF file as pages (a `PageSource`). Draws annotations and filled forms, runs no scripts.

    `has_layer`: whether pages come with their text layers; `names`: how a refusal names the options.
    """

    def __init__(
        self,
        file: FileView,
        dpi: int,
        max_pixels: int,
        password: str | None = None,
        *,
        has_layer: bool = False,
        names: OptionNames = OWN_NAMES,
    ) -> None:
        self._names = names
        self._has_layer = has_layer
        self._dpi = dpi
        self._max_pixels = max_pixels
        self._password = password
        self._file = file
        self._pdf: pdfium.PdfDocument | None = None
        self._pages_total = len(self._load())
        self._units = UserUnits(file)

    @property
    def pages_total(self) -> int:
        return self._pages_total

    def probe(self, selected: Collection[int]) -> None:
        """Looks at sizes only: what a page draws is seen when it is drawn."""
        pdf = self._load()
        first_error: ServiceError | None = None
        for number in selected:
            try:
                _check_size(number, *pdf.get_page_size(number - 1))
                return
            except pdfium.PdfiumError:
                first_error = first_error or document_error("its page tree can't be read")
            except ServiceError as error:
                first_error = first_error or error
        if first_error:
            raise first_error

    def page(self, number: int) -> Raster:
        """Rendered at the asked resolution, or at the highest that stays within the pixel limit."""
        if self._file.bytes_read > _MAX_BYTES_READ:
            self.trim()
        try:
            page = self._load()[number - 1]
        except pdfium.PdfiumError as error:
            raise _page_error(number) from error
        try:
            return self._render(page, number)
        finally:
            page.close()

    def trim(self) -> None:
        if self._pdf:
            self._pdf.close()
            self._pdf = None

    def close(self) -> None:
        self.trim()
        self._file.close()

    def _load(self) -> pdfium.PdfDocument:
        if self._pdf is None:
            self._pdf = open_pdf(self._file, self._password, self._names)
            # A broken form is no reason to refuse the page below it. Forms come before all else that is asked.
            with suppress(pdfium.PdfiumError):
                self._pdf.init_forms()
            self._file.bytes_read = 0
        return self._pdf

    def _render(self, page: pdfium.PdfPage, number: int) -> Raster:
        unit = self._units.find(self._load(), number)
        width, height = (side * unit for side in page.get_size())
        _check_size(number, width, height)
        scale = _choose_scale(width, height, self._dpi, self._max_pixels)
        draw = partial(page.render, scale=scale * unit, rev_byteorder=True)
        began = time.process_time()
        bitmap = draw()
        if bitmap.stride != bitmap.width * 3:
            raise ValueError(f"rows of {bitmap.stride} bytes for {bitmap.width} RGB pixels")
        dpi = max(1, round(scale * _POINTS_PER_INCH))
        with open_text(page) as text:
            found = PageCharacters(text)
            losses = explain_losses(page, found, bitmap)
            angle = find_text_angle(page, found)
            obstacle = _find_obstacle(found, time.process_time() - began) if self._has_layer else None
            layer = read_layer(page, found, bitmap, draw) if self._has_layer and not obstacle else None
        notes = (f"its text layer was not used: {obstacle}",) if obstacle else ()
        return Raster(
            bitmap.width,
            bitmap.height,
            dpi,
            (memoryview(bitmap.buffer).cast("B"),),
            warnings=(*self._explain_scale(width, height, dpi), *losses, *notes),
            is_partial=bool(losses),
            text_angle=angle,
            layer=layer,
        )

    def _explain_scale(self, width: float, height: float, dpi: int) -> tuple[str, ...]:
        if dpi >= min(_MIN_DPI, self._dpi):
            return ()
        size = f"{width / _POINTS_PER_INCH:.0f} × {height / _POINTS_PER_INCH:.0f} inches"
        return (f"the page measures {size} and was drawn at {dpi} dpi, to stay within MAX_PIXELS; small print is lost",)


def _find_obstacle(found: PageCharacters, spent_s: float) -> str | None:
    """What makes the page's text layer too much work: its length, or the time that the page has taken so far."""
    if found.count > MAX_CHARACTERS:
        return f"it has {found.count} characters, the limit is {MAX_CHARACTERS}"
    return "the page takes too long to draw" if found.count > 0 and spent_s > _MAX_DRAWING_S else None


def _check_size(number: int, width: float, height: float) -> None:
    if not (math.isfinite(width) and math.isfinite(height) and width > 0 and height > 0):
        raise _page_error(number)


def _choose_scale(width: float, height: float, dpi: int, max_pixels: int) -> float:
    """Pixels for each point of a page, sizes in points: as asked, else whole dpi, else what is left."""
    longest = min(max_pixels, MAX_SIDE) / max(width, height)
    for whole in range(dpi, 0, -1):
        scale = whole / _POINTS_PER_INCH
        if scale <= longest and _count_pixels(width, height, scale) <= max_pixels:
            return scale
    # Each side is rounded up, which for a strip is most of it.
    return min(math.sqrt(max_pixels / (width * height)), longest) / 2


def _count_pixels(width: float, height: float, scale: float) -> int:
    """Pixels of a page as PDFium makes them: each side is rounded up."""
    return math.ceil(width * scale) * math.ceil(height * scale)


def _page_error(number: int) -> ServiceError:
    return ServiceError(400, "damaged_page", f"Page {number} of the PDF is damaged: it can't be loaded.")
