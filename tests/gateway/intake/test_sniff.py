from __future__ import annotations

import io

import pytest
from PIL import Image

from gateway.errors import ServiceError
from gateway.intake.sniff import FORMAT_NAMES, media_type
from tests.gateway.intake.files import HEIC, encode, pdf, picture


def example(kind: str) -> bytes:
    if kind == "image/heic":
        return HEIC
    return pdf() if kind == "application/pdf" else encode(picture(), FORMAT_NAMES[kind])


@pytest.mark.parametrize("expected", sorted(FORMAT_NAMES))
def test_names_every_supported_format(expected: str) -> None:
    assert media_type(example(expected)) == expected


def test_big_tiff() -> None:
    assert media_type(encode(picture(), "TIFF", big_tiff=True)) == "image/tiff"


@pytest.mark.parametrize("version", ["old", "new"])
def test_bmp_headers(version: str) -> None:
    data = encode(picture(), "BMP")
    if version == "new":
        data = data[:14] + (124).to_bytes(4, "little") + data[18:]
    assert media_type(data) == "image/bmp"


@pytest.mark.parametrize("size", [1000, 1024, 50_000])
def test_late_pdf_header(size: int) -> None:
    assert media_type(b"\n" * size + pdf()) == "application/pdf"


def test_text_about_pdf_is_text() -> None:
    with pytest.raises(ServiceError) as caught:
        media_type(b"x" * 2000 + b"a header begins with %PDF- and a number")
    assert caught.value.code == "unsupported_media_type"


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        (b"heic", "image/heic"),
        (b"hevx", "image/heic"),
        (b"mif1\0\0\0\0mif1heic", "image/heic"),
        (b"avif", "image/avif"),
        (b"mif1\0\0\0\0mif1avifmiaf", "image/avif"),
        (b"avis", "image/avif"),
    ],
)
def test_brands_of_heif(brands: bytes, expected: str) -> None:
    assert media_type(b"\x00\x00\x00\x1cftyp" + brands) == expected


def test_empty() -> None:
    with pytest.raises(ServiceError) as caught:
        media_type(b"")
    assert (caught.value.status, caught.value.code) == (400, "empty_document")


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"Dear all,\nthis is no PDF.\n", "plain text"),
        ("Привет".encode(), "plain text"),
        ("Привет".encode("utf-16"), "plain text"),
        (b"BMW is a maker of cars in Munich", "plain text"),
        (b"<!DOCTYPE html><html></html>", "HTML"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "XML"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG image"),
        (b"PK\x03\x04" + bytes(26) + b"word/document.xml", "an Office document"),
        (b"PK\x03\x04" + bytes(26) + b"a.txt", "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(9), "an old Office document"),
        (b"\x00\x00\x00\x18ftypisom", "a video"),
        (b"<html>" + b"-" * 2000 + b"%PDF-1.7", "HTML"),
        (b"PK\x03\x04" + bytes(3000) + b"%PDF-1.7", "a ZIP archive"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (bytes(range(256)), "unknown binary data"),
    ],
)
def test_unsupported_files_are_named(data: bytes, looks_like: str) -> None:
    with pytest.raises(ServiceError) as caught:
        media_type(data)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_media_type")
    assert looks_like in caught.value.detail


def test_other_pillow_formats() -> None:
    for format in ("ICO", "PPM", "TGA", "PCX", "EPS"):
        stream = io.BytesIO()
        Image.new("RGB", (16, 16)).save(stream, format)
        with pytest.raises(ServiceError):
            media_type(stream.getvalue())
