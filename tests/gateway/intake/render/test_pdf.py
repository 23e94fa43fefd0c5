from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from gateway.errors import ServiceError
from gateway.intake.render.page_source import Raster
from gateway.intake.render.pdf import PdfSource
from gateway.model import Pixels
from tests.gateway.intake.files import RED, WHITE, pdf, view

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
def test_huge_page_is_drawn_small_and_says_so(size: tuple[float, float]) -> None:
    raster = PdfSource(view(pdf(pages=1, size=size)), 144, LIMIT).page(1)
    assert 0 < raster.width * raster.height <= LIMIT
    assert raster.width / raster.height > min(size[0] / size[1], 1000) * 0.99
    (warning,) = raster.warnings
    assert "MAX_PIXELS" in warning
    assert not raster.is_partial


@pytest.mark.parametrize(("size", "dpi"), [((900, 900), 144), ((1500, 1500), 36)])
def test_page_within_limits_says_nothing(size: tuple[float, float], dpi: int) -> None:
    assert PdfSource(view(pdf(pages=1, size=size)), dpi, LIMIT).page(1).warnings == ()


def test_low_resolution_request() -> None:
    assert PdfSource(view(pdf(pages=1, size=(1500, 1500))), 36, LIMIT).page(1).width == 750


def encrypted_pdf() -> bytes:
    return pdf(encrypt=StandardEncryption("geheim", ownerPassword="owner"))


@pytest.mark.parametrize(("password", "code"), [(None, "password_required"), ("falsch", "wrong_password")])
def test_encrypted_file_needs_its_password(password: str | None, code: str) -> None:
    with pytest.raises(ServiceError) as caught:
        PdfSource(view(encrypted_pdf()), 144, LIMIT, password)
    assert (caught.value.status, caught.value.code) == (422, code)
    assert "falsch" not in caught.value.detail


@pytest.mark.parametrize("password", ["geheim", "owner"])
def test_encrypted_file_opens_with_either_password(password: str) -> None:
    raster = PdfSource(view(encrypted_pdf()), 144, LIMIT, password).page(2)
    assert tuple(pixels_of(raster)[190, 10]) == RED


def without_pages() -> bytes:
    """A sound file whose page tree is empty."""
    head = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
    second = b"2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    table = b"xref\n0 3\n0000000000 65535 f \n%010d 00000 n \n%010d 00000 n \n" % (9, len(head))
    end = b"trailer<</Size 3/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(head + second)
    return head + second + table + end


@pytest.mark.parametrize("before", [encrypted_pdf(), b"%PDF-1.7\nnothing else", pdf()])
def test_error_does_not_depend_on_the_file_before(before: bytes) -> None:
    with suppress(ServiceError):
        PdfSource(view(before), 144, LIMIT)
    with pytest.raises(ServiceError) as caught:
        PdfSource(view(without_pages()), 144, LIMIT)
    assert (caught.value.status, caught.value.code) == (400, "damaged_pdf")
    assert "no pages" in caught.value.detail


@pytest.mark.parametrize("size", [3, 900, 1500, 40_000])
def test_what_stands_before_the_header_is_no_part_of_the_file(size: int) -> None:
    source = PdfSource(view(b"HTTP/1.1 200 OK\r\n".ljust(size, b"-")[:size] + pdf()), 144, LIMIT)
    assert source.pages_total == 3
    assert tuple(pixels_of(source.page(3))[190, 10]) == RED


def pages_with_units(*units: str) -> bytes:
    """A page of 200 x 100 units for each of `units`, with a red square in its lower left corner."""
    kids = b" ".join(b"%d 0 R" % (at + 4) for at in range(len(units)))
    pages = [f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 3 0 R{unit}>>".encode() for unit in units]
    tree = b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(units), kids)
    square = b"<</Length 24>>stream\n1 0 0 rg 0 0 50 50 re f \nendstream"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", tree, square, *pages]
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (at, text) for at, text in enumerate(objects, 1))
    return b"%PDF-1.6\n" + body + b"trailer<</Root 1 0 R>>\n"


def test_user_unit_makes_its_page_larger() -> None:
    source = PdfSource(view(pages_with_units("", "/UserUnit 2.5", "/UserUnit 1")), 72, LIMIT)
    sizes = [(raster.width, raster.height) for raster in map(source.page, (1, 2, 3))]
    assert sizes == [(200, 100), (500, 250), (200, 100)]
    assert tuple(pixels_of(source.page(2))[130, 120]) == RED


def test_user_unit_is_found_among_packed_objects() -> None:
    packed = zlib.compress(b"4 0 <</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]/Contents 3 0 R/UserUnit 3>>")
    stream = b"<</Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (len(packed), packed)
    whole = pages_with_units("")
    head = whole[: whole.index(b"4 0 obj")] + b"5 0 obj\n" + stream + b"\nendobj\n"
    places = [(0, 0, 255), *((1, head.index(b"%d 0 obj" % at), 0) for at in (1, 2, 3)), (2, 5, 0)]
    places += [(1, head.index(b"5 0 obj"), 0), (1, len(head), 0)]
    table = b"".join(struct.pack("!BHB", *place) for place in places)
    last = b"6 0 obj\n<</Type/XRef/Size 7/W[1 2 1]/Root 1 0 R/Length %d>>stream\n%b\nendstream\nendobj\n"
    data = head + last % (len(table), table) + b"startxref\n%d\n%%%%EOF\n" % len(head)
    assert PdfSource(view(data), 72, LIMIT).page(1).width == 600


@pytest.mark.parametrize("unit", ["0", "-2", "1e400", "99999999", "/Name"])
def test_user_unit_that_is_none_is_ignored(unit: str) -> None:
    assert PdfSource(view(pages_with_units(f"/UserUnit {unit}")), 72, LIMIT).page(1).width == 200


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("rotate", [0, 90])
def test_direction_of_letters_is_told(angle: int, rotate: int) -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(300, 300))
    canvas.translate(150, 150)
    canvas.rotate(-angle)
    canvas.drawString(-100, 0, "a line of letters that lies like this")
    canvas.setPageRotation(rotate)
    canvas.showPage()
    canvas.save()
    assert PdfSource(view(stream.getvalue()), 72, LIMIT).page(1).text_angle == (angle + rotate) % 360


def test_direction_beside_a_large_picture_is_not_told() -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(300, 300))
    canvas.drawImage(ImageReader(Image.new("L", (30, 30), 200)), 20, 20, 260, 200)
    canvas.rotate(90)
    canvas.drawString(50, -15, "a note on the edge of a scan")
    canvas.showPage()
    canvas.save()
    assert PdfSource(view(stream.getvalue()), 72, LIMIT).page(1).text_angle is None


@pytest.mark.parametrize("slant", [30, 45, 310])
def test_direction_of_slanted_letters_is_not_told(slant: int) -> None:
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(300, 300))
    canvas.translate(150, 150)
    canvas.rotate(slant)
    canvas.drawCentredString(0, 0, "not for circulation")
    canvas.showPage()
    canvas.save()
    assert PdfSource(view(stream.getvalue()), 72, LIMIT).page(1).text_angle is None


def test_direction_of_few_or_mixed_letters_is_not_told() -> None:
    assert PdfSource(view(pdf(pages=1)), 72, LIMIT).page(1).text_angle is None
    stream = io.BytesIO()
    canvas = Canvas(stream, pagesize=(300, 300))
    canvas.drawString(50, 20, "twenty letters of one line")
    canvas.rotate(90)
    canvas.drawString(50, -20, "twenty letters of another")
    canvas.showPage()
    canvas.save()
    assert PdfSource(view(stream.getvalue()), 72, LIMIT).page(1).text_angle is None


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
