"""Pages of a PDF that are made of an image file's pages, pixel for pixel. Runs in conversion workers only."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import BinaryIO

from pikepdf import Dictionary, Name, Pdf, Stream
from PIL import ExifTags, Image

from gateway.intake.render.images import ImageSource
from gateway.intake.render.page_source import FileView, Raster
from gateway.model import PageResult

USUAL_DPI = 200
"""Of a picture that names none."""
MAX_SIDE = 14_400
"""Points of a PDF page's side, at most (PDF 1.7, annex C)."""
_POINTS_PER_INCH = 72
_JPEG = "image/jpeg"
_COLOUR_SPACES = {"L": "/DeviceGray", "RGB": "/DeviceRGB"}
_UPRIGHT = 1


def add_image_pages(pdf: Pdf, file: BinaryIO, media_type: str, pages: Sequence[PageResult]) -> None:
    """Adds each of the pages, as large as its resolution says; a blank one for a page that gave no pixels.

    A JPEG picture stays as it is; others are packed without loss, as the reading saw them.
    """
    jpeg = _keep_jpeg(pdf, file) if media_type == _JPEG else None
    with closing(ImageSource(FileView(os.dup(file.fileno())), media_type, _most_pixels(pages))) as source:
        for page in pages:
            if not page.width:
                pdf.add_blank_page()
                continue
            picture = jpeg or _pack(pdf, source.page(page.page))
            width, height = int(picture.Width), int(picture.Height)
            scale = min(_POINTS_PER_INCH / (page.dpi or USUAL_DPI), MAX_SIDE / max(width, height))
            _add_page(pdf, picture, width * scale, height * scale)


def _most_pixels(pages: Iterable[PageResult]) -> int:
    """These pages were decoded before, so they are no larger than they said."""
    return max([1, *(page.width * page.height for page in pages)])


def _keep_jpeg(pdf: Pdf, file: BinaryIO) -> Stream | None:
    """The file itself as a picture of a PDF, where viewers show it as the reading saw it."""
    file.seek(0)
    with Image.open(file, formats=["JPEG"]) as image:
        is_upright = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT
        mode, (width, height) = image.mode, image.size
    if mode not in _COLOUR_SPACES or not is_upright:
        return None
    file.seek(0)
    return _picture(pdf, file.read(), width, height, mode, "/DCTDecode")


def _pack(pdf: Pdf, raster: Raster) -> Stream:
    packer = zlib.compressobj()
    pieces = [packer.compress(strip) for strip in raster.strips]
    return _picture(pdf, b"".join([*pieces, packer.flush()]), raster.width, raster.height, "RGB", "/FlateDecode")


def _picture(pdf: Pdf, data: bytes, width: int, height: int, mode: str, packing: str) -> Stream:
    return Stream(
        pdf,
        data,
        Type=Name.XObject,
        Subtype=Name.Image,
        Width=width,
        Height=height,
        ColorSpace=Name(_COLOUR_SPACES[mode]),
        BitsPerComponent=8,
        Filter=Name(packing),
    )


def _add_page(pdf: Pdf, picture: Stream, width: float, height: float) -> None:
    page = pdf.add_blank_page(page_size=(width, height))
    page.Resources = Dictionary(XObject=Dictionary(Page=pdf.make_indirect(picture)))
    page.Contents = Stream(pdf, f"q {width:.4f} 0 0 {height:.4f} 0 0 cm /Page Do Q".encode())
