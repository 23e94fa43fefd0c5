from __future__ import annotations

import io

import numpy as np
import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from gateway.errors import ServiceError
from gateway.intake.render.page_source import Raster
from gateway.intake.render.pdf import PdfSource
from gateway.model import Pixels
from tests.gateway.intake.files import RED, WHITE, mixed_pdf, pdf, view

LIMIT = 1_000_000


def pixels_of(raster: Raster) -> Pixels:
    return np.frombuffer(b"".join(raster.strips), np.uint8).reshape(raster.height, raster.width, 3)


def test_resolution() -> None:
    source = PdfSource(view(pdf(pages=2)), 144, LIMIT)
    assert source.pages_total == 2
    raster = source.page(2)
    assert (raster.width, raster.height, raster.dpi) == (400, 200, 144)
    pixels = pixels_of(raster)
    assert tuple(pixels[190, 10]) == RED
    assert tuple(pixels[10, 390]) == WHITE


def test_large_page_gets_lower_resolution() -> None:
    raster = PdfSource(view(pdf(size=(900, 900))), 144, LIMIT).page(1)
    assert raster.dpi is not None
    assert 72 <= raster.dpi < 144
    assert raster.width * raster.height <= LIMIT
    assert raster.width == pytest.approx(900 * raster.dpi / 72, abs=1)


@pytest.mark.parametrize("size", [(14_400, 14_400), (1e6, 1.0001), (2e5, 2e5)])
def test_huge_page_is_refused(size: tuple[float, float]) -> None:
    source = PdfSource(view(pdf(pages=1, size=size)), 144, LIMIT)
    with pytest.raises(ServiceError) as caught:
        source.page(1)
    assert (caught.value.status, caught.value.code) == (413, "page_too_large")
    assert "Page 1" in caught.value.detail
    assert f"{size[0]:.0f}" in caught.value.detail
    assert str(LIMIT) in caught.value.detail


def test_low_resolution_request() -> None:
    assert PdfSource(view(pdf(pages=1, size=(1500, 1500))), 36, LIMIT).page(1).width == 750


def test_probe_needs_one_good_page() -> None:
    source = PdfSource(view(mixed_pdf([(14_400, 14_400), (200, 100)])), 144, LIMIT)
    source.probe((1, 2))
    with pytest.raises(ServiceError) as caught:
        source.probe((1,))
    assert caught.value.code == "page_too_large"


def test_password() -> None:
    data = pdf(encrypt=StandardEncryption("secret", ownerPassword="owner"))
    with pytest.raises(ServiceError) as caught:
        PdfSource(view(data), 144, LIMIT)
    assert (caught.value.status, caught.value.code) == (422, "password_required")


def test_print_restriction_opens() -> None:
    data = pdf(encrypt=StandardEncryption("", ownerPassword="owner", canPrint=0))
    assert PdfSource(view(data), 144, LIMIT).pages_total == 3


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6])
def test_truncated_file(kept: float) -> None:
    data = pdf()
    with pytest.raises(ServiceError) as caught:
        PdfSource(view(data[: int(len(data) * kept)]), 144, LIMIT)
    assert (caught.value.status, caught.value.code) == (400, "damaged_pdf")


def test_header_only() -> None:
    with pytest.raises(ServiceError) as caught:
        PdfSource(view(b"%PDF-1.7\nnothing else"), 144, LIMIT)
    assert caught.value.code == "damaged_pdf"


def test_broken_page() -> None:
    source = PdfSource(view(pdf().replace(b"/Type /Page\n", b"/Type /Pagx\n", 1)), 144, LIMIT)
    assert source.page(3).width == 400


def test_form_fields_are_drawn() -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(200, 100))
    canvas.acroForm.textfield(value="FILLED IN", x=10, y=10, width=150, height=40, fillColor=None, borderWidth=0)
    canvas.showPage()
    canvas.save()
    assert pixels_of(PdfSource(view(stream.getvalue()), 72, LIMIT).page(1)).min() < 100
