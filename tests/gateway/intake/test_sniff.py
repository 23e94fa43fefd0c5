from __future__ import annotations

import io

import pytest
from PIL import Image

from gateway.errors import ServiceError
from gateway.intake.sniff import FORMAT_NAMES, media_type
from tests.gateway.intake.files import encode, pdf, picture


@pytest.mark.parametrize("expected", sorted(FORMAT_NAMES))
def test_names_every_supported_format(expected: str) -> None:
    data = pdf() if expected == "application/pdf" else encode(picture(), FORMAT_NAMES[expected])
    assert media_type(data) == expected


def test_big_tiff() -> None:
    assert media_type(encode(picture(), "TIFF", big_tiff=True)) == "image/tiff"


@pytest.mark.parametrize("version", ["old", "new"])
def test_bmp_headers(version: str) -> None:
    data = encode(picture(), "BMP")
    if version == "new":
        data = data[:14] + (124).to_bytes(4, "little") + data[18:]
    assert media_type(data) == "image/bmp"


def test_late_pdf_header() -> None:
    assert media_type(b"\n" * 1000 + pdf()) == "application/pdf"
    with pytest.raises(ServiceError) as caught:
        media_type(b"\n" * 1024 + pdf())
    assert caught.value.code == "unsupported_media_type"


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
        (b"\x00\x00\x00\x18ftypheic", "a HEIC image"),
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
